"""One line per request, plain or as JSON: never a key, never what was said."""

import logging
import re
import sys
import time
from functools import lru_cache

from adapter.server.exchanges import Exchange
from adapter.settings import Settings
from adapter.wire.base import encode

_NAME = re.compile(r"[\w.:/+@-]{1,128}", re.ASCII)


def shown(model: str) -> str:
    """A model's name as the log may show it: what does not look like one may be anything, sent there by mistake."""
    return model if _NAME.fullmatch(model) else "?" if model else "-"


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
        }
        exchange = getattr(record, "exchange", None)
        if isinstance(exchange, Exchange):
            names = {"model_asked": shown(exchange.model_asked), "model": shown(exchange.model)}
            line |= exchange.summary() | names
        else:
            line["message"] = record.getMessage()
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return encode(line).decode()


class PlainFormatter(logging.Formatter):
    """One line each, with the local time."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002
        """See `logging.Formatter`."""
        return _clock(int(record.created))


@lru_cache(maxsize=1)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def configure(settings: Settings) -> None:
    """Send the project's log to standard error."""
    # What no line shows need not be found out for each (docs.python.org, logging HOWTO, Optimization).
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else PlainFormatter())
    log = logging.getLogger("adapter")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(settings.log_level.upper())
