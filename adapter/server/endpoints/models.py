"""GET /v1/models and /v1/models/{id}: the models, who serves them, and until when."""

import datetime
from collections.abc import Sequence
from fnmatch import fnmatchcase

from adapter.server.pipeline.call import Call
from adapter.settings import Catalogue, find_served_model
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.upstream.client import Caller
from adapter.wire.gemini.models import Model as GeminiModel
from adapter.wire.openai.models import Model, ModelList

CHAT = "POST /v1/chat/completions"

_NOTHING = GeminiModel()


def _creation_time(row: ModelCapabilities) -> int:
    """Return the creation date: the day on which the row was checked, since Gemini tells none.

    An operator's row may say something else there than a day.
    """
    try:
        day = datetime.date.fromisoformat(row.date)
    except ValueError:
        return 0
    return (day - datetime.date(1970, 1, 1)).days * 86_400


def _model(name: str, names: Catalogue, description: GeminiModel = _NOTHING) -> Model:
    """Return a model as clients know it; `description` is the upstream's description."""
    row = find_served_model(name, names).row
    methods = description.supported_generation_methods
    is_chat = methods is None or "generateContent" in methods
    ends = row.until.get(names.platform)
    return Model(
        id=name,
        object="model",
        created=_creation_time(row),
        owned_by="google",
        shutdown_date=None if ends is None else ends.isoformat(),
        served_by=row.served_by or (CHAT if is_chat else None),
        input_token_limit=description.input_token_limit or row.input_limit,
        output_token_limit=description.output_token_limit or row.output_limit,
    )


def _own_model(alias: str, names: Catalogue) -> Model:
    """Return one of the operator's names as a model."""
    model = _model(alias, names)
    model.owned_by, model.stands_for = "adapter", find_served_model(alias, names).model
    return model


async def list_models(call: Call) -> None:
    """Answer with all models, and the operator's own names for them."""
    service = call.service
    names = service.catalogue
    listed = {_bare(one): one for one in await service.models.fetch(call.client.key)}
    service.failures.known_models = frozenset(listed)
    models = [_model(name, names, one) for name, one in listed.items()]
    models += [_own_model(alias, names) for alias in service.listing.models if not set(alias) & set("*?[")]
    chosen = _select(models, service.listing.list_models)
    await call.send(ModelList(object="list", data=[model for model in chosen if call.client.may_use(model.id)]))


def _bare(model: GeminiModel) -> str:
    return (model.name or "").rpartition("models/")[2]


def _select(models: Sequence[Model], patterns: Sequence[str]) -> list[Model]:
    """Return the models to list, chat models first: tools offer the first one as their default."""
    if not patterns:
        return sorted(models, key=lambda model: model.served_by != CHAT)
    by_id = {model.id: model for pattern in patterns for model in models if fnmatchcase(model.id, pattern)}
    return list(by_id.values())


async def get_model(call: Call) -> None:
    """Answer with one model, with or without `models/` in front, or by a name that stands for it."""
    service = call.service
    asked = call.parameters["model"].removeprefix("models/")
    call.client.check(asked)
    call.exchange.model_asked = asked
    name = find_served_model(asked, service.catalogue).model
    model = _model(name, service.catalogue, await service.upstream.model(name, Caller(call.client.key)))
    model.id, model.stands_for = asked, name if name != asked else None
    await call.send(model, {"x-adapter-model": name})
