"""The `adapter` command."""

import datetime
import math
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, get_args, get_origin

import click
import msgspec
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from adapter import __version__
from adapter.emulator import EmulatorSettings, create_emulator
from adapter.server.app import LABEL_VARIABLE, SETTINGS_VARIABLE, create_app, settle
from adapter.server.http.uvicorn_protocol import KEEP_ALIVE, protocol
from adapter.server.observe.request_log import configure
from adapter.server.pipeline.errors import Malformed, failure_of, malformed
from adapter.server.pipeline.ledger_headers import listed
from adapter.server.pipeline.service import DECODING_ERRORS, prepared
from adapter.settings import (
    HASHED,
    SECRETS,
    Setting,
    Settings,
    SettingsError,
    all_settings,
    catalogue,
    digest_of,
    load,
    options,
    shown_to_all,
    upstream_name,
    upstream_settings,
    utc_day,
)
from adapter.translate.core.notes import Rejected
from adapter.wire.base import decode
from adapter.wire.openai.chat_request import ChatCompletionRequest


@click.group()
@click.version_option(__version__, prog_name="adapter")
def main() -> None:
    """Any OpenAI tool runs on Gemini by changing its base_url, and nothing is lost in silence."""


def _flag(setting: Setting) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The flag of a setting; what was not given is None, and read from elsewhere."""
    name = "--" + setting.name.replace("_", "-")
    kinds = {setting.type, *get_args(setting.type)}
    default = "none" if setting.name in SECRETS or setting.default in (None, (), {}) else str(setting.default)
    help_text = f"{setting.help} [ADAPTER_{setting.name.upper()}; default: {default}]"
    if bool in kinds:
        return click.option(f"{name}/--no-{name[2:]}", setting.name, default=None, help=help_text)
    choices = get_args(setting.type) if get_origin(setting.type) not in (tuple, dict) else ()
    words = [choice for choice in choices if isinstance(choice, str)]
    return click.option(name, setting.name, default=None, help=help_text, type=click.Choice(words) if words else str)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for every setting, and --config."""
    for setting in reversed(all_settings()):
        command = _flag(setting)(command)
    path = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option("--config", type=path, envvar="ADAPTER_CONFIG", help="TOML file with settings.")(command)


def _load(config: Path | None, flags: Mapping[str, Any]) -> Settings:
    try:
        settings = load(flags, os.environ, config)
        catalogue(settings, _today())
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    return settings


def _today() -> datetime.date:
    """The day by UTC, as the calendar of models counts."""
    return utc_day(time.time())


@main.command()
@with_settings
def serve(config: Path | None, **flags: Any) -> None:
    """Serve OpenAI's API, answered by Gemini, or by the built-in emulator when there is no key."""
    settings = _load(config, flags)
    if config is not None and shown_to_all(config):
        click.echo(f"{config} holds keys, and every user of this machine may read it: chmod 600 {config}", err=True)
    with ExitStack() as folders, _upstream(settings) as (reached, label):
        lines = configure(settings)
        if settings.workers == 1:
            app = create_app(reached, label, lines)
            settle()
            _run(app, settings, label)
        else:
            if settings.metrics:
                folder = folders.enter_context(TemporaryDirectory(prefix="adapter-metrics-"))
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            os.environ[SETTINGS_VARIABLE] = msgspec.json.encode(reached).decode()
            os.environ[LABEL_VARIABLE] = label
            _run("adapter.server.app:app_from_environment", settings, label)


def _run(app: ASGIApp | str, settings: Settings, label: str) -> None:
    """Listen, say so, and serve until a signal comes."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        factory=isinstance(app, str),
        access_log=False,
        # See `logs.configure`.
        log_config=None,
        log_level=None,
        http=protocol(settings),
        ws_max_size=settings.max_body,
        timeout_keep_alive=KEEP_ALIVE,
        server_header=False,
        # Nothing here asks who called from where.
        proxy_headers=False,
        # Later than `Drain`, whose errors the clients see.
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace) + 5,
    )
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    # Who reads the lines below may call at once: a connection waits for the server to start.
    listener.listen(config.backlog)
    with suppress(OSError):
        # Nobody may be there to read it.
        _greet(settings, label, listener.getsockname()[1])
    if settings.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(3)


EXAMPLE = """curl {url}/v1/chat/completions -H 'content-type: application/json'{key} \\
  -d '{{"model": "gemini-3.8-flash", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""


def _greet(settings: Settings, label: str, port: int) -> None:
    """The first lines: what answers, and how to reach it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    if settings.emulated:
        click.echo("No key is set: the built-in Gemini emulator answers. Set GEMINI_API_KEY to call Gemini itself.")
    else:
        click.echo(f"Upstream: {label} ({settings.upstream_url})")
    click.echo(f"OpenAI base_url: {url}/v1")
    if settings.inspector or (settings.inspector is None and settings.loopback):
        click.echo(f"What happens to each field: {url}/")
    needs_key = settings.client_keys or settings.clients or settings.upstream_auth == "caller"
    click.echo(EXAMPLE.format(url=url, key=" -H 'authorization: Bearer KEY'" if needs_key else ""))


@contextmanager
def _upstream(settings: Settings) -> Iterator[tuple[Settings, str]]:
    """The settings with an upstream that can be reached, and its name; the emulator runs while they are used."""
    if not settings.emulated:
        yield settings, upstream_name(settings)
        return
    key = secrets.token_urlsafe(24)
    bearer = upstream_settings(settings).auth == "bearer"
    with _emulator(EmulatorSettings(api_keys=frozenset({key}), relay=bearer)) as url:
        reached = msgspec.structs.replace(
            settings,
            upstream_url=url,
            upstream_keys=(key,),
            upstream_name="emulator",
            upstream_platform="relay" if bearer else "studio",
        )
        yield reached, "emulator"


@contextmanager
def _emulator(settings: EmulatorSettings) -> Iterator[str]:
    """The emulator in a thread of its own, on a free port of the loopback address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # From here on a request waits for the thread below instead of being refused.
    listener.listen(2048)
    config = uvicorn.Config(create_emulator(settings), log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="emulator", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8081, show_default=True, help="Port to listen on.")
@click.option("--relay", is_flag=True, help="Also take keys as Authorization: Bearer, as relays do.")
@click.option("--chunk-delay", default=0.0, show_default=True, help="Seconds between two events of a stream.")
def emulate(host: str, port: int, relay: bool, chunk_delay: float) -> None:
    """Serve the Gemini emulator alone: strict, deterministic, for tests of anything that calls Gemini."""
    settings = EmulatorSettings(relay=relay, chunk_delay=chunk_delay)
    click.echo(f"Gemini emulator: http://{host}:{port} (any key)")
    uvicorn.run(create_emulator(settings), host=host, port=port, log_level="warning", access_log=False)


@main.command()
def key() -> None:
    """Make a key for a client, and the hash of it that the settings may hold."""
    made = f"sk-ga-{secrets.token_urlsafe(36)}"
    click.echo(f"The client's: {made}\nThe server's: {HASHED}{digest_of(made)}")


@main.command()
@click.argument("file", type=click.File("rb"))
@with_settings
def translate(file: BinaryIO, config: Path | None, **flags: Any) -> None:
    """Show what a chat request in FILE (- for standard input) becomes, without calling anything."""
    settings = _load(config, flags)
    try:
        request, unknown = decode(file.read(), ChatCompletionRequest)
        shown = prepared(request, unknown, catalogue(settings, _today()), options(settings))
    except DECODING_ERRORS as error:
        raise _refusal(malformed(error)) from None
    except Rejected as error:
        raise _refusal(error) from None
    answer = msgspec.json.encode({"model": shown.model, "body": shown.body, "notes": listed(shown.notes)})
    click.echo(msgspec.json.format(answer, indent=2))


def _refusal(error: Malformed | Rejected) -> click.ClickException:
    """What a client would be told."""
    told = failure_of(error, "").body.error
    return click.ClickException(f"{told.param}: {told.message}" if told.param else told.message)


@main.command()
@with_settings
def models(config: Path | None, **flags: Any) -> None:
    """List the capability rows and the model names that are mapped."""
    settings = _load(config, flags)
    table = catalogue(settings, _today())
    for row in table.model:
        ends = row.until.get(table.platform)
        until = f" until {ends}" if ends else ""
        click.echo(f"{row.pattern:32} thinking {row.thinking:8} {row.date}  {row.source}{until}")
    for alias in table.alias:
        click.echo(f"{alias.pattern:32} -> {alias.model}")


if __name__ == "__main__":
    sys.exit(main())
