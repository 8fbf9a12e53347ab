"""GET /v1/models and /v1/models/{id}."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from adapter.server.pipeline.call import Call
from adapter.server.pipeline.service import Service
from adapter.settings import named, resolve
from adapter.upstream.client import Caller
from adapter.wire.gemini.models import Model as GeminiModel
from adapter.wire.openai.models import Model, ModelList

CHAT = "POST /v1/chat/completions"


def _model(model: GeminiModel, service: Service) -> Model:
    """Gemini tells no date: the time this process started stands for it."""
    name = (model.name or "").rpartition("models/")[2]
    methods = model.supported_generation_methods
    is_chat = methods is None or "generateContent" in methods
    served_by = named(name, service.catalogue).row.served_by or (CHAT if is_chat else None)
    return Model(id=name, object="model", created=service.started_at, owned_by="google", served_by=served_by)


async def list_models(call: Call) -> None:
    """All models, and the operator's own names for them."""
    service = call.service
    models = [_model(model, service) for model in await service.models.of(call.client.key)]
    plain = [alias for alias in service.settings.models if not set(alias) & set("*?[")]
    models += [
        Model(id=alias, object="model", created=service.started_at, owned_by="adapter", served_by=CHAT)
        for alias in plain
    ]
    chosen = _chosen(models, service.settings.list_models)
    await call.send(ModelList(object="list", data=[model for model in chosen if call.client.may(model.id)]))


def _chosen(models: Sequence[Model], patterns: Sequence[str]) -> list[Model]:
    """The models that are listed. Tools offer the first one as their default, so what chats comes first."""
    if not patterns:
        return sorted(models, key=lambda model: model.served_by != CHAT)
    by_id = {model.id: model for pattern in patterns for model in models if fnmatchcase(model.id, pattern)}
    return list(by_id.values())


async def get_model(call: Call) -> None:
    """One model, with or without `models/` in front, or by a name that stands for it."""
    service = call.service
    asked = call.parameters["model"].removeprefix("models/")
    call.client.check(asked)
    name = resolve(asked, service.catalogue.alias)
    model = _model(await service.upstream.model(name, Caller(call.client.key)), service)
    model.id = asked
    await call.send(model, {"x-adapter-model": name})
