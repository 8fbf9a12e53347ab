"""All settings.

A field's name gives the flag (`--upstream-url`), the variable (`ADAPTER_UPSTREAM_URL`) and the key of the TOML file
(`upstream_url`); its description is the help text. Secrets are never printed.
"""

import ipaddress
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec

from adapter.store.shared.base import redact_password

GOOGLE_URL = "https://generativelanguage.googleapis.com/v1beta"
SECRETS = ("upstream_keys", "client_keys", "clients", "fallback_upstreams")

_MAX_SECONDS = 86_400.0
"""A day: the longest time that `_seconds` allows."""


def _help(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


def _seconds(text: str, least: float = 0.001) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=least, le=_MAX_SECONDS)


def _count(text: str, least: int = 1, most: int = 2**31) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=least, le=most)


class SettingsError(ValueError):
    """The error of an invalid setting; the message says which one and what to do."""


class KnownClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client: its key or sha256:HEX of it, patterns of the models that it may use, and its rate limits."""

    name: str
    key: str
    models: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of the server. Times are in seconds, sizes in bytes."""

    host: Annotated[str, _help("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _count("Port to listen on. 0: any free port.", 0, 65_535)] = 8080
    workers: Annotated[int, _count("Number of processes. Several need a shared store.", 1, 256)] = 1
    allow_anonymous: Annotated[bool, _help("Serve without client keys on an address other than loopback.")] = False
    client_keys: Annotated[
        tuple[str, ...], _help("Keys that clients must send, or sha256:HEX of them. None: anybody may call.")
    ] = ()
    client_keys_file: Annotated[
        str | None,
        _help("File with client keys, by lines or commas, instead of --client-keys. SIGHUP reads it again."),
    ] = None
    clients: Annotated[
        tuple[KnownClient, ...],
        _help("Clients with their own limits: [[clients]] tables, or JSON, with name, key, models and rates."),
    ] = ()
    client_rates: Annotated[
        tuple[str, ...], _help("Rate limits of clients without their own: 60/minute,5/second.")
    ] = ()
    max_concurrent: Annotated[int, _count("Most requests that one process answers at once.")] = 1_000
    max_queued: Annotated[int, _count("Most requests that wait. Further ones get a 503 at once.", 0)] = 100
    queue_timeout: Annotated[float, _seconds("Longest time that a request waits.", 0.0)] = 2.0
    allow_origins: Annotated[
        tuple[str, ...], _help("Origins of web pages that may call (CORS): https://app.example, or *.")
    ] = ()

    upstream_url: Annotated[str, _help("URL of Gemini's API, or of one like it, with or without /v1beta.")] = GOOGLE_URL
    upstream_name: Annotated[
        str | None, _help("Name of the issuer of thought signatures; they go back only to it. Default: the URL's host.")
    ] = None
    upstream_platform: Annotated[
        Literal["auto", "studio", "vertex", "relay"],
        _help("Platform whose calendar of models holds: studio, vertex or relay (no dates). auto: by the URL."),
    ] = "auto"
    upstream_auth: Annotated[
        Literal["api-key", "bearer", "caller", "vertex"],
        _help("Authentication: x-goog-api-key, Authorization: Bearer, the client's key, or Google Cloud's tokens."),
    ] = "api-key"
    vertex_project: Annotated[
        str | None, _help("With --upstream-auth vertex: the Google Cloud project. Default: GOOGLE_CLOUD_PROJECT.")
    ] = None
    vertex_location: Annotated[
        str,
        _help("With --upstream-auth vertex: a region, us, eu or global. Default: GOOGLE_CLOUD_LOCATION, or global."),
    ] = "global"
    upstream_caller_scheme: Annotated[
        Literal["api-key", "bearer"], _help("With --upstream-auth caller: the header for the client's key.")
    ] = "api-key"
    upstream_keys: Annotated[
        tuple[str, ...],
        _help("Keys for the upstream, used in turn. Default, for Google: GOOGLE_API_KEY or GEMINI_API_KEY."),
    ] = ()
    upstream_keys_file: Annotated[
        str | None,
        _help("File with upstream keys, by lines or commas, instead of --upstream-keys. SIGHUP reads it again."),
    ] = None
    upstream_plain_http: Annotated[
        bool, _help("Allow http to an upstream on another machine. Others can then read keys and prompts.")
    ] = False
    upstream_profile: Annotated[
        Literal["full", "anyfast"],
        _help("Fields that the upstream takes: all of Gemini's, or only those that the relay AnyFast documents."),
    ] = "full"
    upstream_schema: Annotated[
        Literal["json", "openapi"], _help("Dialect of tool and answer schemas. Some relays know only openapi.")
    ] = "json"
    upstream_streaming: Annotated[
        bool, _help("Off: for a relay without streamGenerateContent, whole answers are streamed as one event.")
    ] = True
    upstream_proxy: Annotated[str | None, _help("HTTP proxy for upstream calls.")] = None
    upstream_done_ends: Annotated[
        bool,
        _help("Let a relay's [DONE] end an answer without a finish reason. Off: that is an error."),
    ] = False
    upstream_http: Annotated[
        Literal["asyncio", "httpx2"], _help("Transport of upstream calls. With a proxy it is always httpx2.")
    ] = "asyncio"
    emulator: Annotated[
        bool | None,
        _help(
            "Answer from the built-in emulator, whose answers are invented. Unset: only without a key for Gemini, "
            "on the loopback address and without client keys."
        ),
    ] = None
    connect_timeout: Annotated[float, _seconds("Longest time to open a connection.")] = 5.0
    first_byte_timeout: Annotated[float, _seconds("Longest time to the first byte of an answer.")] = 300.0
    idle_timeout: Annotated[float, _seconds("Longest time between two pieces of an answer.")] = 120.0
    total_timeout: Annotated[float, _seconds("Longest time for a whole answer.")] = 590.0
    retries: Annotated[int, _count("Most retries of an upstream call.", 0, 10)] = 1
    retry_server_errors: Annotated[bool, _help("Retry a call that Gemini answered with a 500.")] = False

    circuit_pause: Annotated[
        float,
        _seconds("First pause of an upstream whose calls fail (half of them). 0: no pauses.", 0.0),
    ] = 5.0

    models: Annotated[
        dict[str, str], _help("Model map; the first match wins: 'gpt-4o-mini=gemini-3.8-flash,my-*=gemini-3.5-flash'.")
    ] = {}
    list_models: Annotated[
        tuple[str, ...],
        _help("Patterns of the models in /v1/models, in this order. None: all models, chat models first."),
    ] = ()
    default_models: Annotated[bool, _help("Map OpenAI's model names to current Gemini models.")] = True
    capabilities: Annotated[str | None, _help("TOML file with capability rows; they win over the built-in ones.")] = (
        None
    )

    fallback_models: Annotated[
        dict[str, str],
        _help("Fallback models; the first match wins: 'gemini-3.8-pro=gemini-3.8-flash|gemini-3.5-flash'."),
    ] = {}
    fallback_upstreams: Annotated[
        tuple[dict[str, Any], ...],
        _help("Fallback upstreams: [[fallback_upstreams]] tables, or JSON, with upstream_... keys."),
    ] = ()

    safety_settings: Annotated[
        dict[str, str],
        _help("Thresholds for requests without their own: 'HARM_CATEGORY_HARASSMENT=BLOCK_NONE,...'."),
    ] = {}
    later_system: Annotated[
        Literal["wrap", "hoist", "reject"],
        _help("System message after the first turn: sent as a marked user turn, moved to the front, or refused."),
    ] = "wrap"
    trailing_assistant: Annotated[
        Literal["continue", "reject"],
        _help("Assistant message at the end, if the model takes none: ask it to continue, or refuse."),
    ] = "continue"
    blocked_prompt: Annotated[
        Literal["refusal", "error"], _help("Answer to a blocked prompt: a 200 with a refusal, or a 400.")
    ] = "refusal"
    include_thoughts: Annotated[bool, _help("Ask for thought summaries if a request sets an effort.")] = False
    thoughts_headroom: Annotated[
        int, _count("Tokens added to a client's limit, because Gemini counts thoughts against it.", 0)
    ] = 0
    leaked_thoughts: Annotated[
        bool,
        _help("Treat text from THOUGHT: to a blank line as a thought. Vertex AI and relays return such text."),
    ] = False
    stateless_ids: Annotated[
        bool,
        _help("Put signatures into call ids (longer than OpenAI's 40 characters) instead of the store."),
    ] = False
    store: Annotated[
        str,
        _help("Store of signatures and responses: memory, sqlite, sqlite:PATH or redis://HOST (Redis or Valkey)."),
    ] = "sqlite"
    responses_max_age: Annotated[
        float,
        msgspec.Meta(
            description="Lifetime of a stored response, and of a conversation after its last item.",
            ge=1,
            le=10 * 366 * 86_400,
        ),
    ] = 30 * 86_400.0
    responses_max_count: Annotated[
        int, _count("Most stored responses and conversations. The oldest are removed first.")
    ] = 100_000
    responses_max_bytes: Annotated[int, _count("Largest size of all stored responses and conversations.", 1, 2**50)] = (
        2 * 1024 * 1024 * 1024
    )
    files_dir: Annotated[
        str | None,
        _help("Directory for the contents of files. Replicas share one. Default: beside the store's file."),
    ] = None
    public_url: Annotated[
        str | None,
        _help("This server's URL for clients (https://gateway.example), for links to images, which work for an hour."),
    ] = None
    files_max_bytes: Annotated[int, _count("Largest size of all files that one client stores.", 1, 2**50)] = (
        10 * 1024 * 1024 * 1024
    )
    file_max_bytes: Annotated[int, _count("Largest size of one file.", 1, 2**40)] = 512 * 1024 * 1024
    batch_rate: Annotated[
        float,
        msgspec.Meta(
            description="Requests of a batch per minute, if the upstream has no batches (Vertex AI, relays).",
            gt=0,
            le=1_000_000,
        ),
    ] = 60.0
    max_background: Annotated[int, _count("Most background responses that run at once in one process.")] = 64

    strict: Annotated[
        Literal["off", "breaks", "answers", "costs", "all"],
        _help("Refuse requests with losses of this severity or a graver one. true: answers."),
    ] = "off"
    notes: Annotated[
        dict[str, Literal["allow", "reject"]],
        _help(
            "Decisions by code (see adapter codes), which win over --strict: 'user-not-sent=allow,seed-folded=reject'."
        ),
    ] = {}
    retry_malformed: Annotated[
        bool, _help("Retry once if Gemini answers with a malformed call (each attempt is billed).")
    ] = False
    continuations: Annotated[
        int,
        _count("Most further calls that continue an answer too long for one call. Each bills the prompt.", 0),
    ] = 8
    commit_after: Annotated[float, _seconds("Longest wait for a stream's first event before the 200 is sent.", 0.0)] = (
        10.0
    )
    heartbeat: Annotated[
        Literal["comment", "chunk", "off"],
        _help("Heartbeat of a silent stream: an SSE comment, an empty chunk, or none."),
    ] = "comment"
    heartbeat_after: Annotated[float, _seconds("Silence before each heartbeat.", 0.05)] = 15.0
    write_timeout: Annotated[float, _seconds("Longest time that a client reads nothing before its stream ends.")] = 30.0
    shutdown_delay: Annotated[
        float, _seconds("Time after SIGTERM in which requests are still accepted, while /readyz answers 503.", 0.0)
    ] = 0.0
    shutdown_grace: Annotated[
        float, _seconds("Time after that for running answers, before they end with an error.", 0.0)
    ] = 30.0
    fetch_media: Annotated[
        Literal["off", "https", "on"],
        _help("Fetch images and files by URL: never, by https, or also by http. Public addresses only."),
    ] = "off"
    fetch_max_bytes: Annotated[int, _count("Largest size of all files that are fetched for one request.")] = (
        20 * 1024 * 1024
    )
    fetch_max_files: Annotated[int, _count("Most files that are fetched for one request.")] = 16
    max_choices: Annotated[
        int, _count("Largest n. If a model gives one candidate per call, each choice is a call.", 1, 128)
    ] = 8
    max_messages: Annotated[int, _count("Most messages in one request.")] = 10_000
    max_items: Annotated[int, _count("Most items in the input of a response, or added to a conversation at once.")] = (
        10_000
    )
    max_parts: Annotated[int, _count("Most parts in one message.")] = 4_096
    max_calls: Annotated[int, _count("Most tool calls in one message.")] = 4_096
    max_images: Annotated[int, _count("Most generated images in one message of a history.")] = 3_600
    max_values: Annotated[int, _count("Most JSON values in the body of one request.")] = 300_000
    max_json_values: Annotated[
        int, _count("Most JSON values in one tool's schema or other free-form field, or in JSON inside a text.")
    ] = 50_000
    max_unknown_fields: Annotated[int, _count("Most unknown fields in one request.", 0)] = 1_000
    max_name_length: Annotated[int, _count("Most characters in a tool's name, also in the calls of a history.")] = 1_024
    max_header_bytes: Annotated[int, _count("Largest size of a request's URL and headers.", 1_024)] = 32_768
    max_headers: Annotated[int, _count("Most headers in one request.", 16)] = 100
    header_timeout: Annotated[float, _seconds("Longest time for the head of a request.")] = 10.0
    body_timeout: Annotated[float, _seconds("Longest time that a body arrives slower than a kilobyte per second.")] = (
        30.0
    )
    max_body: Annotated[int, _count("Largest request body.")] = 32 * 1024 * 1024
    max_upload: Annotated[
        int, _count("Largest form with files (images to edit, audio to transcribe). See also max_bodies.")
    ] = 112 * 1024 * 1024
    max_sockets: Annotated[int, _count("Most open websockets of one process. Further ones get a 503.")] = 256
    max_history: Annotated[
        int, _count("Largest size of the stored items that one response continues. More is a 400.")
    ] = 32 * 1024 * 1024
    prefix_max_bytes: Annotated[
        int,
        _count(
            "Size of the histories and tools that one process remembers, so that an agent's next turn costs only its "
            "new messages. 0: none.",
            0,
        ),
    ] = 64 * 1024 * 1024
    max_bodies: Annotated[
        int,
        _count("Largest size of all bodies that one process holds at once. Each needs several times as much memory."),
    ] = 256 * 1024 * 1024
    stuck_timeout: Annotated[
        float,
        _seconds(
            "Longest time that a process hangs before it logs where it is stuck; one of several ends. 0: never.",
            0.0,
        ),
    ] = 30.0
    inspector: Annotated[
        bool | None,
        _help(
            "Show the page at / with the last exchanges to anybody who may call. Unset: on the loopback address only, "
            "not through a proxy, with the URL that is printed at start."
        ),
    ] = None
    metrics: Annotated[bool, _help("Serve Prometheus metrics at /metrics, to everybody who may call.")] = False
    traces: Annotated[bool, _help("Send OpenTelemetry traces by OTLP over HTTP, as the OTEL_... variables say.")] = (
        False
    )
    log_format: Annotated[
        Literal["plain", "json"], _help("Format of the log: one line per request, plain or JSON.")
    ] = "plain"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _help("Lowest level that is logged.")] = "info"

    def __repr__(self) -> str:
        """Show the settings without secrets."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name not in SECRETS}
        counts = {name: len(getattr(self, name)) for name in SECRETS}
        return f"Settings({shown | counts | {'store': redact_password(self.store)}})"

    @property
    def uses_emulator(self) -> bool:
        """Return whether the built-in emulator answers: as the setting says, else if there is no key for Google."""
        return self.is_keyless if self.emulator is None else self.emulator

    @property
    def is_keyless(self) -> bool:
        """Return whether Google is the upstream, and there is no key for it."""
        keyless = self.upstream_auth not in ("caller", "vertex") and not self.upstream_keys
        return self.upstream_url == GOOGLE_URL and keyless

    @property
    def is_exposed(self) -> bool:
        """Return whether this looks like production: other machines can reach the server, or it has client keys."""
        return not self.is_loopback_only or bool(self.client_keys or self.clients)

    @property
    def asks_for_key(self) -> bool:
        """Return whether clients must send a key."""
        return bool(self.client_keys or self.clients or self.upstream_auth == "caller")

    @property
    def is_loopback_only(self) -> bool:
        """Return whether only this machine can reach the server."""
        return is_loopback(self.host)


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Setting(NamedTuple):
    """One setting, for flags and documentation."""

    name: str
    type: Any
    default: Any
    help: str


@cache
def all_settings() -> tuple[Setting, ...]:
    """List all settings in the order of the fields."""
    described = []
    for field in msgspec.structs.fields(Settings):
        inner, meta = get_args(field.type)
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        described.append(Setting(field.name, inner, default, meta.description))
    return tuple(described)
