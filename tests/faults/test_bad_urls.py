"""URLs of media that point where no client may: nothing is connected to, and with fetching off nothing is looked up."""

import asyncio

import pytest
import pytest_asyncio

from tests.faults.rows import CHAT, Row, check_refusal, post, serve
from tests.support.scripted import chat

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTS = [
    "127.0.0.1", "localhost", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "2130706433", "0x7f.1",
    "0x7f000001", "127.1", "0177.0.0.1", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[::127.0.0.1]", "[fec0::1]", "[fe80::1]", "[fc00::1]", "[ff02::1]",
    "168.63.129.16", "192.0.0.192", "100.100.100.200", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1",
    "240.0.0.1", "[fd00:ec2::254]", "[2001:db8::1]", "[100::1]", "LOCALHOST", "localhost.", "127.0.0.1.", "①②⑦.0.0.1",
]  # fmt: skip
TRICKS = [
    "http://good\\@127.0.0.1/", "http://good@127.0.0.1/", "http://good:x@127.0.0.1/", "http://127.0.0.1#@8.8.8.8/",
    "http://127.0.0.1?@8.8.8.8/", "http://127.0.0.1%00.evil/", "http://127.0.0.1%2f@8.8.8.8/", "http://127.0.0.1\t/",
    "http://127.0.0.1\n/", "http://127.0.0.1\r\nHost: evil/", "http://127.0.0.1:99999/", "http://127.0.0.1:-1/",
    "http://127.0.0.1:0/", "http://127.0.0.1:x/", "http://8.8.8.8:22/", "http://8.8.8.8:6379/", "https://8.8.8.8:80443/",
    "http:///127.0.0.1/", "http://", "https://", "http://[::1", "http://]/", "http://a b/", "http://.../", "http://-/",
    "http://" + "a" * 300 + "/", "http://\0/", "http://*/", "http://127.0.0.1/\r\nX: y", "http://ⓔvil\u3002localhost/",
]  # fmt: skip
OTHERS = [
    "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "//127.0.0.1/x", "http:x", "https:127.0.0.1",
    "http:/127.0.0.1/", "HTTP://127.0.0.1/", " http://127.0.0.1/", "jar:http://127.0.0.1/", "unix:///var/run/docker.sock",
    "javascript:alert(1)", "blob:http://127.0.0.1/x", "ws://127.0.0.1/", "127.0.0.1/x", "\\\\127.0.0.1\\x", "/x", "x",
]  # fmt: skip
URLS = [*(f"http://{host}/x.png" for host in HOSTS), *TRICKS, *OTHERS]


def asking(url, kind="image_url"):
    part = {"type": "file", "file": {"file_data": url, "filename": "x.png"}}
    if kind != "file":
        part = {"type": kind, kind: {"url": url}}
    return {**chat(), "messages": [{"role": "user", "content": [part]}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fetching():
    async with serve(fetch_media="on") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def addresses(monkeypatch):
    """Every address that something connects to, but for this machine's own servers of this test."""
    loop = asyncio.get_running_loop()
    seen = []
    real = loop.sock_connect

    async def connect(plain, address):
        if address[1] < 1_024:
            seen.append(address)
            raise ConnectionRefusedError
        await real(plain, address)

    monkeypatch.setattr(loop, "sock_connect", connect)
    return seen


@pytest.mark.parametrize("url", URLS, ids=lambda url: repr(url)[:40])
async def test_a_url_that_points_inside_is_connected_to_by_nobody(fetching, addresses, url, caplog):
    error = await check_refusal(fetching, CHAT, Row("", asking(url), "messages"), caplog)
    assert error["code"] in ("failed_to_download_image", "unsupported_value")
    assert addresses == []


@pytest.mark.parametrize("kind", ["image_url", "video_url", "document_url", "file_url", "file"])
async def test_no_kind_of_part_goes_round_the_check(fetching, addresses, kind, caplog):
    error = await check_refusal(
        fetching, CHAT, Row("", asking("http://169.254.169.254/x.png", kind), "messages"), caplog
    )
    assert error["code"] == "failed_to_download_image"
    assert addresses == []


async def test_responses_check_too(fetching, addresses):
    upstream, client = fetching
    asked = len(upstream.seen)
    for part in (
        {"type": "input_image", "image_url": "http://169.254.169.254/"},
        {"type": "input_file", "file_url": "http://169.254.169.254/"},
    ):
        body = {"model": "gemini-3.5-flash", "input": [{"role": "user", "content": [part]}]}
        response = await post(client, "/v1/responses", body)
        assert (response.status_code, response.json()["error"]["param"]) == (400, "input")
    assert len(upstream.seen) == asked
    assert addresses == []


async def test_a_public_address_would_be_connected_to(fetching, addresses):
    """The check above can fail."""
    _, client = fetching
    assert (await post(client, CHAT, asking("http://8.8.8.8/x.png"))).status_code == 400
    assert addresses == [("8.8.8.8", 80)]


async def test_with_fetching_off_no_url_is_looked_up_here(addresses, monkeypatch):
    loop, looked_up = asyncio.get_running_loop(), []
    real = loop.getaddrinfo

    async def look(host, *given, **more):
        looked_up.append(host)
        return await real(host, *given, **more)

    async with serve() as (upstream, client):
        assert (await post(client, CHAT, chat())).status_code == 200
        monkeypatch.setattr(loop, "getaddrinfo", look)
        for url in URLS:
            response = await post(client, CHAT, asking(url))
            # Gemini fetches https by itself.
            assert response.status_code == (200 if url.startswith("https://") else 400), url
        assert (await post(client, CHAT, asking("https://localhost/x.png"))).status_code == 200
        sent = upstream.seen[-1].body["contents"][0]["parts"]
        assert sent == [{"fileData": {"mimeType": "image/png", "fileUri": "https://localhost/x.png"}}]
    assert addresses == []
    assert set(looked_up) <= {"127.0.0.1"}
