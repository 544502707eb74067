"""Log lines: JSON in a pod, plain text on a terminal; always on standard error."""

import json
import logging
import sys
import time
from typing import Literal

Format = Literal["auto", "json", "text"]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message, and the traceback of a bug."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(style: Format = "auto", *, level: int = logging.INFO) -> None:
    """Send everything to standard error; `auto` is text on a terminal and JSON elsewhere."""
    handler = logging.StreamHandler(sys.stderr)
    plain = style == "text" or (style == "auto" and sys.stderr.isatty())
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S") if plain else JsonFormatter()
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # They log every failed connection, which is said here with what to do about it; and bodies of requests at debug.
    for name in ("urllib3", "kubernetes"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
