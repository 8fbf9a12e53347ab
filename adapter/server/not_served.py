"""OpenAI's endpoints that this server does not have: the error's sentence with why and what to use."""

from adapter.server.pipeline.endpoint import Endpoints, unserved_endpoint

_CHAT = "/v1/chat/completions"

_ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Fine-tuning is not served here: Gemini is tuned on Vertex AI, and a tuned model is called by its name.",
        ("/v1/fine_tuning/{rest:path}", "/v1/fine-tunes", "/v1/fine-tunes/{rest:path}"),
    ),
    (
        "Evals are not served here: Gemini has none. Run them yourself against /v1/chat/completions.",
        ("/v1/evals", "/v1/evals/{rest:path}"),
    ),
    (
        "Containers are not served here: Gemini runs code only inside an answer. Use the tool code_interpreter in "
        "/v1/responses.",
        ("/v1/containers", "/v1/containers/{rest:path}"),
    ),
    (
        "Assistants and threads are not served here: OpenAI replaced them. Use /v1/responses and /v1/conversations.",
        ("/v1/assistants", "/v1/assistants/{rest:path}", "/v1/threads", "/v1/threads/{rest:path}"),
    ),
    (
        "Realtime sessions are not served here: Gemini's Live API speaks another protocol. Use /v1/responses with "
        "stream: true, or its websocket.",
        ("/v1/realtime", "/v1/realtime/{rest:path}", "/v1/live/{rest:path}"),
    ),
    (
        "Videos are not served here: Gemini makes them only by its Interactions API. Call POST /v1beta/interactions.",
        ("/v1/videos", "/v1/videos/{rest:path}"),
    ),
    (
        "Stored chat completions are not served here: answers to chats are not kept. Use /v1/responses, which are.",
        (f"{_CHAT}/{{rest:path}}",),
    ),
    (
        "Skills are not served here: Gemini has none. Say in the instructions what a skill would say.",
        ("/v1/skills", "/v1/skills/{rest:path}"),
    ),
    (
        "Hosted agents are not served here: they run at OpenAI. Use the Agents SDK, which calls /v1/responses.",
        ("/v1/agents", "/v1/agents/{rest:path}", "/v1/vaults/{rest:path}", "/v1/chatkit/{rest:path}"),
    ),
    (
        "Webhooks are not served here: nothing is sent to other servers. Poll GET /v1/responses/{id}.",
        ("/v1/webhook_endpoints", "/v1/webhook_endpoints/{rest:path}", "/v1/webhook_event_types"),
    ),
    (
        "Checks of where content comes from are not served here: Gemini's API does not read its watermarks.",
        ("/v1/content_provenance_checks",),
    ),
    (
        "Organizations and projects are not served here: they are OpenAI's accounts. Clients and their limits are "
        "settings of this server.",
        (
            "/v1/organization/{rest:path}",
            "/v1/organizations/{rest:path}",
            "/v1/projects/{rest:path}",
            "/v1/safety/{rest:path}",
        ),
    ),
    (
        "Vector stores are not served here: search in Gemini's own stores with the tool file_search, whose "
        "vector_store_ids are their names (fileSearchStores/...).",
        ("/v1/vector_stores", "/v1/vector_stores/{rest:path}"),
    ),
    (
        "Voices of one's own are not served here: Gemini's are made at POST /v1beta/voices, and named in "
        "/v1/audio/speech.",
        ("/v1/audio/{rest:path}",),
    ),
    (
        "Edits and engines are not served here: OpenAI has removed them. Use /v1/chat/completions and /v1/models.",
        ("/v1/edits", "/v1/engines", "/v1/engines/{rest:path}"),
    ),
)

NOT_SERVED: Endpoints = tuple(unserved_endpoint(path, why) for why, paths in _ROWS for path in paths)
