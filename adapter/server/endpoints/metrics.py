"""GET /metrics."""

from adapter.server.pipeline.call import Call


async def metrics(call: Call) -> None:
    """Serve all figures to whoever may call: they tell which models are used and how much."""
    figures = call.service.recorder.metrics
    await call.send(figures.render(), {"content-type": figures.content_type})
