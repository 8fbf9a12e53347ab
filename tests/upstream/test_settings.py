import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.upstream import open_upstream
from adapter.upstream.errors import InvalidModelName
from adapter.upstream.model_path import MAX_NAME, model_path
from adapter.upstream.settings import UpstreamSettings, base_url
from adapter.upstream.transport.asyncio_transport import AsyncioTransport
from adapter.upstream.transport.httpx2_transport import Httpx2Transport


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com/v1beta"),
        ("https://generativelanguage.googleapis.com/", "https://generativelanguage.googleapis.com/v1beta"),
        ("https://generativelanguage.googleapis.com/v1beta/", "https://generativelanguage.googleapis.com/v1beta"),
        ("https://aiplatform.googleapis.com/v1beta1", "https://aiplatform.googleapis.com/v1beta1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://[::1]:8080/gemini", "http://[::1]:8080/gemini/v1beta"),
        ("https://relay.test/gemini/v1alpha", "https://relay.test/gemini/v1alpha"),
    ],
)
def test_a_url_gets_its_version(given, base):
    assert base_url(given) == base


@pytest.mark.parametrize(
    "url",
    ["", "relay.test", "ftp://relay.test", "http://", "http://relay.test:99999", "http://relay.test:0",
     "http://relay.test:x", "http://user:password@relay.test", "https://relay.test/v1?key=secret"],
)  # fmt: skip
def test_what_is_no_base_url_is_refused_without_showing_it(url):
    with pytest.raises(ValueError) as caught:
        base_url(url)
    assert "password" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_settings_do_not_show_what_is_secret():
    settings = UpstreamSettings(keys=("AIzaSecret",), headers={"x": "secret"}, proxy="http://me:secret@proxy.test")
    for text in (repr(settings), str(settings), f"{settings}"):
        assert "ecret" not in text
        assert "1 keys" in text


@pytest.mark.parametrize(("name", "kind"), [("asyncio", AsyncioTransport), ("httpx2", Httpx2Transport)])
async def test_the_setting_names_the_transport(name, kind):
    upstream = open_upstream(UpstreamSettings(http_client=name))
    assert isinstance(upstream._transport, kind)
    await upstream.aclose()


async def test_a_proxy_needs_a_library_that_speaks_to_proxies():
    upstream = open_upstream(UpstreamSettings(http_client="asyncio", proxy="http://proxy.test"))
    assert isinstance(upstream._transport, Httpx2Transport)
    await upstream.aclose()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gemini-3.5-flash", "models/gemini-3.5-flash"),
        ("models/gemini-3.5-flash", "models/gemini-3.5-flash"),
        ("tunedModels/mine-123", "tunedModels/mine-123"),
        ("publishers/google/models/gemini-3-pro", "publishers/google/models/gemini-3-pro"),
        ("google/gemini-3-pro", "models/google/gemini-3-pro"),
        ("a@b:c+d", "models/a@b:c+d"),
        ("llama3:8b-instruct-q4_K_M", "models/llama3:8b-instruct-q4_K_M"),
        ("x" * MAX_NAME, "models/" + "x" * MAX_NAME),
    ],
)
def test_a_name_becomes_a_path(name, path):
    assert model_path(name) == path


@pytest.mark.parametrize(
    "name",
    ["", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", "a..b", "a/./b", "%2e%2e", "a%2fb", "a?b", "a#b", "a b",
     "a\n", "a\r\nx", "модель", "a\\b", "a&b", "-a", ".a", "x" * (MAX_NAME + 1), "a\x00",
     "a:generateContent", "a:streamGenerateContent", "models/a:countTokens", "a:predict", "a:embedContent/b"],
)  # fmt: skip
def test_a_name_that_would_change_the_url_is_refused(name):
    with pytest.raises(InvalidModelName) as caught:
        model_path(name)
    assert caught.value.status == 404


@given(st.text())
def test_whatever_passes_is_safe(name):
    try:
        path = model_path(name)
    except InvalidModelName:
        return
    assert not set(path) & set("?#%\\ \r\n\t")
    assert ".." not in path
    assert path.isascii()
