"""Client keys as the code compares and keeps them; over HTTP they are in tests/faults/test_bad_keys.py."""

import hashlib

import pytest

from adapter.server import access
from adapter.server.access import Access
from adapter.settings import Settings


def scope(*headers):
    return {"type": "http", "headers": list(headers), "query_string": b""}


def test_every_key_is_compared_whole_whichever_is_right(monkeypatch):
    compared = []
    real = access.compare_digest
    monkeypatch.setattr(access, "compare_digest", lambda *both: compared.append(both) or real(*both))
    keys = tuple(f"key-{number}" for number in range(5))
    guard = Access(Settings(client_keys=keys))
    for sent in (*keys, "wrong", ""):
        compared.clear()
        try:
            guard.client(scope((b"authorization", f"Bearer {sent}".encode())))
        except access.AccessDenied:
            assert sent not in keys
        assert [len(known) for _, known in compared] == [32] * 5
        assert {len(digest) for digest, _ in compared} == {32}


def test_what_is_kept_for_a_client_is_kept_under_the_whole_digest_of_its_key():
    guard = Access(Settings(client_keys=("right",)))
    client = guard.client(scope((b"authorization", b"Bearer right")))
    assert client.id == hashlib.sha256(b"right").hexdigest()
    assert "right" not in repr(client).replace(client.id, "")


@pytest.mark.parametrize("sent", [(), ((b"authorization", b"Bearer "),), ((b"api-key", b""),)])
def test_a_hash_of_nothing_lets_nobody_in(sent):
    guard = Access(Settings(client_keys=("sha256:" + hashlib.sha256(b"").hexdigest(),)))
    with pytest.raises(access.AccessDenied):
        guard.client(scope(*sent))
