"""The plan of a chat request, without a server."""

from collections.abc import Mapping

import msgspec

from adapter.settings import Catalogue, find_served_model
from adapter.translate.core.context import Options
from adapter.translate.plan import Plan, plan
from adapter.translate.signatures.history import History
from adapter.wire.openai.chat_request import ChatCompletionRequest


def plan_for(
    request: ChatCompletionRequest,
    unknown: Mapping[str, msgspec.Raw],
    names: Catalogue,
    chosen: Options,
    history: History | None = None,
) -> Plan:
    """Return the plan for the model that a request's name stands for. Raises `Rejected`."""
    return plan(request, unknown, find_served_model(request.model, names), chosen, history=history)
