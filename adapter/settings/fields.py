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

_LONGEST = 86_400.0


def _help(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


def _seconds(text: str, least: float = 0.001) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=least, le=_LONGEST)


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
    port: Annotated[int, _count("Port to listen on; 0: any that is free.", 0, 65_535)] = 8080
    workers: Annotated[int, _count("Processes that serve; they need a store they share.", 1, 256)] = 1
    allow_anonymous: Annotated[bool, _help("Serve without client keys on an address that is not the loopback.")] = False
    client_keys: Annotated[
        tuple[str, ...], _help("Keys that clients must send, or sha256:HEX of them; none: everybody may.")
    ] = ()
    client_keys_file: Annotated[
        str | None,
        _help("File with client keys, by lines or commas, in place of --client-keys; reread on SIGHUP."),
    ] = None
    clients: Annotated[
        tuple[KnownClient, ...],
        _help("Clients with limits of their own: [[clients]] tables, or JSON, with name, key, models and rates."),
    ] = ()
    client_rates: Annotated[
        tuple[str, ...], _help("How often each client may ask that has no rates of its own: 60/minute,5/second.")
    ] = ()
    max_concurrent: Annotated[int, _count("How many requests one process answers at once.")] = 1_000
    max_queued: Annotated[int, _count("How many more may wait for their turn; the rest gets a 503 at once.", 0)] = 100
    queue_timeout: Annotated[float, _seconds("How long a request waits for its turn.", 0.0)] = 2.0
    allow_origins: Annotated[
        tuple[str, ...], _help("Web pages of other origins that may call (CORS): https://app.example, or *.")
    ] = ()

    upstream_url: Annotated[str, _help("Gemini-shaped API to call, with or without /v1beta.")] = GOOGLE_URL
    upstream_name: Annotated[
        str | None, _help("What issues thought signatures; they are sent back only there. Default: the URL's host.")
    ] = None
    upstream_platform: Annotated[
        Literal["auto", "studio", "vertex", "relay"],
        _help("Whose dates of models that end hold: AI Studio's, Vertex AI's, a relay's (none). auto: by the URL."),
    ] = "auto"
    upstream_auth: Annotated[
        Literal["api-key", "bearer", "caller", "vertex"],
        _help("How to authenticate: x-goog-api-key, Authorization: Bearer, the client's key, Google Cloud's tokens."),
    ] = "api-key"
    vertex_project: Annotated[
        str | None, _help("With --upstream-auth vertex: the Google Cloud project. Default: GOOGLE_CLOUD_PROJECT.")
    ] = None
    vertex_location: Annotated[
        str,
        _help("With --upstream-auth vertex: a region, us, eu or global. Default: GOOGLE_CLOUD_LOCATION, or global."),
    ] = "global"
    upstream_caller_scheme: Annotated[
        Literal["api-key", "bearer"], _help("With --upstream-auth caller: where the client's key goes.")
    ] = "api-key"
    upstream_keys: Annotated[
        tuple[str, ...],
        _help("Keys for the upstream, used in turn. Without any, GOOGLE_API_KEY or GEMINI_API_KEY for Google itself."),
    ] = ()
    upstream_keys_file: Annotated[
        str | None,
        _help("File with upstream keys, by lines or commas, in place of --upstream-keys; reread on SIGHUP."),
    ] = None
    upstream_plain_http: Annotated[
        bool, _help("Call an upstream that is not on this machine by http: keys and prompts can be read on the way.")
    ] = False
    upstream_profile: Annotated[
        Literal["full", "anyfast"],
        _help("What the upstream takes: all of Gemini's API, or only the fields that the relay AnyFast documents."),
    ] = "full"
    upstream_schema: Annotated[
        Literal["json", "openapi"], _help("Dialect of tool and answer schemas; relays may know only openapi.")
    ] = "json"
    upstream_streaming: Annotated[
        bool, _help("Off for a relay without streamGenerateContent: its whole answers are streamed as one event.")
    ] = True
    upstream_proxy: Annotated[str | None, _help("HTTP proxy for upstream calls.")] = None
    upstream_done_ends: Annotated[
        bool,
        _help("Take a relay's [DONE] behind an answer without a finish reason for its end; else it is an error."),
    ] = False
    upstream_http: Annotated[
        Literal["asyncio", "httpx2"], _help("What carries upstream calls; with a proxy it is always httpx2.")
    ] = "asyncio"
    emulator: Annotated[
        bool | None,
        _help(
            "Answer from the built-in emulator, whose answers are invented. Unset: only without a key for Gemini, "
            "on the loopback address and without client keys."
        ),
    ] = None
    connect_timeout: Annotated[float, _seconds("Time to a connection.")] = 5.0
    first_byte_timeout: Annotated[float, _seconds("Time to the head of an answer.")] = 300.0
    idle_timeout: Annotated[float, _seconds("Time between two pieces of an answer.")] = 120.0
    total_timeout: Annotated[float, _seconds("Time for a whole answer.")] = 590.0
    retries: Annotated[int, _count("How often an upstream call is sent again.", 0, 10)] = 1
    retry_server_errors: Annotated[bool, _help("Repeat a call that Gemini answered with a 500.")] = False

    circuit_pause: Annotated[
        float,
        _seconds("How long an upstream is left alone at first when half of its calls fail; 0: it is never.", 0.0),
    ] = 5.0

    models: Annotated[
        dict[str, str], _help("Model map, first match wins: 'gpt-4o-mini=gemini-3.8-flash,my-*=gemini-3.5-flash'.")
    ] = {}
    list_models: Annotated[
        tuple[str, ...],
        _help("Patterns of the models that /v1/models lists, in this order. None: all, those that chat first."),
    ] = ()
    default_models: Annotated[bool, _help("Send OpenAI's model names to current Gemini models.")] = True
    capabilities: Annotated[str | None, _help("TOML file with capability rows that go before the built-in ones.")] = (
        None
    )

    fallback_models: Annotated[
        dict[str, str],
        _help(
            "Models to ask next when one fails, first match wins: 'gemini-3.8-pro=gemini-3.8-flash|gemini-3.5-flash'."
        ),
    ] = {}
    fallback_upstreams: Annotated[
        tuple[dict[str, Any], ...],
        _help("Upstreams to ask next when one fails: [[fallback_upstreams]] tables, or JSON, with upstream_... keys."),
    ] = ()

    safety_settings: Annotated[
        dict[str, str],
        _help("Thresholds where a request has none: 'HARM_CATEGORY_HARASSMENT=BLOCK_NONE,...'."),
    ] = {}
    later_system: Annotated[
        Literal["wrap", "hoist", "reject"],
        _help("A system message after the first turn: a marked user's turn, moved to the front, or an error."),
    ] = "wrap"
    trailing_assistant: Annotated[
        Literal["continue", "reject"],
        _help("A last message of the assistant, where the model takes none: ask it to continue, or an error."),
    ] = "continue"
    blocked_prompt: Annotated[
        Literal["refusal", "error"], _help("A prompt that Gemini blocked: a 200 with a refusal, or a 400.")
    ] = "refusal"
    include_thoughts: Annotated[bool, _help("Ask for thought summaries whenever a request sets an effort.")] = False
    thoughts_headroom: Annotated[
        int, _count("Tokens that are added to a client's limit, against which Gemini counts its thoughts.", 0)
    ] = 0
    leaked_thoughts: Annotated[
        bool,
        _help("Take text behind THOUGHT:, up to a blank line, for a thought: Vertex AI and relays return some."),
    ] = False
    stateless_ids: Annotated[
        bool,
        _help("Put signatures into call ids (longer than OpenAI's 40 characters) instead of relying on the store."),
    ] = False
    store: Annotated[
        str,
        _help(
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
    files_dir: Annotated[
        str | None,
        _help("Directory for the contents of files; replicas share one. Default: beside the store's file."),
    ] = None
    public_url: Annotated[
        str | None,
        _help("Where clients reach this server (https://gateway.example), for links to images that work for an hour."),
    ] = None
    files_max_bytes: Annotated[int, _count("Size of all files that one client may store.", 1, 2**50)] = (
        10 * 1024 * 1024 * 1024
    )
    file_max_bytes: Annotated[int, _count("Size of one file.", 1, 2**40)] = 512 * 1024 * 1024
    batch_rate: Annotated[
        float,
        msgspec.Meta(
            description="Requests of a batch in a minute where the upstream has no batches (Vertex AI, relays).",
            gt=0,
            le=1_000_000,
        ),
    ] = 60.0
    max_background: Annotated[int, _count("How many background responses run at once in one process.")] = 64

    strict: Annotated[
        Literal["off", "breaks", "answers", "costs", "all"],
        _help("Answer 400 to a request that would lose something of this severity or a graver one; true: answers."),
    ] = "off"
    notes: Annotated[
        dict[str, Literal["allow", "reject"]],
        _help("Per code of `adapter codes`, whatever --strict says: 'user-not-sent=allow,seed-folded=reject'."),
    ] = {}
    retry_malformed: Annotated[
        bool, _help("Ask once more when Gemini answers with a malformed call (each attempt is billed).")
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
        _help("What a silent stream sends: an SSE comment, an empty chunk, nothing."),
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
        _help("Fetch images and files that requests point to: never, by https, or by http too. Public addresses only."),
    ] = "off"
    fetch_max_bytes: Annotated[int, _count("Size of all files that are fetched for one request.")] = 20 * 1024 * 1024
    fetch_max_files: Annotated[int, _count("How many files are fetched for one request.")] = 16
    max_choices: Annotated[
        int, _count("Largest n; where the model gives one candidate in a call, each is a call of its own.", 1, 128)
    ] = 8
    max_messages: Annotated[int, _count("How many messages one request may have.")] = 10_000
    max_items: Annotated[
        int, _count("How many items the input of a response, or a conversation's new ones, may have.")
    ] = 10_000
    max_parts: Annotated[int, _count("How many parts one message may have.")] = 4_096
    max_calls: Annotated[int, _count("How many tool calls one message may have.")] = 4_096
    max_images: Annotated[int, _count("How many generated images one message of a history may have.")] = 3_600
    max_values: Annotated[int, _count("How many JSON values the body of one request may have, whatever they are.")] = (
        300_000
    )
    max_json_values: Annotated[
        int, _count("How many of them one tool's schema or another free-form field, or JSON inside a text, may have.")
    ] = 50_000
    max_unknown_fields: Annotated[
        int, _count("How many fields that this adapter does not know one request may have.", 0)
    ] = 1_000
    max_name_length: Annotated[
        int, _count("How many characters a tool's name may have, also in the calls of a history.")
    ] = 1_024
    max_header_bytes: Annotated[int, _count("Largest head of a request: its URL and headers.", 1_024)] = 32_768
    max_headers: Annotated[int, _count("How many headers a request may have.", 16)] = 100
    header_timeout: Annotated[float, _seconds("Time for the head of a request.")] = 10.0
    body_timeout: Annotated[
        float, _seconds("How long a request's body may come slower than a kilobyte in a second.")
    ] = 30.0
    max_body: Annotated[int, _count("Largest request body.")] = 32 * 1024 * 1024
    max_upload: Annotated[
        int, _count("Largest form with files (images to edit, audio to transcribe); see max_bodies, too.")
    ] = 112 * 1024 * 1024
    max_sockets: Annotated[int, _count("How many websockets one process holds open; more of them are a 503.")] = 256
    max_history: Annotated[
        int, _count("Size of the stored items that one response may bring back; more of them are a 400.")
    ] = 32 * 1024 * 1024
    prefix_max_bytes: Annotated[
        int,
        _count(
            "Size of the histories and tools that one process remembers, so that an agent's next turn costs what is "
            "new in it. 0: none.",
            0,
        ),
    ] = 64 * 1024 * 1024
    max_bodies: Annotated[
        int, _count("Size of all requests that one process holds at once; each takes some times its size of memory.")
    ] = 256 * 1024 * 1024
    stuck_timeout: Annotated[
        float,
        _seconds(
            "How long a process may be deaf before it writes where it is stuck; one of several ends. 0: for ever.",
            0.0,
        ),
    ] = 30.0
    inspector: Annotated[
        bool | None,
        _help(
            "The page at / with the last exchanges, for whoever may call. Unset: on the loopback address alone, "
            "through no proxy, by the address that is printed at start."
        ),
    ] = None
    metrics: Annotated[bool, _help("Figures for Prometheus at /metrics, for whoever may call.")] = False
    traces: Annotated[
        bool, _help("Traces by OpenTelemetry, sent by OTLP over HTTP to where its own OTEL_... variables say.")
    ] = False
    log_format: Annotated[Literal["plain", "json"], _help("One line per request, plain or JSON.")] = "plain"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _help("Least level that is logged.")] = "info"

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
