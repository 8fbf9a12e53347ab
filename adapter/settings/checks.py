"""Cross-field validation of settings: whatever concerns more than one field. All functions raise `SettingsError`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from hashlib import sha256
from urllib.parse import urlsplit

import msgspec

from adapter import extras
from adapter.settings.fields import GOOGLE_URL, Settings, SettingsError, is_loopback
from adapter.settings.keys import digest_of
from adapter.store.factory import check_name
from adapter.translate.core.catalogue import CODES
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_NOTHING = sha256(b"").hexdigest()
"""The hash that a script makes of a variable that is not set: it would let everybody in who sends an empty key."""


def validate(settings: Settings) -> None:
    """Validate the settings against each other."""
    if (
        not settings.is_loopback_only
        and not settings.client_keys
        and not settings.clients
        and not settings.allow_anonymous
    ):
        hint = _suggest_client_keys(settings)
        raise SettingsError(f"{settings.host} can be reached by others: {hint}, or --allow-anonymous")
    _validate_client_keys([*settings.client_keys, *(client.key for client in settings.clients)])
    if settings.public_url is not None and not settings.public_url.startswith(("http://", "https://")):
        raise SettingsError("public_url: must be http://HOST or https://HOST, with a path or without")
    if settings.max_bodies < settings.max_body:
        raise SettingsError("max_bodies: must be at least max_body, or the largest request would never be served")
    _validate_codes(settings.notes)
    _validate_rates(settings)
    _validate_packages(settings)
    _validate_store(settings)
    _validate_upstream(settings)


def _validate_client_keys(keys: Sequence[str]) -> None:
    digests = [digest_of(key) for key in keys]
    if not all(map(_DIGEST.fullmatch, digests)):
        raise SettingsError("client_keys, clients: sha256: must be followed by 64 hexadecimal digits")
    if not all(key.strip() for key in keys):
        raise SettingsError("client_keys, clients: a key is empty")
    if len(set(digests)) < len(keys):
        raise SettingsError("client_keys, clients: two keys are equal")
    if _NOTHING in digests:
        raise SettingsError("client_keys, clients: the hash of an empty key lets everybody in")
    if not all(map(_fits_header, keys)):
        raise SettingsError("client_keys, clients: a key has characters that are not allowed in a header")


def _validate_packages(settings: Settings) -> None:
    if settings.metrics and not extras.has("metrics"):
        raise SettingsError(f"metrics: needs a package: {extras.install_line('metrics')}")
    if settings.traces and not extras.has("telemetry"):
        raise SettingsError(f"traces: needs packages: {extras.install_line('telemetry')}")


def _validate_store(settings: Settings) -> None:
    try:
        check_name(settings.store)
    except ValueError as error:
        raise SettingsError(f"store: {error}") from None
    if settings.workers > 1 and settings.store == "memory":
        raise SettingsError("store: several workers need one that they share: sqlite, sqlite:PATH or redis://HOST")


def _validate_upstream(settings: Settings) -> None:
    if not all(key.strip() and _fits_header(key) for key in settings.upstream_keys):
        raise SettingsError("upstream_keys: a key is empty, or has invalid characters")
    needs_key = settings.upstream_auth not in ("caller", "vertex")
    if needs_key and settings.upstream_url != GOOGLE_URL and not settings.upstream_keys:
        given = "ADAPTER_UPSTREAM_KEYS, ADAPTER_UPSTREAM_KEYS_FILE"
        raise SettingsError(f"an upstream of your own needs a key: set {given}, or --upstream-auth caller")
    _validate_emulator(settings)
    url = urlsplit(settings.upstream_url)
    if url.scheme == "http" and not is_loopback(url.hostname or "") and not settings.upstream_plain_http:
        raise SettingsError(
            "upstream_url: http to another machine exposes keys: use https, or set --upstream-plain-http"
        )
    if settings.upstream_proxy and urlsplit(settings.upstream_proxy).scheme not in ("http", "https"):
        raise SettingsError("upstream_proxy: must be http://HOST:PORT or https://HOST:PORT")


def _validate_emulator(settings: Settings) -> None:
    """Refuse to serve the emulator by accident: a missing key must not make others get invented answers."""
    if settings.emulator:
        if settings.upstream_url != GOOGLE_URL or settings.upstream_auth in ("caller", "vertex"):
            raise SettingsError("emulator: it replaces Google's API: do not set upstream_url or upstream_auth")
    elif settings.is_keyless and (settings.emulator is False or settings.is_exposed):
        raise SettingsError(
            "no key for Gemini is set, Google needs a key: set GEMINI_API_KEY (or ADAPTER_UPSTREAM_KEYS, "
            "ADAPTER_UPSTREAM_KEYS_FILE), or say --emulator to serve the built-in emulator's invented answers"
        )


def _suggest_client_keys(settings: Settings) -> str:
    """Say how to keep strangers out. With `auth` "caller" any key is accepted, unless the allowed ones are listed."""
    if settings.upstream_auth == "caller":
        return "list the keys that may call (ADAPTER_CLIENT_KEYS, ADAPTER_CLIENT_KEYS_FILE), which go on to Gemini"
    return "set client keys (ADAPTER_CLIENT_KEYS, ADAPTER_CLIENT_KEYS_FILE)"


def _fits_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


_OLD_CODE = re.compile(r"(\w+)[\w.$@*-]*\.(?:approximated|injected|dropped)")
_PATHS = {*ChatCompletionRequest.__struct_fields__, *ResponsesRequest.__struct_fields__, "upstream"}
"""First names of paths in the notes of a request."""


def _validate_codes(codes: Iterable[str]) -> None:
    """Check that the codes of `notes` exist, in the catalogue or in the spelling of version 0.1 (path and fate)."""
    for code in codes:
        old = _OLD_CODE.fullmatch(code)
        if code not in CODES and (old is None or old[1] not in _PATHS):
            near = get_close_matches(code, CODES, 1, 0.5)
            meant = f": do you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"notes: there is no code {code!r}{meant} (`adapter codes` lists all)")


def validate_fallbacks(settings: Settings) -> None:
    """Validate fallback models and upstreams."""
    if not all(name.strip() for names in settings.fallback_models.values() for name in names.split("|")):
        raise SettingsError("fallback_models: expected MODEL=NEXT|NEXT")
    for upstream in further_upstreams(settings):
        if upstream.is_keyless:
            raise SettingsError("fallback_upstreams: Google needs a key: set upstream_keys")
        try:
            validate(upstream)
        except SettingsError as error:
            raise SettingsError(f"fallback_upstreams: {upstream.upstream_url}: {error}") from None
        if upstream.upstream_auth == "caller" and settings.upstream_auth != "caller":
            raise SettingsError("fallback_upstreams: upstream_auth can be caller only if the first upstream's is")


def validate_traces(environment: Mapping[str, str]) -> None:
    """Refuse what OpenTelemetry's own variables ask for and this program cannot do."""
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environment.get(name, "http/protobuf") != "http/protobuf":
            raise SettingsError(f"traces: {name}: only http/protobuf is supported (port 4318 of most collectors)")


def _validate_rates(settings: Settings) -> None:
    rates = [*settings.client_rates, *(rate for client in settings.clients for rate in client.rates)]
    if rates and not extras.has("limits"):
        raise SettingsError(f"client_rates: rates need a package: {extras.install_line('limits')}")
    for rate in rates:
        try:
            extras.load("limits", "limits").parse(rate)
        except ValueError:
            raise SettingsError(f"client_rates: {rate!r} is not a rate such as 60/minute") from None


def further_upstreams(settings: Settings) -> list[Settings]:
    """Return, for each fallback upstream, the settings with it as the only upstream. Raises `SettingsError`.

    No `upstream_*` setting of the first one is inherited, so its keys are never sent to another one.
    """
    shared = {name: getattr(settings, name) for name in settings.__struct_fields__ if not name.startswith("upstream_")}
    try:
        return [
            msgspec.convert({**shared, "fallback_upstreams": (), "emulator": None, **table}, Settings)
            for table in settings.fallback_upstreams
        ]
    except msgspec.ValidationError as error:
        raise SettingsError(f"fallback_upstreams: {error}") from None


def next_models(model: str, fallbacks: Mapping[str, str]) -> list[str]:
    """Return the models to ask when `model` fails, in order."""
    found = (text for pattern, text in fallbacks.items() if fnmatchcase(model, pattern))
    return [name.strip() for name in next(found, "").split("|") if name.strip()]
