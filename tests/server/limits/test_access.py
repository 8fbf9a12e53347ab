"""Client keys: kept as hashes, all compared whichever matches, read from where clients put them."""

import base64
import contextlib
import hashlib

import msgspec
import pytest

from adapter.server.limits import access
from adapter.server.limits.access import ANONYMOUS, Access, AccessDenied, ModelDenied
from adapter.settings import Settings, load

ENVIRONMENT = {
    "GEMINI_API_KEY": "any",
    "ADAPTER_CLIENT_KEYS": "key-one,key-two",
    "ADAPTER_CLIENTS": '[{"name": "c", "key": "key-three", "models": ["gemini-3.5-*"]}]',
}


RELAY = '[{"upstream_url": "https://relay.example", "upstream_keys": "relays"}]'


def request(*headers):
    encode_headers = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http", "headers": encode_headers, "query_string": b""}


def bearer(key):
    return request(("authorization", f"Bearer {key}"))


@pytest.fixture
def gate():
    return Access(load({}, ENVIRONMENT))


def test_keys_are_kept_as_hashes():
    settings = load({}, ENVIRONMENT)
    for kept in (msgspec.json.encode(settings).decode(), repr(settings), repr(vars(Access(settings)))):
        assert not any(key in kept for key in ("key-one", "key-two", "key-three"))


@pytest.mark.parametrize("key", ["key-one", "key-two", "key-three", "wrong", "", "x" * 10_000])
def test_every_key_costs_the_same_comparisons(gate, key, monkeypatch):
    compared = []

    def counting(one, other):
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(access, "compare_digest", counting)
    with contextlib.suppress(AccessDenied):
        gate.client(bearer(key))
    assert compared == [(32, 32)] * 3


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer key-one")],
        [("authorization", "bearer   key-one ")],
        [("api-key", "key-one")],
        [("x-goog-api-key", "key-one")],
    ],
)
def test_a_key_is_found_where_clients_put_it(gate, headers):
    assert gate.client(request(*headers)).id == gate.client(bearer("key-one")).id


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "Bearer ")],
        [("authorization", "key-one")],
        [("authorization", "Basic a2V5LW9uZQ==")],
        [("authorization", "Bearer wrong"), ("api-key", "key-one")],
        [("cookie", "key=key-one")],
        [("authorization", "Bearer sha256:" + "0" * 64)],
    ],
)
def test_whoever_has_none_is_refused(gate, headers):
    with pytest.raises(AccessDenied):
        gate.client(request(*headers))


def test_a_digest_is_no_key():
    settings = load({}, ENVIRONMENT)
    with pytest.raises(AccessDenied):
        Access(settings).client(bearer(settings.client_keys[0]))
    with pytest.raises(AccessDenied):
        Access(settings).client(bearer(settings.client_keys[0].removeprefix("sha256:")))


def test_a_browser_sends_its_key_as_a_password(gate):
    password = base64.b64encode(b"me:key-one").decode()
    assert gate.viewer(request(("authorization", f"Basic {password}"))).id == gate.client(bearer("key-one")).id


def test_clients_are_told_apart_and_none_by_its_key(gate):
    ids = {gate.client(bearer(key)).id for key in ("key-one", "key-two", "key-three")}
    assert len(ids) == 3
    assert not any("key" in one for one in ids)


def test_a_client_names_the_models_on_its_list_alone(gate):
    client = gate.client(bearer("key-three"))
    client.check("models/gemini-3.5-flash")
    with pytest.raises(ModelDenied):
        client.check("gemini-3.8-pro")
    gate.client(bearer("key-one")).check("gemini-3.8-pro")


def test_where_no_keys_are_set_everybody_is_one():
    open_to_all = Access(load({}, {}))
    assert open_to_all.client(bearer("whatever")) is ANONYMOUS
    assert ANONYMOUS.key is None


def test_a_callers_own_key_is_wanted_and_kept_apart_by_its_hash():
    passing = Access(load({"upstream_auth": "caller"}, {}))
    client = passing.client(bearer("own-key"))
    assert client.key == "own-key"
    assert "own" not in client.id
    with pytest.raises(AccessDenied):
        passing.client(request())


def test_a_callers_own_key_may_have_to_be_on_the_list():
    passing = Access(load({"upstream_auth": "caller", "client_keys": "own-key"}, {}))
    assert passing.client(bearer("own-key")).key == "own-key"
    with pytest.raises(AccessDenied):
        passing.client(bearer("another"))


def test_replaced_keys_hold_from_then_on(gate):
    gate.replace(load({"client_keys": "new"}, ENVIRONMENT))
    assert gate.client(bearer("new"))
    with pytest.raises(AccessDenied):
        gate.client(bearer("key-one"))


def test_keys_of_the_upstream_stay_secret_when_they_are_replaced():
    access = Access(load({"upstream_keys": "first", "fallback_upstreams": RELAY}, {}))
    access.replace(load({"upstream_keys": "second"}, {}))
    assert access.secrets == {"first", "second", "relays"}


def test_the_host_of_a_relay_is_secret_where_it_was_given_another_name():
    named = load({"upstream_url": "https://relay.example", "upstream_name": "the relay", "upstream_keys": "first"}, {})
    assert Access(named).secrets == {"first", "relay.example"}


def test_what_is_kept_for_a_client_is_kept_under_the_whole_digest_of_its_key(gate):
    assert gate.client(bearer("key-one")).id == hashlib.sha256(b"key-one").hexdigest()


@pytest.mark.parametrize("headers", [[], [("authorization", "Bearer ")], [("api-key", "")]])
def test_a_hash_of_nothing_lets_nobody_in(headers):
    guard = Access(Settings(client_keys=("sha256:" + hashlib.sha256(b"").hexdigest(),)))
    with pytest.raises(AccessDenied):
        guard.client(request(*headers))
