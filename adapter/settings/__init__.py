"""All settings, as one immutable value that is read once: flags, then environment, then a TOML file, then defaults."""

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
from adapter.settings.keys import HASHED, digest_of, has_key_files
from adapter.settings.models import MAX_CACHED_NAME, Calendar, Catalogue, catalogue, find_served_model, resolve, utc_day
from adapter.settings.parts import (
    ANYFAST_FIELDS,
    VERTEX_FIELDS,
    document_limits,
    fetch_settings,
    file_document_limits,
    options,
    platform_of,
    request_limits,
    upstream_name,
    upstream_settings,
)
from adapter.settings.reading import exposes_secrets, load, reload_keys
from adapter.settings.server import (
    AnswerSettings,
    FileSettings,
    ListSettings,
    LossSettings,
    PageSettings,
    PlanSettings,
    StreamSettings,
    part_of,
)
from adapter.translate.core.capabilities import bare_name

__all__ = [
    "ANYFAST_FIELDS",
    "GOOGLE_URL",
    "HASHED",
    "MAX_CACHED_NAME",
    "SECRETS",
    "VERTEX_FIELDS",
    "AnswerSettings",
    "Calendar",
    "Catalogue",
    "FileSettings",
    "KnownClient",
    "ListSettings",
    "LossSettings",
    "PageSettings",
    "PlanSettings",
    "Setting",
    "Settings",
    "SettingsError",
    "StreamSettings",
    "all_settings",
    "bare_name",
    "catalogue",
    "digest_of",
    "document_limits",
    "exposes_secrets",
    "fetch_settings",
    "file_document_limits",
    "find_served_model",
    "further_upstreams",
    "has_key_files",
    "is_loopback",
    "load",
    "next_models",
    "options",
    "part_of",
    "platform_of",
    "reload_keys",
    "request_limits",
    "resolve",
    "upstream_name",
    "upstream_settings",
    "utc_day",
]
