"""GET /healthz and /readyz."""

from adapter import __version__
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.service import Service

EMULATOR = "emulator"
"""The label of the built-in emulator as an upstream."""


async def ready(call: Call) -> None:
    """Answer whether new requests should come here: 503 as soon as the process shuts down.

    A store that does not answer is only a warning: requests are answered without it.
    """
    await call.send(_facts(call), status=503 if call.service.shutdown.has_begun else 200)


async def health(call: Call) -> None:
    """Answer that the process lives, which upstreams it calls, and what the operator should know."""
    await call.send(_facts(call))


def _facts(call: Call) -> dict[str, object]:
    """Return the state of the process; strangers get nothing else."""
    service = call.service
    status: dict[str, object] = {
        "status": "shutting down" if service.shutdown.has_begun else "ok",
        "version": __version__,
    }
    return {**status, **_details(service)} if service.access.knows(call.scope) else status


def _details(service: Service) -> dict[str, object]:
    """Return paths, hosts and errors of the stores, for operators."""
    store, responses = service.store.describe(), service.state.documents.describe()
    files = service.files.describe()
    warnings = [facts["warning"] for facts in (store, responses, files) if facts.get("warning")]
    if service.label == EMULATOR:
        warnings.append("The built-in emulator answers: what it says is invented.")
    return {
        "upstream": service.label,
        "emulator": service.label == EMULATOR,
        "store": store,
        "responses": responses,
        "files": files,
        "warnings": warnings,
    }
