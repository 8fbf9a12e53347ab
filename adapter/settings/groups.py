"""Groups of settings, in the order of the help, the example file and the documentation."""

USUAL = {
    "host": "Address to listen on.  [127.0.0.1]",
    "port": "Port to listen on.  [8080]",
    "upstream_url": "URL of Gemini's API.  [Google AI Studio]",
    "upstream_auth": "How to authenticate.  [api-key]",
    "upstream_keys": "Keys for Gemini.  [GEMINI_API_KEY]",
    "client_keys": "Keys that clients must send.",
    "models": "Model map: gpt-4o=gemini-3.8-flash",
    "strict": "Refuse requests with such losses.  [off]",
    "store": "memory, sqlite, sqlite:PATH, redis://HOST  [sqlite]",
}
"""The usual settings, in a few words; `adapter serve --help` shows these alone."""

GROUPS: dict[str, tuple[str, ...]] = {
    "Listening": (
        "host", "port", "workers", "header_timeout", "body_timeout", "write_timeout", "shutdown_delay",
        "shutdown_grace", "stuck_timeout",
    ),
    "Clients": (
        "client_keys", "client_keys_file", "clients", "client_rates", "allow_anonymous", "allow_origins",
        "max_concurrent", "max_queued", "queue_timeout", "max_sockets",
    ),
    "Upstream": (
        "upstream_url", "upstream_name", "upstream_platform", "upstream_auth", "upstream_caller_scheme",
        "upstream_keys", "upstream_keys_file", "vertex_project", "vertex_location", "upstream_plain_http",
        "upstream_profile", "upstream_schema", "upstream_streaming", "upstream_done_ends", "upstream_proxy",
        "upstream_http", "emulator", "connect_timeout", "first_byte_timeout", "idle_timeout", "total_timeout",
        "retries", "retry_server_errors", "circuit_pause",
    ),
    "Models": ("models", "default_models", "list_models", "capabilities", "fallback_models", "fallback_upstreams"),
    "Translation": (
        "safety_settings", "later_system", "trailing_assistant", "blocked_prompt", "include_thoughts",
        "thoughts_headroom", "leaked_thoughts", "stateless_ids", "strict", "notes", "retry_malformed",
        "continuations", "fetch_media", "fetch_max_bytes", "fetch_max_files",
    ),
    "Streams": ("commit_after", "heartbeat", "heartbeat_after"),
    "Storage": (
        "store", "responses_max_age", "responses_max_count", "responses_max_bytes", "files_dir", "files_max_bytes",
        "file_max_bytes", "batch_rate", "max_background", "max_history", "public_url",
    ),
    "Limits": (
        "max_body", "max_upload", "max_bodies", "max_choices", "max_messages", "max_items", "max_parts", "max_calls",
        "max_images", "max_values", "max_json_values", "max_unknown_fields", "max_name_length", "max_header_bytes",
        "max_headers", "prefix_max_bytes",
    ),
    "Observation": ("inspector", "metrics", "traces", "log_format", "log_level"),
}  # fmt: skip
"""Every setting once, under a heading; a test holds that none is missing."""

UNITS = {
    "BYTES": ("_bytes", "max_body", "max_upload", "max_bodies", "max_history"),
    "SECONDS": ("_timeout", "_after", "_age", "_pause", "_delay", "_grace"),
}
"""The unit that a number is in, by the end of its setting's name."""


def unit_of(name: str) -> str:
    """Return the unit of a number's setting, or "NUMBER"."""
    return next((unit for unit, ends in UNITS.items() if name.endswith(ends)), "NUMBER")
