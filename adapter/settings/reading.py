"""Reads settings from flags, environment and a TOML file, in this order of precedence."""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from adapter import extras
from adapter.settings.checks import validate, validate_fallbacks, validate_traces
from adapter.settings.fields import GOOGLE_URL, SECRETS, Settings, SettingsError, all_settings
from adapter.settings.keys import HASHED, digest_of, load_key_files, read_text
from adapter.translate.core.strictness import Strictness, strictness_of
from adapter.upstream.auth.vertex import vertex_host
from adapter.upstream.settings import base_url

PREFIX = "ADAPTER_"

KEY_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""The variables in which Google's own SDK finds its key; the first wins (google-genai 3.4.0)."""

_CLOUD_NAME = re.compile(r"[a-z][a-z0-9.:-]{1,62}")


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read all settings; a flag that is None was not given. Raises `SettingsError`."""
    values = read_file(file) | _read_environment(environment) | {k: v for k, v in flags.items() if v is not None}
    typed = {name: _parse_value(name, value) for name, value in values.items()}
    try:
        if "upstream_url" in typed:
            typed["upstream_url"] = base_url(str(typed["upstream_url"]))
        if typed.get("upstream_auth") == "vertex":
            typed = _add_vertex_values(typed, environment)
        typed.setdefault("upstream_keys", _find_google_key(environment, typed))
        if "fallback_upstreams" in typed:
            typed["fallback_upstreams"] = _parse_tables(typed["fallback_upstreams"], environment)
        settings = load_key_files(msgspec.convert(typed, Settings))
        if settings.traces:
            validate_traces(environment)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(error, typed)) from None
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(f"upstream_url: {error}") from None
    return _validate(settings)


def _explain(error: msgspec.ValidationError, values: Mapping[str, Any]) -> str:
    """Explain an invalid setting: its name, its value unless it is secret, and what is allowed."""
    reason, _, place = str(error).partition(" - at `$.")
    name = re.split(r"[.\[`]", place)[0]
    setting = next((one for one in all_settings() if one.name == name), None)
    if setting is None:
        return str(error)
    shown = "" if name in SECRETS else f" = {values.get(name)!r}"
    words = [one for one in get_args(setting.type) if isinstance(one, str)]
    may = f"is none of {', '.join(words)}" if words else reason[:1].lower() + reason[1:].replace("`", "")
    return f"{name}{shown}: {may}"


def reload_keys(settings: Settings) -> Settings:
    """Return the settings with the keys that their files contain now. Raises `SettingsError`."""
    bare = {"client_keys": ()} if settings.client_keys_file else {}
    bare |= {"upstream_keys": ()} if settings.upstream_keys_file else {}
    tables = tuple(
        {**table, "upstream_keys": ()} if table.get("upstream_keys_file") else table
        for table in settings.fallback_upstreams
    )
    return _validate(load_key_files(msgspec.structs.replace(settings, **bare, fallback_upstreams=tables)))


def _validate(settings: Settings) -> Settings:
    """Validate settings and replace client keys by hashes. Raises `SettingsError`."""
    validate(settings)
    validate_fallbacks(settings)
    hashed = tuple(HASHED + digest_of(key) for key in settings.client_keys)
    clients = tuple(msgspec.structs.replace(client, key=HASHED + digest_of(client.key)) for client in settings.clients)
    return msgspec.structs.replace(settings, client_keys=hashed, clients=clients)


def _add_vertex_values(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Add project, location and URL for Vertex AI, also from Google Cloud's variables. Raises `SettingsError`."""
    if not extras.has("vertex"):
        raise SettingsError(f"upstream_auth: vertex needs more packages: {extras.install_line('vertex')}")
    project = values.get("vertex_project") or environment.get("GOOGLE_CLOUD_PROJECT")
    location = values.get("vertex_location") or environment.get("GOOGLE_CLOUD_LOCATION") or "global"
    if not project:
        raise SettingsError("vertex_project: set the Google Cloud project (or GOOGLE_CLOUD_PROJECT)")
    if not _CLOUD_NAME.fullmatch(project) or not _CLOUD_NAME.fullmatch(location):
        raise SettingsError("vertex_project, vertex_location: not valid names of a project and a location")
    url = values.get("upstream_url") or f"https://{vertex_host(location)}/v1beta1"
    vertex = {"vertex_project": project, "vertex_location": location, "upstream_url": url, "upstream_keys": ()}
    return {**values, **vertex}


def _find_google_key(environment: Mapping[str, str], values: Mapping[str, Any]) -> list[str]:
    """Find Google's key in the environment, for Google's URL only: a relay must not get it by accident."""
    if values.get("upstream_url", GOOGLE_URL) != GOOGLE_URL or values.get("upstream_keys_file"):
        return []
    return [value for name in KEY_VARIABLES if (value := environment.get(name, "").strip())][:1]


def read_file(file: Path | None) -> dict[str, Any]:
    """Read a TOML file; {} for None. Raises `SettingsError`."""
    if file is None:
        return {}
    try:
        return tomllib.loads(read_text(file))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def exposes_secrets(file: Path) -> bool:
    """Return whether every user of this machine may read a TOML file that contains keys in clear."""
    if os.name != "posix" or not file.stat().st_mode & stat.S_IROTH:
        return False
    values = read_file(file)
    clients = [one.get("key", "") for one in values.get("clients", ()) if isinstance(one, dict)]
    if not all(str(key).startswith(HASHED) for key in (*values.get("client_keys", ()), *clients)):
        return True
    tables = [values, *values.get("fallback_upstreams", ())]
    urls = [str(values.get("store", "")), *(str(table.get("upstream_proxy", "")) for table in tables)]
    return any(table.get("upstream_keys") for table in tables) or any(urlsplit(url).password for url in urls)


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = set(Settings.__struct_fields__)
    values = {name[len(PREFIX) :].lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    unknown = set(values) - names - {"config", "corpus", "settings"}
    if unknown:
        unknown_names = ", ".join(PREFIX + name.upper() for name in sorted(unknown))
        raise SettingsError(f"no such setting: {unknown_names}{_suggest(unknown)}")
    return {name: value for name, value in values.items() if name in names}


def _suggest(unknown: Iterable[str]) -> str:
    """Suggest existing names for misspelt ones."""
    like = [near for name in sorted(unknown) for near in get_close_matches(name, Settings.__struct_fields__, 1, 0.8)]
    return f" (like {', '.join(PREFIX + name.upper() for name in like)}?)" if like else ""


_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _parse_value(name: str, value: Any) -> Any:
    """Convert a string from environment or command line to the type of its setting."""
    setting = next((one for one in all_settings() if one.name == name), None)
    if setting is None:
        raise SettingsError(f"no such setting: {name}")
    if name == "strict":
        return _parse_strictness(value)
    if not isinstance(value, str):
        return value
    if name in ("fallback_upstreams", "clients"):
        return _parse_json(name, value)
    kinds = {setting.type, get_origin(setting.type), *get_args(setting.type)}
    if get_origin(setting.type) is tuple:
        return [item.strip() for item in value.split(",") if item.strip()]
    if get_origin(setting.type) is dict:
        return _parse_pairs(name, value)
    if bool in kinds:
        return _parse_boolean(name, value)
    if int in kinds or float in kinds:
        return _parse_number(name, value, int if int in kinds else float)
    return value


def _parse_strictness(value: Any) -> str:
    """Convert a level, or a boolean: before 0.2 strict mode was on or off."""
    level = strictness_of(str(value))
    if level is None:
        raise SettingsError(f"strict: {value!r} is none of {', '.join(Strictness)}")
    return level.value


def _parse_pairs(name: str, value: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in value.split(",") if item.strip()]
    if any(not mark for _, mark, _ in pairs):
        raise SettingsError(f"{name}: expected NAME=VALUE,NAME=VALUE")
    return {key.strip(): item.strip() for key, _, item in pairs}


def _parse_json(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{name}: expected JSON: {error}") from None


def _parse_boolean(name: str, value: str) -> bool:
    if value.lower() not in _BOOLEANS:
        raise SettingsError(f"{name}: {value!r} is neither true nor false")
    return _BOOLEANS[value.lower()]


def _parse_number(name: str, value: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(value)
    except ValueError:
        raise SettingsError(f"{name}: {value!r} is not a number") from None


_UPSTREAM_SETTINGS = frozenset(
    {
        *(name for name in Settings.__struct_fields__ if name.startswith("upstream_")),
        *("connect_timeout", "first_byte_timeout", "idle_timeout", "retries", "retry_server_errors", "circuit_pause"),
    }
)
"""Keys that a table of `fallback_upstreams` may have."""


def _parse_tables(tables: Any, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Convert the tables of fallback upstreams. Raises `SettingsError`, and `ValueError` for a URL."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError("fallback_upstreams: expected a list of tables")
    unknown = {name for table in tables for name in table} - _UPSTREAM_SETTINGS
    if unknown:
        raise SettingsError(f"fallback_upstreams: no such key: {', '.join(sorted(unknown))}")
    return [
        _parse_table({name: _parse_value(name, value) for name, value in table.items()}, environment)
        for table in tables
    ]


def _parse_table(table: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    url = base_url(str(table.get("upstream_url", GOOGLE_URL)))
    google = _find_google_key(environment, {**table, "upstream_url": url})
    return {"upstream_keys": google, **table, "upstream_url": url}
