"""An emulator without HTTP, one behind an ASGI transport, and one on a real port."""

import datetime
from collections.abc import Iterator

import pytest

from adapter.emulator import EmulatorSettings
from tests.emulator.serving import serve


@pytest.fixture(scope="session")
def live() -> Iterator[str]:
    """The address of an emulator on an ephemeral port."""
    yield from serve(EmulatorSettings(clock=before_any_shutdown))


@pytest.fixture
def slow() -> Iterator[str]:
    """The same with a pause between chunks."""
    yield from serve(EmulatorSettings(chunk_delay=0.15))


def before_any_shutdown() -> float:
    """A moment at which every model of the table was served."""
    return datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC).timestamp()
