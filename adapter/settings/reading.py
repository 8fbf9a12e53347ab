"""Settings are read once: flags over environment over a TOML file over defaults."""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from adapter.settings.checks import check, check_fallbacks, check_traces
from adapter.settings.fields import GOOGLE_URL, SECRETS, Settings, SettingsError, all_settings
from adapter.settings.keys import HASHED, digest_of, read_text, with_keys
from adapter.translate.core.strictness import Strictness, strictness_of
from adapter.upstream.auth.vertex import vertex_host
from adapter.upstream.settings import base_url

PREFIX = "ADAPTER_"

KEY_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""Where Google's own SDK finds its key; the first wins (google-genai 3.4.0)."""

_CLOUD_NAME = re.compile(r"[a-z][a-z0-9.:-]{1,62}")


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read the settings; a flag that is None was not given. Raises `SettingsError`."""
    values = from_file(file) | _from_environment(environment) | {k: v for k, v in flags.items() if v is not None}
    typed = {name: _typed(name, value) for name, value in values.items()}
    try:
        if "upstream_url" in typed:
            typed["upstream_url"] = base_url(str(typed["upstream_url"]))
        if typed.get("upstream_auth") == "vertex":
            typed = _on_vertex(typed, environment)
        typed.setdefault("upstream_keys", _google_keys(environment, typed))
        if "fallback_upstreams" in typed:
            typed["fallback_upstreams"] = _tables(typed["fallback_upstreams"], environment)
        settings = with_keys(msgspec.convert(typed, Settings))
        if settings.traces:
            check_traces(environment)
    except msgspec.ValidationError as error:
        raise SettingsError(_sentence(error, typed)) from None
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(f"upstream_url: {error}") from None
    return _checked(settings)


def _sentence(error: msgspec.ValidationError, values: Mapping[str, Any]) -> str:
    """What is wrong with a setting: its name, its value where that is no secret, and what it may be."""
    reason, _, place = str(error).partition(" - at `$.")
    name = re.split(r"[.\[`]", place)[0]
    setting = next((one for one in all_settings() if one.name == name), None)
    if setting is None:
        return str(error)
    shown = "" if name in SECRETS else f" = {values.get(name)!r}"
    words = [one for one in get_args(setting.type) if isinstance(one, str)]
    may = f"is none of {', '.join(words)}" if words else reason[:1].lower() + reason[1:].replace("`", "")
    return f"{name}{shown}: {may}"


def read_again(settings: Settings) -> Settings:
    """The settings with the keys that their files hold by now. Raises `SettingsError`."""
    bare = {"client_keys": ()} if settings.client_keys_file else {}
    bare |= {"upstream_keys": ()} if settings.upstream_keys_file else {}
    tables = tuple(
        {**table, "upstream_keys": ()} if table.get("upstream_keys_file") else table
        for table in settings.fallback_upstreams
    )
    return _checked(with_keys(msgspec.structs.replace(settings, **bare, fallback_upstreams=tables)))


def _checked(settings: Settings) -> Settings:
    """The settings, if they fit each other, with client keys as hashes. Raises `SettingsError`."""
    check(settings)
    check_fallbacks(settings)
    hashed = tuple(HASHED + digest_of(key) for key in settings.client_keys)
    clients = tuple(msgspec.structs.replace(one, key=HASHED + digest_of(one.key)) for one in settings.clients)
    return msgspec.structs.replace(settings, client_keys=hashed, clients=clients)


def _has_packages(*names: str) -> bool:
    """Whether packages of an optional extra are installed; `find_spec` itself fails where a parent is missing."""
    try:
        return all(find_spec(name) is not None for name in names)
    except ModuleNotFoundError:
        return False


def _on_vertex(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """What Google Cloud's own variables say, and the URL that follows. Raises `SettingsError`."""
    if not _has_packages("google.auth", "requests"):
        raise SettingsError("upstream_auth: vertex needs more packages: pip install 'gemini-openai-adapter[vertex]'")
    project = values.get("vertex_project") or environment.get("GOOGLE_CLOUD_PROJECT")
    location = values.get("vertex_location") or environment.get("GOOGLE_CLOUD_LOCATION") or "global"
    if not project:
        raise SettingsError("vertex_project: which Google Cloud project is asked? (or set GOOGLE_CLOUD_PROJECT)")
    if not _CLOUD_NAME.fullmatch(project) or not _CLOUD_NAME.fullmatch(location):
        raise SettingsError("vertex_project, vertex_location: these are no names of a project and a location")
    url = values.get("upstream_url") or f"https://{vertex_host(location)}/v1beta1"
    found = {"vertex_project": project, "vertex_location": location, "upstream_url": url, "upstream_keys": ()}
    return {**values, **found}


def _google_keys(environment: Mapping[str, str], values: Mapping[str, Any]) -> list[str]:
    """Google's key, for Google alone: a relay must not get it by accident."""
    if values.get("upstream_url", GOOGLE_URL) != GOOGLE_URL or values.get("upstream_keys_file"):
        return []
    return [value for name in KEY_VARIABLES if (value := environment.get(name, "").strip())][:1]


def from_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(read_text(file))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def shown_to_all(file: Path) -> bool:
    """Whether a TOML file holds keys, other than hashes of them, and every user of this machine may read it."""
    if os.name != "posix" or not file.stat().st_mode & stat.S_IROTH:
        return False
    values = from_file(file)
    clients = [one.get("key", "") for one in values.get("clients", ()) if isinstance(one, dict)]
    if not all(str(key).startswith(HASHED) for key in (*values.get("client_keys", ()), *clients)):
        return True
    tables = [values, *values.get("fallback_upstreams", ())]
    urls = [str(values.get("store", "")), *(str(table.get("upstream_proxy", "")) for table in tables)]
    return any(table.get("upstream_keys") for table in tables) or any(urlsplit(url).password for url in urls)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = set(Settings.__struct_fields__)
    given = {name[len(PREFIX) :].lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    unknown = set(given) - names - {"config", "corpus", "settings"}
    if unknown:
        named = ", ".join(PREFIX + name.upper() for name in sorted(unknown))
        raise SettingsError(f"no such setting: {named}{_meant(unknown)}")
    return {name: value for name, value in given.items() if name in names}


def _meant(unknown: Iterable[str]) -> str:
    """Names that are like those, so that a slip of the pen is found at once."""
    like = [near for name in sorted(unknown) for near in get_close_matches(name, Settings.__struct_fields__, 1, 0.8)]
    return f" (like {', '.join(PREFIX + name.upper() for name in like)}?)" if like else ""


_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _typed(name: str, value: Any) -> Any:
    """A text from the environment or the command line as the type of its setting."""
    setting = next((one for one in all_settings() if one.name == name), None)
    if setting is None:
        raise SettingsError(f"no such setting: {name}")
    if name == "strict":
        return _strictness(value)
    if not isinstance(value, str):
        return value
    if name in ("fallback_upstreams", "clients"):
        return _json(name, value)
    kinds = {setting.type, get_origin(setting.type), *get_args(setting.type)}
    if get_origin(setting.type) is tuple:
        return [item.strip() for item in value.split(",") if item.strip()]
    if get_origin(setting.type) is dict:
        return _pairs(name, value)
    if bool in kinds:
        return _boolean(name, value)
    if int in kinds or float in kinds:
        return _number(name, value, int if int in kinds else float)
    return value


def _strictness(value: Any) -> str:
    """A level, or a boolean: before 0.2 strict mode was on or off."""
    level = strictness_of(str(value))
    if level is None:
        raise SettingsError(f"strict: {value!r} is none of {', '.join(Strictness)}")
    return level.value


def _pairs(name: str, value: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in value.split(",") if item.strip()]
    if any(not mark for _, mark, _ in pairs):
        raise SettingsError(f"{name}: expected NAME=VALUE,NAME=VALUE")
    return {key.strip(): item.strip() for key, _, item in pairs}


def _json(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{name}: expected JSON: {error}") from None


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in _BOOLEANS:
        raise SettingsError(f"{name}: {value!r} is neither true nor false")
    return _BOOLEANS[value.lower()]


def _number(name: str, value: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(value)
    except ValueError:
        raise SettingsError(f"{name}: {value!r} is not a number") from None


_OF_AN_UPSTREAM = frozenset(
    {
        *(name for name in Settings.__struct_fields__ if name.startswith("upstream_")),
        *("connect_timeout", "first_byte_timeout", "idle_timeout", "retries", "retry_server_errors", "circuit_pause"),
    }
)
"""What a table of `fallback_upstreams` may hold."""


def _tables(tables: Any, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The tables with their texts read as those of the settings. Raises `SettingsError`, `ValueError` for a URL."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError("fallback_upstreams: expected a list of tables")
    unknown = {name for table in tables for name in table} - _OF_AN_UPSTREAM
    if unknown:
        raise SettingsError(f"fallback_upstreams: no such key: {', '.join(sorted(unknown))}")
    return [_table({name: _typed(name, value) for name, value in table.items()}, environment) for table in tables]


def _table(table: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    url = base_url(str(table.get("upstream_url", GOOGLE_URL)))
    google = _google_keys(environment, {**table, "upstream_url": url})
    return {"upstream_keys": google, **table, "upstream_url": url}
