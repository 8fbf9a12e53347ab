"""All settings, in one immutable value, read once: flags over environment over a TOML file over defaults.

Each setting is one field here: its name is the flag (`--upstream-url`), the variable (`ADAPTER_UPSTREAM_URL`) and the
key of the TOML file (`upstream_url`); its description is the help text. Secrets are never printed.
"""

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from adapter.store.base import without_password
from adapter.store.documents import DocumentLimits
from adapter.store.factory import check_name
from adapter.translate.capabilities import ModelCapabilities, capabilities_of
from adapter.translate.context import Options
from adapter.upstream.media import FetchSettings
from adapter.upstream.settings import UpstreamSettings, base_url
from adapter.upstream.vertex import collection, host_of
from adapter.wire.gemini.generate import SafetySetting

PREFIX = "ADAPTER_"
GOOGLE_URL = "https://generativelanguage.googleapis.com/v1beta"
SECRETS = ("upstream_keys", "client_keys", "clients", "fallback_upstreams")
LONGEST_KEPT = 256
"""Names of models that are longer are looked up anew each time."""

KEY_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""Where Google's own SDK finds its key; the first wins (google-genai 3.4.0)."""


_LONGEST = 86_400.0
_HASHED = "sha256:"
_CLOUD_NAME = re.compile(r"[a-z][a-z0-9.:-]{1,62}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def _about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


def _seconds(text: str, least: float = 0.001) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=least, le=_LONGEST)


def _count(text: str, least: int = 1, most: int = 2**31) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=least, le=most)


class SettingsError(ValueError):
    """A setting has no usable value; the text says which and what to do."""


class KnownClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client: its key, or sha256:HEX of it; patterns of the models that it may name; how often it may ask."""

    name: str
    key: str
    models: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator can choose. Times are in seconds, sizes in bytes."""

    host: Annotated[str, _about("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _count("Port to listen on; 0: any that is free.", 0, 65_535)] = 8080
    workers: Annotated[int, _count("Processes that serve; signatures are shared through the store.", 1, 256)] = 1
    allow_anonymous: Annotated[bool, _about("Serve without client keys on an address that is not the loopback.")] = (
        False
    )
    client_keys: Annotated[
        tuple[str, ...], _about("Keys that clients must send, or sha256:HEX of them; none: everybody may.")
    ] = ()
    clients: Annotated[
        tuple[KnownClient, ...],
        _about("Clients with limits of their own: [[clients]] tables, or JSON, with name, key, models and rates."),
    ] = ()
    client_rates: Annotated[
        tuple[str, ...], _about("How often each client may ask that has no rates of its own: 60/minute,5/second.")
    ] = ()
    max_concurrent: Annotated[int, _count("How many requests one process answers at once.")] = 1_000
    max_queued: Annotated[int, _count("How many more may wait for their turn; the rest gets a 503 at once.", 0)] = 100
    queue_timeout: Annotated[float, _seconds("How long a request waits for its turn.", 0.0)] = 2.0
    allow_origins: Annotated[
        tuple[str, ...], _about("Web pages of other origins that may call (CORS): https://app.example, or *.")
    ] = ()

    upstream_url: Annotated[str, _about("Gemini-shaped API to call, with or without /v1beta.")] = GOOGLE_URL
    upstream_name: Annotated[
        str | None, _about("What issues thought signatures; they are sent back only there. Default: the URL's host.")
    ] = None
    upstream_auth: Annotated[
        Literal["api-key", "bearer", "caller", "vertex"],
        _about("How to authenticate: x-goog-api-key, Authorization: Bearer, the client's key, Google Cloud's tokens."),
    ] = "api-key"
    vertex_project: Annotated[
        str | None, _about("With --upstream-auth vertex: the Google Cloud project. Default: GOOGLE_CLOUD_PROJECT.")
    ] = None
    vertex_location: Annotated[
        str,
        _about("With --upstream-auth vertex: a region, us, eu or global. Default: GOOGLE_CLOUD_LOCATION, or global."),
    ] = "global"
    upstream_caller_scheme: Annotated[
        Literal["api-key", "bearer"], _about("With --upstream-auth caller: where the client's key goes.")
    ] = "api-key"
    upstream_keys: Annotated[
        tuple[str, ...],
        _about("Keys for the upstream, used in turn. Without any, GOOGLE_API_KEY or GEMINI_API_KEY for Google itself."),
    ] = ()
    upstream_profile: Annotated[
        Literal["full", "anyfast"],
        _about("What the upstream takes: all of Gemini's API, or only the fields of the AnyFast relay's page."),
    ] = "full"
    upstream_schema: Annotated[
        Literal["json", "openapi"], _about("Dialect of tool and answer schemas; relays may know only openapi.")
    ] = "json"
    upstream_streaming: Annotated[
        bool, _about("Off for a relay without streamGenerateContent: its whole answers are streamed as one event.")
    ] = True
    upstream_proxy: Annotated[str | None, _about("HTTP proxy for upstream calls.")] = None
    upstream_http: Annotated[
        Literal["asyncio", "httpx2"], _about("What carries upstream calls; with a proxy it is always httpx2.")
    ] = "asyncio"
    connect_timeout: Annotated[float, _seconds("Time to a connection.")] = 5.0
    first_byte_timeout: Annotated[float, _seconds("Time to the head of an answer.")] = 300.0
    idle_timeout: Annotated[float, _seconds("Time between two pieces of an answer.")] = 120.0
    total_timeout: Annotated[float, _seconds("Time for a whole answer.")] = 590.0
    retries: Annotated[int, _count("How often an upstream call is sent again.", 0, 10)] = 1
    retry_server_errors: Annotated[bool, _about("Repeat a call that Gemini answered with a 500.")] = False

    circuit_pause: Annotated[
        float,
        _seconds("How long an upstream is left alone at first when half of its calls fail; 0: it is never.", 0.0),
    ] = 5.0

    models: Annotated[
        dict[str, str], _about("Model map, first match wins: 'gpt-4o-mini=gemini-3.8-flash,my-*=gemini-3.5-flash'.")
    ] = {}
    default_models: Annotated[bool, _about("Send OpenAI's model names to current Gemini models.")] = True
    capabilities: Annotated[str | None, _about("TOML file with capability rows that go before the built-in ones.")] = (
        None
    )

    fallback_models: Annotated[
        dict[str, str],
        _about(
            "Models to ask next when one fails, first match wins: 'gemini-3.8-pro=gemini-3.8-flash|gemini-3.5-flash'."
        ),
    ] = {}
    fallback_upstreams: Annotated[
        tuple[dict[str, Any], ...],
        _about("Upstreams to ask next when one fails: [[fallback_upstreams]] tables, or JSON, with upstream_... keys."),
    ] = ()

    safety_settings: Annotated[
        dict[str, str],
        _about("Thresholds where a request has none: 'HARM_CATEGORY_HARASSMENT=BLOCK_NONE,...'."),
    ] = {}
    later_system: Annotated[
        Literal["wrap", "hoist", "reject"],
        _about("A system message after the first turn: a marked user's turn, moved to the front, or an error."),
    ] = "wrap"
    trailing_assistant: Annotated[
        Literal["continue", "reject"],
        _about("A last message of the assistant, where the model takes none: ask it to continue, or an error."),
    ] = "continue"
    blocked_prompt: Annotated[
        Literal["refusal", "error"], _about("A prompt that Gemini blocked: a 200 with a refusal, or a 400.")
    ] = "refusal"
    include_thoughts: Annotated[bool, _about("Ask for thought summaries whenever a request sets an effort.")] = False
    thoughts_headroom: Annotated[
        int, _count("Tokens that are added to a client's limit, against which Gemini counts its thoughts.", 0)
    ] = 0
    leaked_thoughts: Annotated[
        bool,
        _about("Take text behind THOUGHT:, up to a blank line, for a thought: Vertex AI and relays return some."),
    ] = False
    stateless_ids: Annotated[
        bool,
        _about("Put signatures into call ids (longer than OpenAI's 40 characters) instead of relying on the store."),
    ] = False
    store: Annotated[
        str,
        _about(
            "Where signatures and responses are kept: memory, sqlite, sqlite:PATH or redis://HOST (Redis or Valkey)."
        ),
    ] = "sqlite"
    responses_max_age: Annotated[
        float,
        msgspec.Meta(
            description="How long a stored response is kept, and a conversation after its last item.",
            ge=1,
            le=10 * 366 * 86_400,
        ),
    ] = 30 * 86_400.0
    responses_max_count: Annotated[
        int, _count("How many stored responses and conversations are kept; the oldest go first.")
    ] = 100_000
    responses_max_bytes: Annotated[int, _count("Size of all stored responses and conversations.", 1, 2**50)] = (
        2 * 1024 * 1024 * 1024
    )
    max_background: Annotated[int, _count("How many background responses run at once in one process.")] = 64

    strict: Annotated[bool, _about("Answer 400 to a request that would lose or change something.")] = False
    notes: Annotated[
        dict[str, Literal["allow", "reject"]],
        _about("Per note code, in any mode: 'user.dropped=allow,seed.approximated=reject'."),
    ] = {}
    retry_malformed: Annotated[
        bool, _about("Ask once more when Gemini answers with a malformed call (each attempt is billed).")
    ] = False
    continuations: Annotated[
        int,
        _count("How many further calls may go on with an answer that is too long for one; each bills the prompt.", 0),
    ] = 8
    commit_after: Annotated[
        float, _seconds("How long a stream's first event is awaited before the 200 goes out.", 0.0)
    ] = 10.0
    heartbeat: Annotated[
        Literal["comment", "chunk", "off"],
        _about("What a silent stream sends: an SSE comment, an empty chunk, nothing."),
    ] = "comment"
    heartbeat_after: Annotated[float, _seconds("Silence before a heartbeat.", 0.05)] = 15.0
    write_timeout: Annotated[float, _seconds("How long a client may take no bytes before its stream ends.")] = 30.0
    shutdown_delay: Annotated[
        float, _seconds("After SIGTERM: how long requests are still accepted while /readyz already answers 503.", 0.0)
    ] = 0.0
    shutdown_grace: Annotated[
        float, _seconds("After that: how long running answers may take before they end with an error.", 0.0)
    ] = 30.0
    fetch_media: Annotated[
        Literal["off", "https", "on"],
        _about(
            "Fetch images and files that requests point to: never, by https, or by http too. Public addresses only."
        ),
    ] = "off"
    fetch_max_bytes: Annotated[int, _count("Largest file that is fetched.")] = 20 * 1024 * 1024
    max_choices: Annotated[
        int, _count("Largest n; where the model gives one candidate in a call, each is a call of its own.", 1, 128)
    ] = 8
    max_messages: Annotated[int, _count("How many messages one request may have.")] = 10_000
    max_parts: Annotated[int, _count("How many parts one message may have.")] = 4_096
    max_header_bytes: Annotated[int, _count("Largest head of a request: its URL and headers.", 1_024)] = 32_768
    max_headers: Annotated[int, _count("How many headers a request may have.", 16)] = 100
    header_timeout: Annotated[float, _seconds("Time for the head of a request.")] = 10.0
    body_timeout: Annotated[
        float, _seconds("How long a request's body may come slower than a kilobyte in a second.")
    ] = 30.0
    max_body: Annotated[int, _count("Largest request body.")] = 32 * 1024 * 1024
    inspector: Annotated[
        bool | None, _about("The page at / with the last exchanges. Unset: only on the loopback address.")
    ] = None
    metrics: Annotated[bool, _about("Figures for Prometheus at /metrics, for whoever may call.")] = False
    log_format: Annotated[Literal["plain", "json"], _about("One line per request, plain or JSON.")] = "plain"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _about("Least level that is logged.")] = "info"

    def __repr__(self) -> str:
        """Without secrets."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name not in SECRETS}
        counts = {name: len(getattr(self, name)) for name in SECRETS}
        return f"Settings({shown | counts | {'store': without_password(self.store)}})"

    @property
    def emulated(self) -> bool:
        """Whether there is no upstream to call: Google itself, and no key for it."""
        keyless = self.upstream_auth not in ("caller", "vertex") and not self.upstream_keys
        return self.upstream_url == GOOGLE_URL and keyless

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def digest_of(key: str) -> str:
    """The SHA-256 of a client key as hexadecimal digits; a key may be given as `sha256:` and these."""
    return key.removeprefix(_HASHED) if key.startswith(_HASHED) else sha256(key.encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether an address is the loopback's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Setting(NamedTuple):
    """One setting, as its documentation needs it."""

    name: str
    type: Any
    default: Any
    help: str


def all_settings() -> list[Setting]:
    """Every setting, in the order of the fields."""
    described = []
    for field in msgspec.structs.fields(Settings):
        inner, meta = get_args(field.type)
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        described.append(Setting(field.name, inner, default, meta.description))
    return described


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read the settings; a flag that is None was not given. Raises `SettingsError`."""
    values = _from_file(file) | _from_environment(environment) | {k: v for k, v in flags.items() if v is not None}
    typed = {name: _typed(name, value) for name, value in values.items()}
    try:
        if "upstream_url" in typed:
            typed["upstream_url"] = base_url(str(typed["upstream_url"]))
        if typed.get("upstream_auth") == "vertex":
            typed = _on_vertex(typed, environment)
        typed.setdefault("upstream_keys", _google_keys(environment, typed))
        if "fallback_upstreams" in typed:
            typed["fallback_upstreams"] = _tables(typed["fallback_upstreams"], environment)
        settings = msgspec.convert(typed, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from None
    except ValueError as error:
        raise SettingsError(f"upstream_url: {error}") from None
    _check(settings)
    _check_fallbacks(settings)
    hashed = tuple(_HASHED + digest_of(key) for key in settings.client_keys)
    clients = tuple(msgspec.structs.replace(one, key=_HASHED + digest_of(one.key)) for one in settings.clients)
    return msgspec.structs.replace(settings, client_keys=hashed, clients=clients)


def _on_vertex(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """What Google Cloud's own variables say, and the URL that follows. Raises `SettingsError`."""
    if find_spec("google.auth") is None or find_spec("requests") is None:
        raise SettingsError("upstream_auth: vertex needs more packages: pip install 'gemini-openai-adapter[vertex]'")
    project = values.get("vertex_project") or environment.get("GOOGLE_CLOUD_PROJECT")
    location = values.get("vertex_location") or environment.get("GOOGLE_CLOUD_LOCATION") or "global"
    if not project:
        raise SettingsError("vertex_project: which Google Cloud project is asked? (or set GOOGLE_CLOUD_PROJECT)")
    if not _CLOUD_NAME.fullmatch(project) or not _CLOUD_NAME.fullmatch(location):
        raise SettingsError("vertex_project, vertex_location: these are no names of a project and a location")
    url = values.get("upstream_url") or f"https://{host_of(location)}/v1beta1"
    found = {"vertex_project": project, "vertex_location": location, "upstream_url": url, "upstream_keys": ()}
    return {**values, **found}


def _google_keys(environment: Mapping[str, str], values: Mapping[str, Any]) -> list[str]:
    """Google's key, for Google alone: a relay must not get it by accident."""
    if values.get("upstream_url", GOOGLE_URL) != GOOGLE_URL:
        return []
    return [value for name in KEY_VARIABLES if (value := environment.get(name, "").strip())][:1]


def _from_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = set(Settings.__struct_fields__)
    given = {name[len(PREFIX) :].lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    unknown = set(given) - names - {"config", "corpus", "settings"}
    if unknown:
        raise SettingsError(f"no such setting: {', '.join(PREFIX + name.upper() for name in sorted(unknown))}")
    return {name: value for name, value in given.items() if name in names}


_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _typed(name: str, value: Any) -> Any:
    """A text from the environment or the command line as the type of its setting."""
    setting = next((one for one in all_settings() if one.name == name), None)
    if setting is None:
        raise SettingsError(f"no such setting: {name}")
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


def _check(settings: Settings) -> None:
    """What holds between settings."""
    if not settings.loopback and not settings.client_keys and not settings.clients and not settings.allow_anonymous:
        raise SettingsError(
            f"{settings.host} can be reached by others: set client keys (ADAPTER_CLIENT_KEYS), or --allow-anonymous"
        )
    keys = [*settings.client_keys, *(one.key for one in settings.clients)]
    if any(not _DIGEST.fullmatch(digest_of(key)) for key in keys):
        raise SettingsError("client_keys, clients: after sha256: come 64 hexadecimal digits")
    if len({digest_of(key) for key in keys}) < len(keys) or "" in keys:
        raise SettingsError("client_keys, clients: each key must be another one")
    _check_rates(settings)
    if settings.metrics and find_spec("prometheus_client") is None:
        raise SettingsError("metrics: needs a package: pip install 'gemini-openai-adapter[metrics]'")
    if not all(key.isascii() and key.isprintable() and " " not in key for key in settings.upstream_keys):
        raise SettingsError("upstream_keys: a key holds characters that no key has")
    try:
        check_name(settings.store)
    except ValueError as error:
        raise SettingsError(f"store: {error}") from None
    keyed = settings.upstream_auth not in ("caller", "vertex")
    if keyed and settings.upstream_url != GOOGLE_URL and not settings.upstream_keys:
        raise SettingsError("an upstream of your own needs a key: set ADAPTER_UPSTREAM_KEYS, or --upstream-auth caller")
    if settings.upstream_proxy and urlsplit(settings.upstream_proxy).scheme not in ("http", "https"):
        raise SettingsError("upstream_proxy: must be http://HOST:PORT or https://HOST:PORT")


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
    return {"upstream_keys": _google_keys(environment, {"upstream_url": url}), **table, "upstream_url": url}


def _check_fallbacks(settings: Settings) -> None:
    """What holds for further models and upstreams."""
    if not all(name.strip() for names in settings.fallback_models.values() for name in names.split("|")):
        raise SettingsError("fallback_models: expected MODEL=NEXT|NEXT")
    for one in further_upstreams(settings):
        try:
            _check(one)
        except SettingsError as error:
            raise SettingsError(f"fallback_upstreams: {one.upstream_url}: {error}") from None
        if one.emulated:
            raise SettingsError("fallback_upstreams: Google needs a key: set upstream_keys")
        if one.upstream_auth == "caller" and settings.upstream_auth != "caller":
            raise SettingsError("fallback_upstreams: upstream_auth is caller only where that of the first one is, too")


def further_upstreams(settings: Settings) -> list[Settings]:
    """The settings with each further upstream in the place of the first one, whose keys go to none of them.

    Raises `SettingsError`.
    """
    shared = {name: getattr(settings, name) for name in settings.__struct_fields__ if not name.startswith("upstream_")}
    try:
        return [
            msgspec.convert({**shared, "fallback_upstreams": (), **table}, Settings)
            for table in settings.fallback_upstreams
        ]
    except msgspec.ValidationError as error:
        raise SettingsError(f"fallback_upstreams: {error}") from None


def next_models(model: str, settings: Settings) -> list[str]:
    """The models to ask when this one fails."""
    found = (text for pattern, text in settings.fallback_models.items() if fnmatchcase(model, pattern))
    return [name.strip() for name in next(found, "").split("|") if name.strip()]


def _check_rates(settings: Settings) -> None:
    rates = [*settings.client_rates, *(rate for one in settings.clients for rate in one.rates)]
    if rates and find_spec("limits") is None:
        raise SettingsError("client_rates: rates need a package: pip install 'gemini-openai-adapter[limits]'")
    for rate in rates:
        try:
            import_module("limits").parse(rate)
        except ValueError:
            raise SettingsError(f"client_rates: {rate!r} is no rate like 60/minute") from None


def upstream_settings(settings: Settings) -> UpstreamSettings:
    """The part that the upstream client needs."""
    anyfast = settings.upstream_profile == "anyfast"
    return UpstreamSettings(
        name=upstream_name(settings),
        url=settings.upstream_url,
        auth="bearer" if anyfast and settings.upstream_auth == "api-key" else settings.upstream_auth,
        caller_scheme="bearer" if anyfast else settings.upstream_caller_scheme,
        keys=settings.upstream_keys,
        models=_models_of(settings),
        http_client=settings.upstream_http,
        proxy=settings.upstream_proxy,
        streaming=settings.upstream_streaming,
        connect=settings.connect_timeout,
        first_byte=settings.first_byte_timeout,
        between_bytes=settings.idle_timeout,
        total=settings.total_timeout,
        retries=settings.retries,
        retry_server_errors=settings.retry_server_errors,
        circuit_pause=settings.circuit_pause,
    )


def _models_of(settings: Settings) -> str:
    """What stands before a model's name in a URL."""
    if settings.upstream_auth != "vertex" or settings.vertex_project is None:
        return "models/"
    return collection(settings.vertex_project, settings.vertex_location)


def upstream_name(settings: Settings) -> str:
    """Who issues the signatures: what the setting says, `studio` or `vertex` for Google itself, or the relay's host.

    Whether a signature of one project or region serves in another is not documented; one that does not is a 400, so
    they are kept apart.
    """
    if settings.upstream_name is not None:
        return settings.upstream_name
    if settings.upstream_auth == "vertex":
        return f"vertex/{settings.vertex_project}/{settings.vertex_location}"
    return "studio" if settings.upstream_url == GOOGLE_URL else urlsplit(settings.upstream_url).netloc


_CONFIG = ("temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "responseMimeType", "responseSchema")

VERTEX_FIELDS = frozenset(
    {
        "contents",
        "systemInstruction",
        "safetySettings",
        "tools",
        "toolConfig.functionCallingConfig",
        "toolConfig.retrievalConfig",
        "generationConfig",
        "cachedContent",
        "labels",
        "continuationToken",
    }
)
"""What Vertex AI's GenerateContentRequest has (aiplatform v1beta1, discovery revision 20261106)."""

ANYFAST_FIELDS = frozenset(
    {
        "contents",
        "systemInstruction",
        "safetySettings",
        "tools.functionDeclarations",
        "toolConfig.functionCallingConfig.mode",
        "toolConfig.functionCallingConfig.allowedFunctionNames",
        *(f"generationConfig.{name}" for name in _CONFIG),
    }
)
"""What the AnyFast relay's page of `POST /v1beta/models/{model}:generateContent` lists (2026-11)."""


def options(settings: Settings, upstream: str | None = None) -> Options:
    """The part that the translation needs."""
    anyfast = settings.upstream_profile == "anyfast"
    return Options(
        upstream=upstream or upstream_name(settings),
        schema="openapi" if anyfast else settings.upstream_schema,
        fields=ANYFAST_FIELDS if anyfast else VERTEX_FIELDS if settings.upstream_auth == "vertex" else None,
        later_system=settings.later_system,
        trailing_assistant=settings.trailing_assistant,
        blocked_prompt=settings.blocked_prompt,
        safety_settings=tuple(
            SafetySetting(category=category, threshold=threshold)
            for category, threshold in settings.safety_settings.items()
        ),
        stateless_ids=settings.stateless_ids,
        include_thoughts=settings.include_thoughts,
        leaked_thoughts=settings.leaked_thoughts,
        thoughts_headroom=settings.thoughts_headroom,
    )


def document_limits(settings: Settings) -> DocumentLimits:
    """The part that the store of responses needs."""
    return DocumentLimits(
        max_age=settings.responses_max_age,
        max_count=settings.responses_max_count,
        max_bytes=settings.responses_max_bytes,
    )


def fetch_settings(settings: Settings) -> FetchSettings:
    """The part that fetching media needs."""
    return FetchSettings(policy=settings.fetch_media, bytes=settings.fetch_max_bytes)


class Alias(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name that stands for a model; `date` is when it was last looked at."""

    pattern: str
    model: str
    date: str = ""


class Catalogue(msgspec.Struct, frozen=True, eq=False, forbid_unknown_fields=True):
    """The capability rows and the default model map."""

    model: list[ModelCapabilities] = []
    alias: list[Alias] = []


def catalogue(settings: Settings) -> Catalogue:
    """The built-in table, with the operator's rows and names before it. Raises `SettingsError`."""
    text = files("adapter.translate").joinpath("capabilities.toml").read_text()
    built_in = msgspec.convert(tomllib.loads(text), Catalogue)
    own = _own_catalogue(settings.capabilities)
    mapped = [Alias(pattern, model) for pattern, model in settings.models.items()]
    defaults = built_in.alias if settings.default_models else []
    return Catalogue(model=own.model + built_in.model, alias=mapped + own.alias + defaults)


def _own_catalogue(path: str | None) -> Catalogue:
    if path is None:
        return Catalogue()
    try:
        return msgspec.convert(_from_file(Path(path)), Catalogue)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from None


def named(model: str, names: Catalogue) -> tuple[str, ModelCapabilities]:
    """The model that a name stands for, and its row."""
    return _named(model, names) if len(model) <= LONGEST_KEPT else _named.__wrapped__(model, names)


@lru_cache(4_096)
def _named(model: str, names: Catalogue) -> tuple[str, ModelCapabilities]:
    found = resolve(model, names.alias)
    return found, capabilities_of(found, names.model)


def resolve(model: str, aliases: list[Alias]) -> str:
    """The model that a name stands for: itself, if no alias matches."""
    name = model.removeprefix("models/")
    return next((alias.model for alias in aliases if fnmatchcase(name, alias.pattern)), name)
