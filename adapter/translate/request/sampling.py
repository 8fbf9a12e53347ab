"""Rules of the fields about sampling: its parameters, limits of the answer, and log probabilities."""

import msgspec

from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note, Outcome, approximate, drop, exact, reject
from adapter.translate.core.rules import config
from adapter.wire.gemini.generate import GenerateContentRequest

INT32 = 2**31

MAX_STOP_SEQUENCES = 5


def temperature(value: float, context: Context) -> Outcome:
    """0 to 2 on both sides; models from gemini-3.6-flash on ignore it (ai.google.dev, 2026-07-30)."""
    if not 0 <= value <= 2:
        return reject("out-of-range", "must be between 0 and 2")
    return _sampling(config(temperature=value), value, context)


def top_p(value: float, context: Context) -> Outcome:
    """0 to 1 on both sides."""
    if not 0 <= value <= 1:
        return reject("out-of-range", "must be between 0 and 1")
    return _sampling(config(top_p=value), value, context)


def top_k(value: float, context: Context) -> Outcome:
    """Not OpenAI's, but many clients send it; 0 and -1 are their words for no limit."""
    if value in (0, -1):
        return drop("sampling-ignored", "Gemini's own top_k cannot be lifted")
    if not 1 <= value < INT32 or value % 1:
        return reject("out-of-range", f"must be a whole number from 1 to {INT32 - 1}")
    return _sampling(config(top_k=value), None, context)


def _sampling(fragment: GenerateContentRequest, value: float | None, context: Context) -> Outcome:
    """A parameter of sampling. 1 is OpenAI's default for two of them: who sends it asks for nothing in particular."""
    if context.capabilities.sampling:
        return exact(fragment)
    return exact() if value == 1 else drop("sampling-ignored", "the model ignores sampling parameters")


def n(value: int, context: Context) -> Outcome:
    """Candidates, as far as the model gives several in one call; the server calls again for the rest."""
    if value < 1:
        return reject("out-of-range", "must be at least 1")
    if value == 1:
        return exact()
    if value <= context.capabilities.candidates:
        return exact(config(candidate_count=value))
    return approximate(
        None, "choices-by-calls", f"the model gives one candidate: {value} parallel calls, which bill the prompt each"
    )


def max_completion_tokens(value: int, context: Context) -> Outcome:
    """Both count the thoughts."""
    # llama.cpp's and LM Studio's word for no limit.
    if value == -1:
        return approximate(None, "no-output-limit", "no limit: the model's own holds")
    if value < 1:
        return reject("out-of-range", "must be at least 1")
    row = context.capabilities
    extra = context.options.thoughts_headroom if row.thinking != "none" else 0
    if value + extra > row.output_limit:
        return approximate(
            config(max_output_tokens=row.output_limit),
            "output-limit-lowered",
            f"the model's limit is {row.output_limit}",
        )
    fragment = config(max_output_tokens=value + extra)
    return (
        approximate(fragment, "output-limit-raised", f"{extra} more for thoughts, by the operator's setting")
        if extra
        else exact(fragment)
    )


def max_tokens(value: int, context: Context) -> Outcome:
    """The deprecated name of max_completion_tokens."""
    return max_completion_tokens(value, context)


def stop(value: str | list[str], _context: Context) -> Outcome:
    """At most five sequences (Generative Language API, GenerationConfig)."""
    sequences = [value] if isinstance(value, str) else value
    used = [sequence for sequence in sequences if sequence]
    empty = (
        [Note("", Fate.DROPPED, "empty-stop-dropped", "an empty stop sequence never stops")]
        if len(used) < len(sequences)
        else []
    )
    if not used:
        return exact(None, empty)
    if len(used) > MAX_STOP_SEQUENCES:
        reason = f"Gemini takes {MAX_STOP_SEQUENCES} stop sequences: the others are left out"
        return approximate(config(stop_sequences=used[:MAX_STOP_SEQUENCES]), "stop-sequences-cut", reason, empty)
    return exact(config(stop_sequences=used), empty)


def presence_penalty(value: float, context: Context) -> Outcome:
    """Refused by all models from 2.5 on (github.com/BerriAI/litellm/issues/4333)."""
    return _penalty(config(presence_penalty=value), value, context)


def frequency_penalty(value: float, context: Context) -> Outcome:
    """Refused by all models from 2.5 on (github.com/BerriAI/litellm/issues/4333)."""
    return _penalty(config(frequency_penalty=value), value, context)


def _penalty(fragment: GenerateContentRequest, value: float, context: Context) -> Outcome:
    if not -2 <= value <= 2:
        return reject("out-of-range", "must be between -2 and 2")
    if context.capabilities.penalties:
        return exact(fragment)
    return drop("penalty-unsupported", "the model takes no penalties") if value else exact()


def seed(value: int, _context: Context) -> Outcome:
    """Gemini's seeds are 32-bit integers."""
    if -INT32 <= value < INT32:
        return exact(config(seed=value))
    # Folded and not dropped, so that equal seeds still give equal answers.
    folded = value % INT32
    return approximate(config(seed=folded), "seed-folded", f"Gemini's seeds have 32 bits: {folded} stands for it")


def logprobs(value: bool, context: Context) -> Outcome:
    """Log probabilities of the chosen tokens."""
    if not value:
        return exact()
    reason = _without_logprobs(context)
    return exact(config(response_logprobs=True)) if reason is None else drop("logprobs-unavailable", reason)


def _without_logprobs(context: Context) -> str | None:
    """Return the reason why there are no log probabilities; None if there are some."""
    if not context.capabilities.logprobs:
        return "the model gives no log probabilities"
    return "Gemini gives no log probabilities in a stream" if context.request.stream else None


def top_logprobs(value: int, context: Context) -> Outcome:
    """How many alternatives for each token."""
    if not 0 <= value <= 20:
        return reject("out-of-range", "must be between 0 and 20")
    if not context.request.logprobs:
        return drop("top-logprobs-alone", "only with logprobs") if value else exact()
    reason = _without_logprobs(context)
    return exact(config(logprobs=value)) if reason is None else drop("logprobs-unavailable", reason)


def logit_bias(value: msgspec.Raw, _context: Context) -> Outcome:
    """Gemini has no biases for tokens."""
    return exact() if bytes(value) == b"{}" else drop("logit-bias-unsupported", "Gemini has no biases for tokens")
