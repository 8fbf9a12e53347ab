"""GET /v1/models (openai-python 3.54.0)."""

from adapter.wire.base import Wire


class Model(Wire):
    """One model; `created` is Unix seconds. `served_by`, which is no field of OpenAI's, names its endpoint."""

    id: str
    object: str
    created: int
    owned_by: str
    served_by: str | None = None


class ModelList(Wire):
    """All models in one page."""

    object: str
    data: list[Model]
