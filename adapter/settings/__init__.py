"""All settings, in one immutable value, read once: flags over environment over a TOML file over defaults."""

from adapter.settings.checks import further_upstreams, next_models
from adapter.settings.fields import (
    GOOGLE_URL,
    SECRETS,
    KnownClient,
    Setting,
    Settings,
    SettingsError,
    all_settings,
    is_loopback,
)
from adapter.settings.keys import HASHED, digest_of, has_files
from adapter.settings.models import Calendar, Catalogue, catalogue, named, resolve, utc_day
from adapter.settings.parts import (
    ANYFAST_FIELDS,
    VERTEX_FIELDS,
    document_limits,
    fetch_settings,
    options,
    platform_of,
    request_limits,
    upstream_name,
    upstream_settings,
)
from adapter.settings.reading import load, read_again, shown_to_all
from adapter.translate.core.capabilities import bare_name

__all__ = [
    "ANYFAST_FIELDS",
    "GOOGLE_URL",
    "HASHED",
    "SECRETS",
    "VERTEX_FIELDS",
    "Calendar",
    "Catalogue",
    "KnownClient",
    "Setting",
    "Settings",
    "SettingsError",
    "all_settings",
    "bare_name",
    "catalogue",
    "digest_of",
    "document_limits",
    "fetch_settings",
    "further_upstreams",
    "has_files",
    "is_loopback",
    "load",
    "named",
    "next_models",
    "options",
    "platform_of",
    "read_again",
    "request_limits",
    "resolve",
    "shown_to_all",
    "upstream_name",
    "upstream_settings",
    "utc_day",
]
