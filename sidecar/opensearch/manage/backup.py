"""What was there before it was overwritten, as files that can be put back."""

import json
import re
import time
from pathlib import Path

from sidecar.errors import OpenSearchError
from sidecar.opensearch.manage.kind import Json

_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_MODE = 0o600


class Backup:
    """Files below a folder, one an object, in a folder of this moment, which is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())

    def keep(self, title: str, name: str, body: Json) -> str:
        """Write down what is about to be overwritten.

        Returns:
            The file.

        Raises:
            OpenSearchError: It can't be written: then nothing is to be overwritten.
        """
        folder = self._folder / _ODD.sub("-", title)
        file = folder / f"{_ODD.sub('_', name)[:200]}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Only for who made it: what a user added by hand is not known.
            file.touch(_MODE)
            file.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise OpenSearchError(
                f"{file}: what the server has can't be backed up before it is overwritten: {error.strerror}",
                hint="name a folder that can be written with --backup DIR",
            ) from error
        return str(file)
