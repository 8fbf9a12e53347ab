"""A request's body is the same in whatever pieces it arrives, and a few large pieces are joined without a buffer."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.server.http.uvicorn_protocol import SMALL_PIECE, ServerProtocol


def body_of(pieces: list[bytes]) -> bytes | bytearray:
    """Return the unread body after these pieces have arrived."""
    protocol: Any = ServerProtocol.__new__(ServerProtocol)
    protocol.parser = SimpleNamespace(should_upgrade=lambda: False)
    protocol.flow = Mock()
    protocol.cycle = SimpleNamespace(body=b"", response_complete=False, message_event=Mock())
    for piece in pieces:
        protocol.on_body(piece)
    body: bytes | bytearray = protocol.cycle.body
    return body


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=12))
def test_a_body_is_its_pieces_joined(pieces):
    assert body_of(pieces) == b"".join(pieces)


@pytest.mark.parametrize(
    ("sizes", "kind"),
    [([9], bytes), ([SMALL_PIECE * 3, 3], bytes), ([SMALL_PIECE * 3 + 1, 3], bytearray), ([1] * 9, bytearray)],
)
def test_only_small_pieces_make_a_buffer_grow(sizes, kind):
    assert type(body_of([b"x" * size for size in sizes])) is kind
