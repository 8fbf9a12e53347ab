"""GET /v1/models (openai-python 3.57.0)."""

from adapter.wire.base import Wire


class Model(Wire):
    """One model; `created` is Unix seconds, `shutdown_date` the first day without it.

    Beside OpenAI's fields: `served_by` names its endpoint, `stands_for` the model that answers to the operator's name,
    and the limits are how many tokens it takes and gives.
    """

    id: str
    object: str
    created: int
    owned_by: str
    shutdown_date: str | None = None
    served_by: str | None = None
    stands_for: str | None = None
    input_token_limit: int | None = None
    output_token_limit: int | None = None


class ModelList(Wire):
    """All models in one page."""

    object: str
    data: list[Model]
