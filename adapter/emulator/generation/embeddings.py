"""Embeddings: unit vectors that depend on the words alone; texts with common words are near each other."""

import hashlib
import math
import random
import re
from collections import Counter
from functools import lru_cache

from adapter.emulator.core.conversation import Content, parts, visible_text

WORD = re.compile(r"\w+")

LONGEST_WORD = 64


def vector(content: Content, task: str, size: int) -> list[float]:
    """Return the normalised sum of a direction per word; media count as one word each, the task as half a word."""
    weights = Counter(WORD.findall(visible_text(content).lower()))
    weights.update(media_word(part["inlineData"]["data"]) for part in parts(content) if "inlineData" in part)
    terms = [(word, 1.0 + math.log(count)) for word, count in sorted(weights.items())]
    terms += [(f"task {task}", 0.5)] if task or not terms else []
    total = [0.0] * size
    for word, weight in terms:
        for index, part in enumerate(direction(word, size)):
            total[index] += weight * part
    length = math.sqrt(sum(value * value for value in total)) or 1.0
    return [round(value / length, 8) for value in total]


def media_word(data: bytes) -> str:
    """Return a stand-in word for a file."""
    return hashlib.sha256(data).hexdigest()


def direction(word: str, size: int) -> tuple[float, ...]:
    """Return a direction in space that belongs to the word; what is longer than a word is not remembered."""
    return _short_direction(word, size) if len(word) <= LONGEST_WORD else _direction(word, size)


@lru_cache(maxsize=2_000)
def _short_direction(word: str, size: int) -> tuple[float, ...]:
    return _direction(word, size)


def _direction(word: str, size: int) -> tuple[float, ...]:
    source = random.Random(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest())
    return tuple(source.gauss(0, 1) for _ in range(size))
