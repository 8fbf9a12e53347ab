"""Decisions: probabilities that depend on the question and the input alone."""

import hashlib
import json
import random
import re
from typing import Any

LEAST, MOST = 0.01, 0.99
BLOCKS = {
    "blocked": "safety",
    "blocked-other": "other",
    "blocked-blocklist": "blocklist",
    "blocked-prohibited-content": "prohibited_content",
    "blocked-image-safety": "image_safety",
}
"""Faults that block the whole input, and the reason that is told."""

WORD = re.compile(r"\w{4,}")


def decide(body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a body that has been checked."""
    about = _texts(body["input"])
    answers = {name: _answer(question, about) for name, question in body["questions"].items()}
    question_words = sum(len(_texts(question["instructions"]).split()) for question in body["questions"].values())
    tokens = len(about.split()) + question_words
    return {"answers": answers, "usage": usage(tokens)}


def block(reason: str) -> dict[str, Any]:
    """Return the answer to an input that is blocked."""
    return {"prompt_feedback": {"block_reason": reason}, "usage": usage(0)}


def usage(tokens: int) -> dict[str, Any]:
    """Return the usage: tokens are read, and none are written."""
    return {"total_input_tokens": tokens, "total_output_tokens": 0, "total_tokens": tokens}


def _texts(value: Any) -> str:
    """Join the texts; of media take their JSON, which differs where they do."""
    blocks = value if isinstance(value, list) else [value]
    return " ".join(
        one if isinstance(one, str) else one.get("text") or json.dumps(one, sort_keys=True) for one in blocks
    )


def _answer(question: dict[str, Any], about: str) -> dict[str, Any]:
    instructions = _texts(question["instructions"])
    if question["type"] == "noul":
        sure = _sureness(instructions, about)
        return {"type": "noul", "noul": sure, "confidence": max(sure, round(1 - sure, 4))}
    criteria = question["criteria"]
    names = list(criteria) if question["type"] == "choice" else [str(level) for level in range(len(criteria))]
    odds = [_chance(f"{instructions} {name}", about) for name in names]
    chances = {name: round(one / sum(odds), 6) for name, one in zip(names, odds, strict=True)}
    best = max(chances, key=lambda name: chances[name])
    if question["type"] == "choice":
        return {"type": "choice", "choice": best, "confidence": chances[best], "probabilities": chances}
    score = sum(level * chances[name] for level, name in enumerate(names))
    legend = dict(zip(names, criteria, strict=True))
    return {
        "type": "score",
        "score": round(score, 6),
        "confidence": chances[best],
        "probabilities": chances,
        "legend": legend,
    }


def _sureness(instructions: str, about: str) -> float:
    """Return a high probability if the evidence has a longer word of the question, else a low one."""
    words = set(WORD.findall(about.lower()))
    if words & set(WORD.findall(instructions.lower())):
        return min(MOST, round(0.9 + _chance(instructions, about) / 10, 4))
    return max(LEAST, round(_chance(instructions, about) / 10, 4))


def _chance(question: str, about: str) -> float:
    """Return a probability between 0 and 1, never exactly either."""
    seed = hashlib.sha256(f"{question}\0{about}".encode("utf-8", "surrogatepass")).digest()
    return 0.001 + 0.998 * random.Random(seed).random()
