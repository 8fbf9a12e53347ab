"""Google's names for HTTP statuses, both ways."""

import pytest

from adapter.wire.gemini.errors import CODES, NAMES, status_name


@pytest.mark.parametrize(("status", "name"), [(404, "NOT_FOUND"), (429, "RESOURCE_EXHAUSTED"), (418, "UNKNOWN")])
def test_a_status_has_googles_name_or_is_unknown(status: int, name: str) -> None:
    assert status_name(status) == name


def test_each_name_stands_for_one_status() -> None:
    assert len(CODES) == len(NAMES)
    assert all(status_name(code) == name for name, code in CODES.items())
