"""`adapter doctor`: checks, one by one, everything that the start and the first request depend on."""

import asyncio
import os
import platform
import socket
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import click
import httpx2
import msgspec

from adapter import __version__, extras
from adapter.cli.help import SettingsCommand
from adapter.cli.install import install_command
from adapter.cli.options import load_settings, with_settings
from adapter.settings import Settings, document_limits, upstream_settings
from adapter.settings.sources import list_sources
from adapter.store import open_documents, open_store
from adapter.upstream import open_upstream
from adapter.upstream.client import Caller
from adapter.upstream.errors import UpstreamError

MOST_SKEW = 60.0
"""Seconds that this machine's clock may differ from the upstream's."""

PATIENCE = 10.0
"""Seconds to wait for the upstream."""

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red"), "info": ("·", "")}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check. `state` is ok, info, warning or error; `advice` says what to do."""

    name: str
    state: str
    fact: str
    advice: str = ""


@click.command(cls=SettingsCommand)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@with_settings
def doctor(config: Path | None, *, as_json: bool, **flags: Any) -> None:
    """Look at settings, keys, upstream, clock, store, port and extras, and say what to do.

    The exit code is 1 if something is wrong that keeps requests from being answered.
    """
    settings = load_settings(config, flags)
    findings = examine(settings, flags, os.environ, config)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        for finding in findings:
            _show(finding)
    if any(finding.state == "error" for finding in findings):
        raise SystemExit(1)


def _show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.state]
    click.echo(f"{click.style(mark, fg=colour or None)} {finding.name}: {finding.fact}")
    if finding.advice:
        click.echo(f"    {finding.advice}")


def examine(
    settings: Settings, flags: Mapping[str, Any], environment: Mapping[str, str], config: Path | None
) -> list[Finding]:
    """Run all checks, in the order in which a request would meet a problem."""
    versions = f"adapter {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    return [
        Finding(name="versions", state="info", fact=versions),
        *_list_settings(settings, flags, environment, config),
        _check_port(settings),
        asyncio.run(_check_store(settings)),
        *_check_upstream(settings),
        *_list_extras(),
    ]


def _list_settings(
    settings: Settings, flags: Mapping[str, Any], environment: Mapping[str, str], config: Path | None
) -> list[Finding]:
    listed = list_sources(settings, flags, environment, config)
    if not listed:
        return [Finding(name="settings", state="info", fact="all defaults")]
    return [Finding(name=one.name, state="info", fact=f"{one.value} (from {one.origin})") for one in listed]


def _check_port(settings: Settings) -> Finding:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as error:
        advice = "Stop what listens there, or choose another with --port."
        fact = f"{settings.host}:{settings.port} cannot be listened on: {error.strerror or error}"
        return Finding(name="address", state="error", fact=fact, advice=advice)
    return Finding(name="address", state="ok", fact=f"{settings.host}:{settings.port} is free")


async def _check_store(settings: Settings) -> Finding:
    signatures = await open_store(settings.store)
    documents = await open_documents(settings.store, document_limits(settings))
    described = [signatures.describe(), documents.describe()]
    await documents.aclose()
    await signatures.aclose()
    warning = next((str(one["warning"]) for one in described if one.get("warning")), "")
    where = str(described[0].get("path") or described[0].get("kind") or settings.store)
    if warning:
        advice = "Set --store sqlite:PATH to a folder that can be written, or --store redis://HOST."
        return Finding(name="store", state="warning", fact=warning, advice=advice)
    return Finding(name="store", state="ok", fact=where)


def _check_upstream(settings: Settings) -> list[Finding]:
    if settings.uses_emulator:
        fact = "the built-in emulator: its answers are invented"
        advice = "Set GEMINI_API_KEY to call Gemini itself."
        return [Finding(name="upstream", state="warning", fact=fact, advice=advice)]
    if settings.upstream_auth == "caller":
        fact = f"{settings.upstream_url}, with the key of each client: not asked"
        return [Finding(name="upstream", state="info", fact=fact)]
    return [asyncio.run(_check_models(settings)), _check_clock(settings)]


async def _check_models(settings: Settings) -> Finding:
    upstream = open_upstream(upstream_settings(settings))
    try:
        listed = await upstream.models(Caller(), asyncio.get_running_loop().time() + PATIENCE)
    except UpstreamError as error:
        fact = f"{settings.upstream_url} answered {error.status}: {error}"
        return Finding(name="upstream", state="error", fact=fact, advice=_advise(error.status))
    finally:
        await upstream.aclose()
    return Finding(name="upstream", state="ok", fact=f"{settings.upstream_url} takes the key, {len(listed)} models")


def _advise(status: int) -> str:
    """Say what to do about the HTTP status that the list of models was answered with."""
    if status in (400, 401, 403):
        return "The key is wrong or may not be used: look at it at https://aistudio.google.com/apikey."
    if status == 429:
        return "The key's quota is used up: wait, or add keys to --upstream-keys."
    if status == 404:
        return "There is no Gemini API at this URL: look at --upstream-url."
    return "The upstream cannot be reached: look at the network, --upstream-proxy and --upstream-url."


def _check_clock(settings: Settings) -> Finding:
    """Compare this machine's clock with the upstream's: Google Cloud's tokens and retry times depend on it."""
    try:
        before = time.time()
        answer = httpx2.head(settings.upstream_url, timeout=PATIENCE, proxy=settings.upstream_proxy)
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx2.HTTPError, KeyError, ValueError):
        return Finding(name="clock", state="info", fact="the upstream told no time to compare with")
    skew = before - theirs
    if abs(skew) > MOST_SKEW:
        fact = f"this machine's clock is {skew:+.0f} s off"
        return Finding(name="clock", state="warning", fact=fact, advice="Set the clock, for example by NTP.")
    return Finding(name="clock", state="ok", fact="agrees with the upstream's")


def _list_extras() -> list[Finding]:
    missing = [name for name in extras.MODULES if not extras.has(name)]
    have = [name for name in extras.MODULES if name not in missing]
    findings = [Finding(name="extras", state="info", fact=f"installed: {', '.join(have) or 'none'}")]
    if missing:
        fact, advice = f"not installed: {', '.join(missing)}", f"If you need one: {install_command(missing[0])}"
        findings.append(Finding(name="extras", state="info", fact=fact, advice=advice))
    return findings
