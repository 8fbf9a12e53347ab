"""`adapter serve`."""

import asyncio
import errno
import logging
import math
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import msgspec
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from adapter.cli.banner import Banner, print_banner
from adapter.cli.documented import DocumentedError
from adapter.cli.help import SettingsCommand
from adapter.cli.options import load_settings, with_settings
from adapter.cli.prediction import predicted_error
from adapter.emulator import EmulatorSettings, create_emulator
from adapter.server.app import (
    CONNECTIONS_VARIABLE,
    LABEL_VARIABLE,
    PAGE_VARIABLE,
    SETTINGS_VARIABLE,
    app_from_environment,
    create_app,
    settle,
)
from adapter.server.http.uvicorn_protocol import KEEP_ALIVE_S, build_protocol
from adapter.server.observe.request_log import configure
from adapter.settings import (
    Settings,
    document_limits,
    exposes_secrets,
    upstream_name,
    upstream_settings,
)
from adapter.store import shared_store_fault

log = logging.getLogger("adapter")

WORKER_START = 60
"""Seconds until a new worker must answer its parent's health check."""


@click.command(cls=SettingsCommand)
@with_settings
def serve(config: Path | None, **flags: Any) -> None:
    """Serve OpenAI's API, answered by Gemini, or by the built-in emulator (alone on this machine without a key)."""
    settings = load_settings(config, flags)
    if config is not None and exposes_secrets(config):
        click.echo(f"{config} contains keys, and every user of this machine can read it: chmod 600 {config}", err=True)
    if settings.workers > 1:
        _check_store(settings)
    page_token = secrets.token_urlsafe(24)
    with ExitStack() as folders, _start_upstream(settings) as (effective, label):
        lines = configure(settings)
        if settings.uses_emulator and settings.is_exposed:
            log.warning("the built-in emulator answers: clients of this server get invented answers")
        if settings.workers == 1:
            app = create_app(effective, label, lines, page_token=page_token, predict=predicted_error)
            settle()
            _run(app, settings, label, page_token)
        else:
            if settings.metrics:
                folder = folders.enter_context(TemporaryDirectory(prefix="adapter-metrics-"))
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            os.environ[SETTINGS_VARIABLE] = msgspec.json.encode(effective).decode()
            os.environ[LABEL_VARIABLE], os.environ[PAGE_VARIABLE] = label, page_token
            shared = Path(folders.enter_context(TemporaryDirectory(prefix="adapter-workers-"))) / "connections"
            shared.touch()
            os.environ[CONNECTIONS_VARIABLE] = str(shared)
            _run("adapter.cli.serve:worker", settings, label, page_token)


def _check_store(settings: Settings) -> None:
    """Refuse to start several workers without a shared store: each would miss the signatures of the others."""
    fault = asyncio.run(shared_store_fault(settings.store, document_limits(settings)))
    if fault is not None:
        raise DocumentedError(
            f"{settings.workers} workers need a store that they share, and have none: {fault}. "
            "Set --store sqlite:PATH or --store redis://HOST, or --workers 1.",
            "deployment.md",
        )


def worker() -> ASGIApp:
    """Build the application in a worker process (uvicorn calls this)."""
    return app_from_environment(predicted_error)


class Workers(Multiprocess):
    """Worker processes, and this one that replaces those which end."""

    def terminate_all(self) -> None:
        """End all workers, each once it has answered what it has begun.

        Their parent closes the sockets, too, or connections that no worker takes would be left waiting until the last
        answer's end.
        """
        super().terminate_all()
        for listener in self.sockets:
            listener.close()


def _run(app: ASGIApp | str, settings: Settings, label: str, page_token: str) -> None:
    """Listen, print the greeting, and serve until a signal comes."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        factory=isinstance(app, str),
        loop="auto" if settings.workers == 1 or sys.platform == "win32" else "adapter.cli.worker_loop:new_event_loop",
        access_log=False,
        # `request_log.configure` has set up logging; uvicorn must not change it.
        log_config=None,
        log_level=None,
        http=build_protocol(settings),
        ws_max_size=settings.max_body,
        timeout_keep_alive=KEEP_ALIVE_S,
        server_header=False,
        # Client addresses are not used anywhere, so forwarded ones need not be parsed.
        proxy_headers=False,
        # Longer than the grace period of `GracefulShutdown`, which ends requests with an error that clients see.
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace) + 5,
        # uvicorn kills a worker that does not answer in time, even while it starts. With its default of five seconds
        # a busy machine would kill every worker. Stuck workers are found by our own watchdog.
        timeout_worker_healthcheck=WORKER_START,
    )
    server = uvicorn.Server(config)
    listeners = _open_listeners(config)
    for listener in listeners:
        # Listen before the greeting: scripts that read it call at once, and connections then wait for the start.
        listener.listen(config.backlog)
    banner = Banner(settings, label, listeners[0].getsockname()[1], page_token, time.time())
    with suppress(OSError):
        # Standard output may be closed.
        print_banner(banner)
    if settings.log_format == "json":
        # With JSON logs nobody reads a banner.
        for warning in banner.warnings():
            log.warning("%s", warning)
    if settings.workers > 1:
        Workers(config, sockets=listeners).run()
        return
    with suppress(KeyboardInterrupt):
        server.run(sockets=listeners)
    if not server.started:
        sys.exit(3)


def _open_listeners(config: uvicorn.Config) -> list[socket.socket]:
    """Open the listening sockets: for `localhost` both loopback addresses, since clients try either one first."""
    if config.host != "localhost":
        return [_bind(config.host, config.port)]
    listeners = [_bind("127.0.0.1", config.port)]
    if _has_address("::1"):
        listeners.append(_bind("::1", listeners[0].getsockname()[1]))
    return listeners


def _bind(host: str, port: int) -> socket.socket:
    """Bind a socket to an address. Raises `CannotListen`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    # Without this a restart fails until the last connections of the old process have timed out.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise CannotListen(_explain(host, port, error), "settings.md#port") from None
    # Worker processes inherit the socket.
    bound.set_inheritable(True)
    return bound


class CannotListen(DocumentedError):
    """The server cannot listen on the address."""

    exit_code = 3


def _explain(host: str, port: int, error: OSError) -> str:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{place} is in use by another program: stop it, or choose another with --port (0 takes any that is free)."
        )
    if error.errno == errno.EACCES:
        return f"{place} needs more rights: choose a port above 1023 with --port."
    return f"{place} cannot be listened on ({error.strerror or error}): look at --host and --port."


def _has_address(address: str) -> bool:
    """Return whether this machine has an IPv6 address; containers often do not have ::1."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


@contextmanager
def _start_upstream(settings: Settings) -> Iterator[tuple[Settings, str]]:
    """Return the settings to serve with, and the upstream's name. If the emulator is used, run it meanwhile."""
    if not settings.uses_emulator:
        yield settings, upstream_name(settings)
        return
    key = secrets.token_urlsafe(24)
    bearer = upstream_settings(settings).auth == "bearer"
    with _run_emulator(EmulatorSettings(api_keys=frozenset({key}), relay=bearer)) as url:
        effective = msgspec.structs.replace(
            settings,
            upstream_url=url,
            upstream_keys=(key,),
            upstream_name="emulator",
            upstream_keys_file=None,
            emulator=None,
            upstream_platform="relay" if bearer else "studio",
        )
        yield effective, "emulator"


@contextmanager
def _run_emulator(settings: EmulatorSettings) -> Iterator[str]:
    """Run the emulator in a thread, on a free port of the loopback address; return its URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # Listening before the thread runs makes early requests wait instead of being refused.
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
