"""Plans: a request as it is sent to one model at one upstream, made without a call.

`plan` serves a chat request, `plan_response` one of the Responses API as the chat request that asks for the same. The
server, `adapter translate`, `POST /translate` and reports all call these, so that each gives the same verdict, body and
notes.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from adapter.translate.answer.parallel_choices import count_calls
from adapter.translate.core.capabilities import ServedModel, alias_notes
from adapter.translate.core.context import Context, Media, Options
from adapter.translate.core.earlier_turns import EarlierTurns
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.image_options import ImageForm, form_of
from adapter.translate.request.fields import translate
from adapter.translate.responses.chat_view import View
from adapter.translate.responses.fields import to_chat
from adapter.translate.signatures.history import History, look_up
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.signatures import Signature


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The translation of a request for one upstream and model: the body, the notes, how often it is sent.

    `place` is the upstream's name. `model` answers; `name` is what was asked for, which is another once that has ended.
    `calls` is how many times Gemini is asked. `earlier` is what is to be remembered of its first messages. `view` leads
    from chat's paths to the client's, for the Responses API. `image_form` is what images of the answer are converted
    to, if anything.
    """

    place: str
    model: str
    name: str
    context: Context
    body: GenerateContentRequest
    notes: list[Note]
    calls: int
    earlier: EarlierTurns | None = None
    view: View | None = None
    image_form: ImageForm | None = None

    @property
    def method(self) -> str:
        """The method of Gemini's API that is called."""
        return "streamGenerateContent" if self.context.request.stream else "generateContent"


def plan(
    request: ChatCompletionRequest,
    unknown: Mapping[str, msgspec.Raw],
    served: ServedModel,
    options: Options,
    *,
    media: Mapping[str, Media] = {},
    history: History | None = None,
    earlier: EarlierTurns | None = None,
    cut: int = 0,
) -> Plan:
    """Return the plan for a chat request at the model that serves it. Raises `Rejected`."""
    if served.row.served_by:
        reason = f"{served.name} is not a chat model: it is served by {served.row.served_by}"
        raise Rejected("model", "wrong-endpoint", reason)
    context = Context(
        request=request,
        capabilities=served.row,
        options=options,
        media=media,
        history=history,
        earlier=earlier,
        cut=cut,
    )
    body, ledger, earlier_turns = translate(context, unknown)
    notes: list[Note] = ledger
    if served.model != request.model and (alias := alias_notes(request.model, served)):
        notes = [*alias, *(note for note in notes if note.path != "model")]
    return Plan(
        place=options.upstream,
        model=served.model,
        name=served.name,
        context=context,
        body=body,
        notes=notes,
        calls=1 if request.n is None else count_calls(context),
        earlier=earlier_turns,
        image_form=None if request.image_config is None else form_of(context),
    )


def plan_response(
    request: ResponsesRequest,
    unknown: Mapping[str, msgspec.Raw],
    served: ServedModel,
    options: Options,
    *,
    media: Mapping[str, Media] = {},
    found: Mapping[str, Signature] = {},
) -> Plan:
    """Return the plan for a request of the Responses API that holds its whole conversation. Raises `Rejected`."""
    view = to_chat(request, unknown)
    try:
        history = look_up(view.request, found, view.carried)
        planned = plan(view.request, {}, served, options, media=media, history=history)
    except Rejected as error:
        raise view.with_client_path(error) from None
    ledger = view.ledger(planned.notes)
    return msgspec.structs.replace(planned, notes=ledger, view=view.with_dropped(ledger))


class Planner(NamedTuple):
    """Makes plans of the requests of one endpoint."""

    request: type[msgspec.Struct]
    plan: Callable[..., Plan]


PLANNERS: Mapping[str, Planner] = {
    "/v1/chat/completions": Planner(ChatCompletionRequest, plan),
    "/v1/responses": Planner(ResponsesRequest, plan_response),
}
"""The endpoints whose requests become calls of Gemini's models, by path."""


def endpoint_of(body: Mapping[str, Any]) -> str:
    """Return the endpoint that a request without a path is for, by what it holds."""
    return (
        "/v1/responses" if "messages" not in body and {"input", "instructions"} & set(body) else "/v1/chat/completions"
    )
