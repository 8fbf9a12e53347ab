"""GET /v1/models and /v1/models/{id}."""

from starlette.requests import Request
from starlette.responses import Response

from adapter.server.http.asgi import printable
from adapter.server.pipeline.service import Service
from adapter.settings import resolve
from adapter.upstream.client import Caller
from adapter.wire.base import encode
from adapter.wire.gemini.models import Model as GeminiModel
from adapter.wire.openai.models import Model, ModelList


def _model(model: GeminiModel, created: int) -> Model:
    """Gemini tells no date: the time this process started stands for it."""
    name = (model.name or "").rpartition("models/")[2]
    return Model(id=name, object="model", created=created, owned_by="google")


async def list_models(request: Request) -> Response:
    """All models, and the operator's own names for them."""
    service: Service = request.app.state.service
    client = service.access.client(request.scope)
    found = await service.upstream.models(Caller(client.key))
    models = [_model(model, service.started_at) for model in found]
    plain = [alias for alias in service.settings.models if not set(alias) & set("*?[")]
    models += [Model(id=alias, object="model", created=service.started_at, owned_by="adapter") for alias in plain]
    listed = [model for model in models if client.may(model.id)]
    return Response(encode(ModelList(object="list", data=listed)), media_type="application/json")


async def get_model(request: Request) -> Response:
    """One model, with or without `models/` in front, or by a name that stands for it."""
    service: Service = request.app.state.service
    client = service.access.client(request.scope)
    asked = request.path_params["model"].removeprefix("models/")
    client.check(asked)
    name = resolve(asked, service.catalogue.alias)
    model = _model(await service.upstream.model(name, Caller(client.key)), service.started_at)
    model.id = asked
    headers = {"x-adapter-model": printable(name)}
    return Response(encode(model), media_type="application/json", headers=headers)
