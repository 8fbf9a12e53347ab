"""GET /openapi.json."""

from adapter.server.openapi.document import document
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.endpoint import Endpoint, Endpoints


def with_description(endpoints: Endpoints) -> Endpoints:
    """Return these endpoints and the one that describes them; the description holds nobody's data."""

    async def describe(call: Call) -> None:
        await call.send(document(everything))

    own = Endpoint(
        method="GET",
        path="/openapi.json",
        handler=describe,
        name="description",
        summary="This description.",
        is_open=True,
        is_quiet=True,
    )
    everything = (*endpoints, own)
    return everything
