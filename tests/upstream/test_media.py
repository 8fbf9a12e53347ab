"""Fetching media: what is fetched, and what never is."""

import asyncio
import base64

import pytest

from adapter.upstream.media import MAX_REDIRECTS, Fetcher, FetchError, FetchSettings, is_public, sniff

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100


class Server:
    """Answers a path with what a test gave it."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.tasks = []

    async def connected(self, reader, writer):
        self.tasks.append(asyncio.current_task())
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        self.asked.append(path)
        answer = self.answers.get(path, (404, b"", {}))
        if answer == "hang":
            await asyncio.sleep(30)
        status, body, headers = answer
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)
        await writer.drain()


@pytest.fixture
async def server():
    made = Server()
    listening = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    listening.close()
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


def fetcher(**given):
    """A fetcher that takes the loopback for a public address."""
    return Fetcher(FetchSettings(**{"policy": "on", **given}), allows=lambda _: True)


async def test_a_file_comes_with_the_type_of_its_content_and_once_for_equal_urls(server):
    server.answers["/a.jpg"] = (200, PNG, {"content-type": "image/jpeg"})
    url = f"{server.url}/a.jpg"
    found = await fetcher().fetch([url, url])
    assert found == {url: ("image/png", base64.b64encode(PNG).decode())}
    assert server.asked == ["/a.jpg"]
    assert await fetcher().fetch([]) == {}


async def test_redirects_are_followed_a_few_times(server):
    server.answers["/0"] = (302, b"", {"location": "/1"})
    server.answers["/1"] = (307, b"", {"location": f"{server.url}/2"})
    server.answers["/2"] = (200, PNG, {})
    assert list(await fetcher().fetch([f"{server.url}/0"]))
    server.answers["/loop"] = (302, b"", {"location": "/loop"})
    with pytest.raises(FetchError, match="redirects"):
        await fetcher().fetch([f"{server.url}/loop"])
    assert server.asked.count("/loop") == MAX_REDIRECTS + 1


REFUSED = {
    "another status": ((404, b"", {}), {}, "HTTP 404"),
    "too large": ((200, PNG, {}), {"bytes": 50}, "50 bytes"),
    "no media": ((200, b"<html>", {"content-type": "image/png"}), {}, "no image"),
    "a redirect to a file": ((302, b"", {"location": "file:///etc/passwd"}), {}, "only http"),
    "a redirect to nowhere": ((302, b"", {"location": "http://[x"}), {}, "no connection"),
    "too slow": ("hang", {"seconds": 0.2}, "seconds"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_used_is_told(server, name):
    answer, given, reason = REFUSED[name]
    server.answers["/x"] = answer
    with pytest.raises(FetchError, match=reason):
        await fetcher(**given).fetch([f"{server.url}/x"])


@pytest.mark.parametrize(
    "url", ["http://{}/x", "ftp://{}/x", "https://user@{}/x"], ids=["plain http", "another scheme", "a user name"]
)
async def test_only_https_is_fetched_unless_http_is_allowed_too(server, url):
    with pytest.raises(FetchError, match="only https"):
        await fetcher(policy="https").fetch([url.format(server.url.removeprefix("http://"))])
    assert server.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"])
async def test_the_machine_itself_is_never_asked(server, host):
    server.answers["/x"] = (200, PNG, {})
    port = server.url.rpartition(":")[2]
    with pytest.raises(FetchError, match=r"not public|no connection"):
        await Fetcher(FetchSettings(policy="on")).fetch([f"http://{host}:{port}/x"])
    assert server.asked == []


async def test_a_redirect_to_a_private_address_is_refused_too(server):
    server.answers["/x"] = (302, b"", {"location": "http://169.254.169.254/latest/meta-data"})
    checked = []

    def allows(address):
        checked.append(address)
        return address == "127.0.0.1"

    with pytest.raises(FetchError, match="not public"):
        await Fetcher(FetchSettings(policy="on"), allows=allows).fetch([f"{server.url}/x"])
    assert checked == ["127.0.0.1", "169.254.169.254"]


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fec0::1", "ff02::1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "2001::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_that_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"RIFF\0\0\0\0XXXX", None),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"%PDF-1.7", "application/pdf"),
        (b"hello", None),
        (b"", None),
    ],
)
def test_types_are_told_by_the_first_bytes(content, mime_type):
    assert sniff(content) == mime_type
