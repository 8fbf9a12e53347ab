"""/v1/completions as a view of chat: each prompt is a chat of one turn, and its choices are texts.

Choices are numbered prompt by prompt: that of prompt p and choice c is p * n + c, also where streams of several prompts
come mixed.
"""

from collections.abc import Mapping, Sequence

import msgspec

from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.core.token_arrays import Detokenize, text_of_tokens
from adapter.wire.openai.chat_answer import (
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceLogprobs,
    CompletionUsage,
)
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message
from adapter.wire.openai.completions import (
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    CompletionRequest,
    TextUsage,
)

DEFAULT_TOKENS = 16
"""The limit of tokens for a request without one (OpenAI's API reference)."""

THOUGHTS = 1_024
"""Tokens added to a limit where the model cannot but think: its thoughts count against the limit."""

MAX_LOGPROBS = 5

_SHARED = (
    "frequency_penalty",
    "logit_bias",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "user",
)
"""Fields that a chat has too, with the same meaning."""

_FILL = """The user's text is the beginning of a document. Write what stands between it and the end of the document,
which is given below, and nothing else: no explanation, no quotes, none of the beginning and none of the end.

The end:
"""


class CompletionView(msgspec.Struct, frozen=True):
    """The chats for a completion request, one for each prompt, and the notes on its own losses.

    `echo` is what each prompt's choices begin with; `only_echo`: nothing else is asked for.
    """

    requests: list[ChatCompletionRequest]
    notes: list[Note]
    choices: int
    echo: list[str]
    only_echo: bool

    def ledger(self, notes: Sequence[Note]) -> list[Note]:
        """Return the notes of one of the chats under the names of this endpoint's fields."""
        own = {note.path for note in self.notes}
        found = [note.at(path_of(note.path)) for note in notes if note.path not in _INJECTED]
        return [*self.notes, *(note for note in found if note.fate is not Fate.EXACT or note.path not in own)]


_INJECTED = ("reasoning_effort",)
"""Fields of the chat that the view itself sets: its own notes tell why."""


def source_of(request: CompletionRequest, number: int, path: str) -> str:
    """Return the field, and its item, that a field of the chat for one of the prompts stands for."""
    if path.startswith("messages"):
        has_items = isinstance(request.prompt, list) and not isinstance(request.prompt[0], int)
        prompt = f"prompt[{number}]" if has_items else "prompt"
        return "suffix" if request.suffix and path.startswith("messages[0]") else prompt
    # A text model does not think: the chat that stands for it is told so.
    return "model" if path in _INJECTED else path_of(path)


def path_of(path: str) -> str:
    """Return the field of this endpoint that a field of the chat stands for."""
    if path.startswith("messages"):
        return "prompt"
    return {"max_completion_tokens": "max_tokens", "top_logprobs": "logprobs"}.get(path, path)


def to_chat(
    request: CompletionRequest,
    row: ModelCapabilities,
    detokenize: Detokenize | None = None,
    unknown: Mapping[str, msgspec.Raw] = {},
) -> CompletionView:
    """Return the chats for a completion request. Raises `Rejected`."""
    notes = unknown_notes(unknown)
    prompts = _prompts(request, detokenize)
    choices = request.n or 1
    if request.best_of is not None:
        _best_of(request.best_of, choices, notes)
    if request.logprobs is not None and not 0 <= request.logprobs <= MAX_LOGPROBS:
        raise Rejected("logprobs", "out-of-range", f"0 to {MAX_LOGPROBS}")
    if (request.max_tokens or 0) < 0:
        raise Rejected("max_tokens", "out-of-range", "must not be negative")
    only_echo = request.max_tokens == 0
    if only_echo and not request.echo:
        raise Rejected("max_tokens", "out-of-range", "0 tokens are an answer only with echo: true")
    shared = {name: getattr(request, name) for name in _SHARED}
    limit = _limit(request, row, notes)
    chats = [
        ChatCompletionRequest(
            model=request.model,
            messages=_messages(prompt, request.suffix),
            max_completion_tokens=limit,
            reasoning_effort="none" if row.thinking != "none" else None,
            logprobs=True if request.logprobs is not None else None,
            top_logprobs=request.logprobs or None,
            **shared,
        )
        for prompt in prompts
    ]
    if request.suffix:
        reason = "Gemini fills no gaps: an instruction asks for the text before the suffix"
        notes.append(Note("suffix", Fate.APPROXIMATED, "suffix-as-instruction", reason))
    echo = [prompt if request.echo else "" for prompt in prompts]
    return CompletionView(requests=chats, notes=notes, choices=choices, echo=echo, only_echo=only_echo)


def _messages(prompt: str, suffix: str | None) -> list[Message]:
    asked = Message(role="user", content=prompt)
    return [Message(role="system", content=_FILL + suffix), asked] if suffix else [asked]


def _prompts(request: CompletionRequest, detokenize: Detokenize | None) -> list[str]:
    """Return the prompts as texts. `null` is the beginning of a document, as OpenAI's end-of-text token is."""
    value = request.prompt
    if value is None or isinstance(value, str):
        return [value or "\n"]
    if not value:
        raise Rejected("prompt", "value-missing", "there is no prompt")
    if all(isinstance(one, int) for one in value):
        return [text_of_tokens([one for one in value if isinstance(one, int)], "prompt", detokenize)]
    return [_prompt(one, f"prompt[{index}]", detokenize) for index, one in enumerate(value)]


def _prompt(one: str | int | list[int], path: str, detokenize: Detokenize | None) -> str:
    if isinstance(one, int):
        raise Rejected(path, "malformed-value", "a list holds texts, or tokens, or lists of tokens")
    return (one or "\n") if isinstance(one, str) else text_of_tokens(one, path, detokenize)


def _best_of(best_of: int, choices: int, notes: list[Note]) -> None:
    if best_of < choices:
        raise Rejected("best_of", "out-of-range", "must be at least n")
    if best_of > choices:
        reason = "Gemini tells no likelihood to choose by: the first answers are the best ones"
        notes.append(Note("best_of", Fate.DROPPED, "best-of-unavailable", reason))


def _limit(request: CompletionRequest, row: ModelCapabilities, notes: list[Note]) -> int | None:
    """Return the limit of tokens, which thoughts must not use up."""
    if request.max_tokens == 0:
        return None
    limit = DEFAULT_TOKENS if request.max_tokens is None else request.max_tokens
    if request.max_tokens is None:
        notes.append(Note("max_tokens", Fate.INJECTED, "output-limit-added", f"OpenAI's default of {limit} tokens"))
    if row.thinking == "none" or row.budget_off:
        return limit
    reason = f"{THOUGHTS} more than {limit} tokens are allowed, since the model thinks first and thoughts count"
    notes.append(Note("max_tokens", Fate.APPROXIMATED, "output-limit-raised", reason))
    return limit + THOUGHTS


def from_chat(
    answers: Sequence[ChatCompletion], view: CompletionView, id_: str, created: int, model: str
) -> Completion:
    """Return OpenAI's answer for the answers to all prompts."""
    choices = [
        _choice(choice, number * view.choices + choice.index, view.echo[number])
        for number, answer in enumerate(answers)
        for choice in answer.choices
    ]
    usages = [answer.usage for answer in answers if answer.usage is not None]
    return Completion(
        id=id_,
        object="text_completion",
        created=created,
        model=answers[0].model if answers else model,
        choices=choices,
        usage=total(usages) if usages else None,
    )


def echo_prompts(view: CompletionView, id_: str, created: int, model: str, prompt_tokens: int) -> Completion:
    """Return the prompts alone, for which Gemini was not asked."""
    choices = [
        CompletionChoice(index=number * view.choices + choice, text=text, finish_reason="length")
        for number, text in enumerate(view.echo)
        for choice in range(view.choices)
    ]
    usage = TextUsage(prompt_tokens=prompt_tokens, completion_tokens=0, total_tokens=prompt_tokens)
    return Completion(id=id_, object="text_completion", created=created, model=model, choices=choices, usage=usage)


def total(usages: Sequence[CompletionUsage]) -> TextUsage:
    """Return the usage of several answers, added up."""
    prompt = sum(usage.prompt_tokens for usage in usages)
    completion = sum(usage.completion_tokens for usage in usages)
    return TextUsage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


_REASONS = {"stop": "stop", "length": "length", "content_filter": "content_filter"}


def _choice(choice: Choice, index: int, echo: str) -> CompletionChoice:
    message = choice.message
    return CompletionChoice(
        index=index,
        text=echo + (message.content or ""),
        finish_reason=_REASONS.get(choice.finish_reason or "", "stop"),
        logprobs=_logprobs(choice.logprobs, len(echo)),
    )


def _logprobs(found: ChoiceLogprobs | None, offset: int) -> CompletionLogprobs | None:
    if found is None or not found.content:
        return None
    result = CompletionLogprobs(text_offset=[], token_logprobs=[], tokens=[], top_logprobs=[])
    for token in found.content:
        result.text_offset.append(offset)
        result.token_logprobs.append(token.logprob)
        result.tokens.append(token.token)
        result.top_logprobs.append({top.token: top.logprob for top in token.top_logprobs})
        offset += len(token.token)
    return result


class CompletionStream:
    """The events for the chunks of one prompt's chat. `number` is the prompt's."""

    def __init__(self, view: CompletionView, number: int, id_: str, created: int) -> None:
        self._first = number * view.choices
        self._echo = view.echo[number]
        self._id = id_
        self._created = created
        self._offsets: dict[int, int] = {}
        self.usage: CompletionUsage | None = None

    def feed(self, chunks: Sequence[ChatCompletionChunk]) -> list[Completion]:
        """Return the events for some chunks; roles and thoughts have no place in a text."""
        return [event for chunk in chunks if (event := self._event(chunk)) is not None]

    def _event(self, chunk: ChatCompletionChunk) -> Completion | None:
        self.usage = chunk.usage or self.usage
        choices: list[CompletionChoice] = []
        for choice in chunk.choices:
            begun = choice.index in self._offsets
            text = ("" if begun else self._echo) + (choice.delta.content or "")
            if not text and choice.finish_reason is None and choice.logprobs is None:
                continue
            offset = self._offsets.get(choice.index, len(self._echo))
            self._offsets[choice.index] = offset + len(choice.delta.content or "")
            reason = None if choice.finish_reason is None else _REASONS.get(choice.finish_reason, "stop")
            logprobs = _logprobs(choice.logprobs, offset)
            choices.append(
                CompletionChoice(index=self._first + choice.index, text=text, finish_reason=reason, logprobs=logprobs)
            )
        return self._completion(chunk.model, choices) if choices else None

    def _completion(self, model: str, choices: list[CompletionChoice]) -> Completion:
        return Completion(id=self._id, object="text_completion", created=self._created, model=model, choices=choices)
