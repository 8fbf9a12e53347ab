"""One line per request, plain or as JSON: never a key, never what was said."""

import logging
import re
import sys
import time

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


def configure(settings: Settings) -> None:
    """Send the project's log to standard error."""
    # What no line shows need not be found out for each (docs.python.org, logging HOWTO, Optimization).
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else plain)
    log = logging.getLogger("adapter")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(settings.log_level.upper())
