"""GET /v1/models and /v1/models/{id}."""

from adapter.server.pipeline.call import Call
from adapter.settings import resolve
from adapter.upstream.client import Caller
from adapter.wire.gemini.models import Model as GeminiModel
from adapter.wire.openai.models import Model, ModelList


def _model(model: GeminiModel, created: int) -> Model:
    """Gemini tells no date: the time this process started stands for it."""
    name = (model.name or "").rpartition("models/")[2]
    return Model(id=name, object="model", created=created, owned_by="google")


async def list_models(call: Call) -> None:
    """All models, and the operator's own names for them."""
    service = call.service
    found = await service.models.of(call.client.key)
    models = [_model(model, service.started_at) for model in found]
    plain = [alias for alias in service.settings.models if not set(alias) & set("*?[")]
    models += [Model(id=alias, object="model", created=service.started_at, owned_by="adapter") for alias in plain]
    await call.send(ModelList(object="list", data=[model for model in models if call.client.may(model.id)]))


async def get_model(call: Call) -> None:
    """One model, with or without `models/` in front, or by a name that stands for it."""
    service = call.service
    asked = call.parameters["model"].removeprefix("models/")
    call.client.check(asked)
    name = resolve(asked, service.catalogue.alias)
    model = _model(await service.upstream.model(name, Caller(call.client.key)), service.started_at)
    model.id = asked
    await call.send(model, {"x-adapter-model": name})
