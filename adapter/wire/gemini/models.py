"""GET models (discovery revision 20260325)."""

from adapter.wire.gemini.content import Gemini


class Model(Gemini, forbid_unknown_fields=False):
    """One model; `name` starts with `models/`."""

    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    supported_generation_methods: list[str] | None = None
    thinking: bool | None = None


class ListModelsResponse(Gemini, forbid_unknown_fields=False):
    """A page of models."""

    models: list[Model] | None = None
    publisher_models: list[Model] | None = None
    next_page_token: str | None = None
