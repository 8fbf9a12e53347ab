"""Unique ids. They grant no access, so they need not be unguessable."""

import random
import secrets

_random = random.Random(secrets.token_bytes(32))
"""Seeded once: asking the system for each name costs more than a small translation."""


def new_id(prefix: str, size: int = 24) -> str:
    """Return a prefix and `size` hexadecimal digits, an even number of them."""
    return prefix + _random.getrandbits(4 * size).to_bytes(size // 2).hex()
