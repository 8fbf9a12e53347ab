"""The world of a translation (model, options, media, history), as values that are handed to it."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from adapter.translate.core.capabilities import ModelCapabilities, Platform, ServedModel
from adapter.translate.core.earlier_turns import EarlierTurns
from adapter.translate.core.notes import Fate, Note
from adapter.translate.signatures.history import History
from adapter.wire.gemini.generate import SafetySetting
from adapter.wire.limits import DEFAULTS, Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest


class Media(msgspec.Struct, frozen=True):
    """A file's MIME type, and its content as base64 or, if it has one, its URI at Gemini."""

    mime_type: str
    data: str = ""
    uri: str = ""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's choices that change a translation; the same for every request to one upstream.

    `upstream` names the issuer of signatures ("studio", "vertex", a relay's name), `platform` whose calendar of
    models holds. `schema` is "openapi" for relays that take only `parameters`/`responseSchema`. `fields` limits
    what is sent to these dotted paths of GenerateContentRequest (None: everything). `later_system`: what becomes of
    a system message after the first other one. `blocked_prompt`: a 200 with a refusal, or a 400. `remote_media`:
    whether the server fetched http(s) URLs. `leaked_thoughts`: whether a text behind THOUGHT: is a thought.
    `thoughts_headroom`: how many tokens are added to a client's limit, since thoughts count against it. `limits`
    are those of one request.
    """

    upstream: str = "studio"
    platform: Platform = "studio"
    schema: Literal["json", "openapi"] = "json"
    fields: frozenset[str] | None = None
    later_system: Literal["wrap", "hoist", "reject"] = "wrap"
    trailing_assistant: Literal["continue", "reject"] = "continue"
    blocked_prompt: Literal["refusal", "error"] = "refusal"
    safety_settings: tuple[SafetySetting, ...] = ()
    stateless_ids: bool = False
    remote_media: bool = False
    include_thoughts: bool = False
    leaked_thoughts: bool = False
    thoughts_headroom: int = 0
    limits: Limits = DEFAULTS


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The context of one request.

    `media` is by URL, or by the id of a stored file; `history` is what is known of the request's answers. `earlier` is
    what the first messages became in an earlier request; `cut` is up to which message they are to be remembered now.
    """

    request: ChatCompletionRequest
    capabilities: ModelCapabilities
    options: Options = Options()
    media: Mapping[str, Media] = {}
    history: History | None = None
    earlier: EarlierTurns | None = None
    cut: int = 0

    def known_history(self) -> History:
        """Return the history with the records from the store; without a look-up it has none."""
        return self.history if self.history is not None else History(self.request)


class EndpointContext(msgspec.Struct, frozen=True, kw_only=True):
    """The context of one request at an endpoint other than chat.

    `served` is the model that its name stands for; `media` is by URL, or by the id of a stored file.
    """

    served: ServedModel
    options: Options = Options()
    media: Mapping[str, Media] = {}

    @property
    def model(self) -> str:
        """Gemini's model."""
        return self.served.model

    @property
    def capabilities(self) -> ModelCapabilities:
        """Return the model's capabilities."""
        return self.served.row

    def as_chat(self) -> Context:
        """Return the context of a chat, in which content parts are translated."""
        chat = ChatCompletionRequest(model=self.model, messages=[])
        return Context(request=chat, capabilities=self.capabilities, options=self.options, media=self.media)

    def safety_settings(self) -> tuple[list[SafetySetting] | None, list[Note]]:
        """Return the operator's safety settings, if any, and the notes on them."""
        settings = self.options.safety_settings
        notes = [
            Note("safety_settings", Fate.INJECTED, "safety-setting-added", f"{one.category}: {one.threshold}")
            for one in settings
        ]
        return list(settings) or None, notes


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """The marks of one answer: a random seed for call ids, its id, the time in Unix seconds, the model asked for."""

    seed: str
    id: str
    created: int
    model: str
