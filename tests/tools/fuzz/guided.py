"""Guided by coverage: `python -m tests.tools.fuzz.guided KIND [options of libFuzzer] FOLDER`.

A file in place of the folder is seen again. `python -m tests.tools.fuzz --with atheris` runs all kinds.
"""

import sys
from pathlib import Path
from random import Random

import atheris

# What counts is the adapter's code that an input reaches, not what the emulator does with it.
with atheris.instrument_imports(include=["adapter.wire", "adapter.translate", "adapter.upstream", "adapter.server"]):
    from tests.tools.fuzz.checks import apps
    from tests.tools.fuzz.inputs import KINDS, mutate, starting

LONGEST = 30_000
"""Bytes of an input."""

BLIND = 0.3
"""The share of changes that are libFuzzer's own, which know nothing of documents."""


def another(data: bytes, largest: int, seed: int) -> bytes:
    """Return libFuzzer's next input."""
    random = Random(seed)
    made = None if random.random() < BLIND else mutate(data, random)
    return bytes(atheris.Mutate(data, largest)) if made is None else made[:largest]


def main() -> None:
    """Fuzz until libFuzzer's options say enough. Leaves with another code than 0 at the first failure."""
    program, kind, *options = sys.argv
    folder = Path(options[-1])
    if folder.is_dir():
        for number, data in enumerate(starting(kind)):
            (folder / f"seed-{number}").write_bytes(data)
    attempt = KINDS[kind]
    with apps() as asked:
        arguments = [program, f"-max_len={LONGEST}", *options]
        atheris.Setup(arguments, lambda data: attempt(asked, data), custom_mutator=another)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
