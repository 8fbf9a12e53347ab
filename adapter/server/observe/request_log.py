"""Request log: one line per request, as text or JSON. It never contains keys or contents."""

import asyncio
import logging
import re
import sys
import time

from adapter.server.observe.exchange_log import Exchange
from adapter.server.observe.log_sink import LogSink
from adapter.settings import Settings
from adapter.wire.base import encode

_LEVELS = {level: logging.getLevelName(level) for level in (logging.WARNING, logging.INFO, logging.DEBUG)}

_NAME = re.compile(r"[\w.:/+@-]{0,128}", re.ASCII)


def loggable(model: str) -> str:
    """Return a name (model, error code) for the log: `-` for none, `?` for what does not look like a name.

    Clients choose model names, so anything may stand there: a key by mistake, control characters, megabytes.
    """
    if not model:
        return "-"
    return model if _NAME.fullmatch(model) else "?"


class JsonFormatter(logging.Formatter):
    """Formats the records of `logging` as one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line of JSON."""
        line = {"time": _date(int(record.created)), "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return encode(line).decode()


class Handler(logging.Handler):
    """Passes the records of `logging` to the sink."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self._sink.write(self.format(record))


class RequestLog:
    """Writes one line for each request.

    It formats lines itself: `logging` would spend more on a record than the translation of a small request takes. Lines
    of requests that end in the same turn of the event loop are written with one system call.
    """

    def __init__(self, settings: Settings, sink: LogSink) -> None:
        self._sink = sink
        self._json = settings.log_format == "json"
        self._least = logging.getLevelNamesMapping()[settings.log_level.upper()]
        self._waiting: list[str] = []

    def write(self, exchange: Exchange) -> None:
        """Queue the line of an exchange; it is written at the end of this turn of the event loop."""
        level = logging.WARNING if exchange.is_failure else logging.DEBUG if exchange.quiet else logging.INFO
        if level < self._least:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(self._line(exchange, _LEVELS[level]))

    def _flush(self) -> None:
        self._sink.write(*self._waiting)
        self._waiting.clear()

    def _line(self, exchange: Exchange, level: str) -> str:
        now = int(time.time())
        if not self._json:
            return f"{_clock(now)} {level} {exchange.id} {_plain(exchange)}"
        names = {"model_asked": loggable(exchange.model_asked), "model": loggable(exchange.model)}
        if exchange.error:
            names["error"] = loggable(exchange.error)
        return encode({"time": _date(now), "level": level.lower(), **exchange.summary(), **names}).decode()


def _plain(exchange: Exchange) -> str:
    """Format method, path, status, models (asked for -> answered), times, tokens, losses by severity, and the error."""
    model = loggable(exchange.model)
    model_asked = model if exchange.model_asked == exchange.model else loggable(exchange.model_asked)
    models = model if model_asked in ("-", model) else f"{model_asked} -> {model}"
    line = f"{exchange.method} {exchange.loggable_path} {exchange.status} {models} {exchange.milliseconds:.0f} ms"
    if exchange.first_event_after:
        line += f" (first event {exchange.first_event_after * 1_000:.0f} ms)"
    if (usage := exchange.usage) is not None:
        completion = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
        line += f" {usage.prompt_token_count or 0}+{completion} tokens"
    for severity, count in exchange.losses.items():
        line += f" {severity}={count}"
    return f"{line} {loggable(exchange.error)}" if exchange.error else line


def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def _date(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def configure(settings: Settings) -> RequestLog:
    """Send the logs of adapter, uvicorn and asyncio to standard error; return the request log, which goes there."""
    sink = LogSink(sys.stderr)
    handler = Handler(sink)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else plain)
    for name, level in (("adapter", settings.log_level), ("uvicorn.error", "warning"), ("asyncio", "warning")):
        log = logging.getLogger(name)
        log.handlers[:] = [handler]
        # A handler of the root logger, which any library may set, would write each line a second time.
        log.propagate = False
        log.setLevel(level.upper())
    return RequestLog(settings, sink)
