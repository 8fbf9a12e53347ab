"""`usageMetadata`: zero counters are left out, the total is the sum."""

from collections.abc import Iterable
from typing import Any

from adapter.emulator.core.conversation import Part, Request, generation_config
from adapter.emulator.core.models import Model
from adapter.emulator.core.tokens import BYTES_PER_TOKEN, details, modality, prompt_tokens, structure_tokens
from adapter.emulator.generation.media import SAMPLE_RATE

THOUGHTS = {"MINIMAL": 0, "LOW": 16, "MEDIUM": 32, "HIGH": 64, "XHIGH": 96}
"""Tokens that the emulator thinks at each level."""

DYNAMIC_THOUGHTS = 32
AUDIO_TOKENS_PER_SECOND = 25


def thought_tokens(request: Request, model: Model) -> int:
    """Return how long this model thinks about this request."""
    config = generation_config(request).get("thinkingConfig", {})
    budget = config.get("thinkingBudget")
    if model.thinking == "none" or budget == 0:
        return 0
    if budget is not None:
        return DYNAMIC_THOUGHTS if budget < 0 else min(budget, DYNAMIC_THOUGHTS)
    if model.thinking == "budget":
        return DYNAMIC_THOUGHTS if model.thinks_by_default or config.get("includeThoughts") else 0
    level = config.get("thinkingLevel") or model.default_level
    return THOUGHTS.get(level, THOUGHTS[model.default_level])


class Tally:
    """The tokens of an answer by modality, counted as it grows; thoughts are counted elsewhere."""

    def __init__(self, model: Model, parts: Iterable[Part] = ()) -> None:
        self.model = model
        self.text_bytes = 0
        self.structures = 0
        self.made: dict[str, int] = {}
        self.add(parts)

    def add(self, parts: Iterable[Part]) -> None:
        """Count further parts; a text in pieces costs as much as in one."""
        for part in parts:
            if "inlineData" in part:
                kind = modality(part["inlineData"]["mimeType"])
                self.made[kind] = self.made.get(kind, 0) + count_units(part["inlineData"]["data"], kind, self.model)
            elif not part.get("thought"):
                text = part.get("text", "") + part.get("audioTranscription", {}).get("text", "")
                self.text_bytes += len(text.encode())
                self.structures += structure_tokens(part)

    def counts(self) -> dict[str, int]:
        """Return the tokens by modality, text first."""
        made = {kind: units if kind == "IMAGE" else sound_tokens(units) for kind, units in self.made.items()}
        return {"TEXT": -(-self.text_bytes // BYTES_PER_TOKEN) + self.structures, **made}


def count_units(data: bytes, kind: str, model: Model) -> int:
    """Return the tokens of a picture, or the bytes of a sound, which may come in pieces that are counted together."""
    return model.image_tokens if kind == "IMAGE" else len(data)


def sound_tokens(size: int) -> int:
    """Return the tokens of a sound, by its bytes."""
    return max(1, size * AUDIO_TOKENS_PER_SECOND // (2 * SAMPLE_RATE))


class Usage:
    """The counters of one request; `metadata` may be asked again as the answer grows."""

    def __init__(self, request: Request, model: Model, thoughts: int) -> None:
        self.prompt = prompt_tokens(request, model)
        self.thoughts = thoughts
        self.tier = str(request.get("serviceTier") or "standard").replace("unspecified", "standard")

    def metadata(self, counts: dict[str, int]) -> dict[str, Any]:
        """Return `usageMetadata` for the parts that were counted so far."""
        prompt, answer = sum(self.prompt.values()), sum(counts.values())
        numbers = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": answer,
            "totalTokenCount": prompt + answer + self.thoughts,
        }
        usage: dict[str, Any] = {name: number for name, number in numbers.items() if number}
        usage["promptTokensDetails"] = details(self.prompt)
        if len(counts) > 1:
            usage["candidatesTokensDetails"] = details(counts)
        if self.thoughts:
            usage["thoughtsTokenCount"] = self.thoughts
        return usage | {"serviceTier": self.tier}
