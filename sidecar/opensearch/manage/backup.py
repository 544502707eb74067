"""What was there before it was overwritten, as files that can be put back."""

import json
import os
import re
import time
from itertools import count
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
        text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = _new(file)
            # Half a character, which JSON can hold, is kept too.
            file.write_bytes(text.encode("utf-8", "surrogatepass"))
        except OSError as error:
            raise OpenSearchError(
                f"{file}: what the server has can't be backed up before it is overwritten: {error.strerror}",
                hint="name a folder that can be written with --backup DIR",
            ) from error
        return str(file)


def _new(file: Path) -> Path:
    """A file that wasn't there: one may be, of an object with nearly the same name, or of another apply this second.

    Only who made it can read it: what a user added to an object by hand is not known.
    """
    for number in count(2):
        try:
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
        except FileExistsError:
            file = file.with_name(f"{file.stem.partition('~')[0]}~{number}.json")
        else:
            break
    return file
