"""The size of the tests: small with the test command, everything in `.ci/run`.

`TEST_SIZE=large` tries all recorded traffic, many more examples of hypothesis, and all cases over HTTP.
Otherwise a seeded tenth is tried, the same one in every run.
"""

import os
from collections.abc import Sequence
from random import Random
from typing import TypeVar

IS_LARGE = os.environ.get("TEST_SIZE") == "large"

EXAMPLES = 500 if IS_LARGE else 20
"""The number of examples that hypothesis tries per test."""

T = TypeVar("T")


def is_drawn(name: str) -> bool:
    """Return whether this run tries something; a tenth of all things is tried in every run."""
    return IS_LARGE or Random(name).random() < 0.1


def tenth(items: Sequence[T]) -> list[T]:
    """Return a seeded tenth of some things, at least one; in a large run all of them."""
    return list(items) if IS_LARGE else Random(0).sample(items, max(1, len(items) // 10))
