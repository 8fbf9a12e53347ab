"""GET /metrics."""

from starlette.requests import Request
from starlette.responses import Response

from adapter.server.pipeline.service import Service


async def metrics(request: Request) -> Response:
    """All figures, for whoever may call: they tell which models are used and how much."""
    service: Service = request.app.state.service
    service.access.client(request.scope)
    return Response(service.metrics.page(), media_type=service.metrics.content_type)
