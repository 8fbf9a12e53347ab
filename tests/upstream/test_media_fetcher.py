"""Fetching media: what is fetched, and what never is."""

import asyncio
import base64
import gzip
import socket
import threading
from contextlib import suppress
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from adapter.upstream.media import FetchError, FetchSettings
from adapter.upstream.media_fetcher import MAX_REDIRECTS, MAX_URL, Fetcher, is_public, sniff
from tests.support.guards import PATIENCE

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100


EVERY = frozenset(range(1, 65_536))


class Server:
    """Answers a path with what a test gave it."""

    port, url = 0, ""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.heads = []
        self.tasks = []

    async def serve(self, reader, writer):
        self.tasks.append(asyncio.current_task())
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        self.asked.append(path)
        self.heads.append(head)
        answer = self.answers.get(path, (404, b"", {}))
        if answer == "hang":
            await asyncio.sleep(30)
        if callable(answer):
            await answer(writer)
            return
        status, body, headers = answer
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)
        await writer.drain()


@pytest.fixture
async def server():
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    made.url = f"http://127.0.0.1:{made.port}"
    yield made
    listening.close()
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


def fetcher(**given):
    """A fetcher that takes the loopback for a public address, and its ports for those of the web."""
    return Fetcher(FetchSettings(**{"policy": "on", "ports": EVERY, **given}), allows=lambda _: True)


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
    with pytest.raises(FetchError, match="redirected"):
        await fetcher().fetch([f"{server.url}/loop"])
    assert server.asked.count("/loop") == MAX_REDIRECTS + 1


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "another status": ((404, b"", {}), {}, "HTTP 404"),
    "too large": ((200, PNG, {}), {"bytes": 50}, "50 bytes"),
    "packed": ((200, gzip.compress(PNG * 10_000), {"content-encoding": "gzip"}), {}, "compressed"),
    "a page that is not there": ((404, b"root:x:0:0", {}), {}, "HTTP 404"),
    "no media": ((200, b"<html>", {"content-type": "image/png"}), {}, "not an image"),
    "a redirect to a file": ((302, b"", {"location": "file:///etc/passwd"}), {}, "only http"),
    "a redirect to a local name": ((302, b"", {"location": "http://user@localhost/"}), {}, "only http"),
    "a redirect to nowhere": ((302, b"", {"location": "http://[x"}), {}, "cannot be reached"),
    "too slow": ("hang", {"seconds": 0.2}, "seconds"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_used_is_told(server, name):
    answer, given, reason = REFUSED[name]
    server.answers["/x"] = answer
    with pytest.raises(FetchError, match=reason) as caught:
        await fetcher(**given).fetch([f"{server.url}/x"])
    assert "root" not in str(caught.value)


async def endless(writer):
    """A body without a length that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + PNG)
    with suppress(ConnectionError):
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()


async def dripping(writer):
    """A byte now and then."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with suppress(ConnectionError):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)


async def lying(writer):
    """Less than was said."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + PNG)


async def nonsense(writer):
    """No HTTP."""
    writer.write(b"SSH-2.0-OpenSSH_9.9 secret\r\n\r\n")


async def long_head(writer):
    """A head that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    with suppress(ConnectionError):
        while True:
            writer.write(b"x: " + b"x" * 65_536 + b"\r\n")
            await writer.drain()


HOSTS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "endless": (endless, {"bytes": 1_000_000}, "more than 1000000 bytes"),
    "dripping": (dripping, {"seconds": 0.3}, "seconds"),
    "lying": (lying, {}, "its server cannot be reached, or gave no valid answer"),
    "nonsense": (nonsense, {}, "its server cannot be reached, or gave no valid answer"),
    "a long head": (long_head, {}, "its server cannot be reached, or gave no valid answer"),
}


@pytest.mark.parametrize("name", HOSTS)
async def test_a_host_that_misbehaves_costs_no_more_than_the_limits(server, name):
    answer, given, reason = HOSTS[name]
    server.answers["/x"] = answer
    with pytest.raises(FetchError, match=reason) as caught:
        await fetcher(**given).fetch([f"{server.url}/x"])
    assert "secret" not in str(caught.value)


async def test_files_up_to_the_limits_together_are_fetched_and_not_one_byte_or_file_more(server):
    urls = [f"{server.url}/{number}" for number in range(3)]
    server.answers = {f"/{number}": (200, PNG, {}) for number in range(3)}
    assert len(await fetcher(bytes=3 * len(PNG), files=3).fetch(urls)) == 3
    with pytest.raises(FetchError, match="more than"):
        await fetcher(bytes=3 * len(PNG) - 1).fetch(urls)
    server.asked.clear()
    with pytest.raises(FetchError, match="at most 2 files"):
        await fetcher(files=2).fetch(urls)
    assert server.asked == []


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
    with pytest.raises(FetchError, match=r"not public|cannot be reached"):
        await Fetcher(FetchSettings(policy="on", ports=EVERY)).fetch([f"http://{host}:{server.port}/x"])
    assert server.asked == []


async def test_a_redirect_to_a_private_address_is_refused_too(server):
    server.answers["/x"] = (302, b"", {"location": "http://169.254.169.254/latest/meta-data"})
    checked = []

    def allows(address):
        checked.append(address)
        return address == "127.0.0.1"

    with pytest.raises(FetchError, match="not public"):
        await Fetcher(FetchSettings(policy="on", ports=EVERY), allows=allows).fetch([f"{server.url}/x"])
    assert checked == ["127.0.0.1", "169.254.169.254"]


async def test_a_url_may_be_so_long_and_no_longer(server):
    url = f"{server.url}/"
    longest = url + "x" * (MAX_URL - len(url))
    server.answers[longest.removeprefix(server.url)] = (200, PNG, {})
    assert await fetcher().fetch([longest])
    with pytest.raises(FetchError, match="characters"):
        await fetcher().fetch([longest + "x"])
    assert len(server.asked) == 1


async def test_other_ports_than_those_of_the_web_are_other_services(server):
    server.answers["/x"] = (200, PNG, {})
    with pytest.raises(FetchError, match="this port"):
        await fetcher(ports=FetchSettings().ports).fetch([f"{server.url}/x"])
    assert server.asked == []


class Table(AbstractResolver):
    """Names and their addresses, one list after the other each time they are asked for."""

    def __init__(self, port, *answers):
        self.port = port
        self.answers = list(answers)

    async def resolve(self, host, port=0, family=socket.AF_INET):
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        common = {"hostname": host, "port": self.port, "family": family, "proto": 0, "flags": 0}
        return [{**common, "host": address} for address in addresses]

    async def close(self):
        pass


@pytest.fixture
async def connected_addresses(monkeypatch):
    """Record the addresses of all connections."""
    loop = asyncio.get_running_loop()
    seen = []
    real = loop.sock_connect

    async def connect(plain, address):
        seen.append(address[0])
        await real(plain, address)

    monkeypatch.setattr(loop, "sock_connect", connect)
    return seen


def only_loopback_1(address):
    return address == "127.0.0.1"


async def test_a_name_with_a_private_address_beside_a_public_one_is_refused(server, connected_addresses):
    server.answers["/x"] = (200, PNG, {})
    table = Table(server.port, ["127.0.0.1", "127.0.0.2"])
    settings = FetchSettings(policy="on", ports=EVERY)
    with pytest.raises(FetchError, match="not public"):
        await Fetcher(settings, allows=only_loopback_1, names=lambda: table).fetch([f"http://a.test:{server.port}/x"])
    assert connected_addresses == []


async def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked(server, connected_addresses):
    server.answers["/x"] = (302, b"", {"location": "/y"})
    server.answers["/y"] = (200, PNG, {})
    table = Table(server.port, ["127.0.0.1"], ["127.0.0.2"])
    settings = FetchSettings(policy="on", ports=EVERY)
    with pytest.raises(FetchError, match="not public"):
        await Fetcher(settings, allows=only_loopback_1, names=lambda: table).fetch([f"http://a.test:{server.port}/x"])
    assert (connected_addresses, server.asked) == (["127.0.0.1"], ["/x"])


async def test_no_cookie_and_no_key_is_sent_and_none_is_kept(server):
    heads = []

    async def remembers(writer):
        heads.append(server.heads[-1])
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: %d\r\n\r\n" % len(PNG) + PNG)

    server.answers = {"/x": remembers, "/y": remembers}
    one = fetcher()
    for path in ("/x", "/y"):
        await one.fetch([server.url + path])
    for head in heads:
        names = {line.partition(":")[0].lower() for line in head.split("\r\n")[1:] if line}
        assert names == {"host", "accept", "accept-encoding", "user-agent", "connection"}


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fec0::1", "ff02::1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "2001::1",
    "64:ff9b:1::a9fe:a9fe", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "fd00:ec2::254",
    "::ffff:169.254.169.254", "::ffff:127.0.0.1", "::ffff:168.63.129.16", "100::1", "2001:db8::1", "100.64.0.1",
    "192.0.0.170", "0.0.0.1", "172.31.255.255", "ff00::1", "fdff::1", "febf::1", "::ffff:0:127.0.0.1", "5f00::1",
    "3fff::1", "3fff:fff::1", "100:0:0:1::1", "4000::1", "1fff::1", "192.88.99.1", "2001:20::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "168.63.129.17",
    ],
)
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


async def test_names_that_hang_delay_no_look_up_of_the_servers(monkeypatch):
    """A client chooses these names; the upstream's own is looked up in the event loop's threads (32 at most)."""
    look_up, go_on = socket.getaddrinfo, threading.Event()

    def hangs(host, *arguments, **options):
        if str(host).endswith(".hangs.test"):
            go_on.wait(PATIENCE)
        return look_up("127.0.0.1" if str(host).endswith(".test") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    one = Fetcher(FetchSettings(policy="on", seconds=0.5, files=64))
    fetching = [asyncio.create_task(one.fetch([f"https://{n}-{m}.hangs.test/x" for m in range(3)])) for n in range(40)]
    await asyncio.sleep(0.2)
    try:
        async with asyncio.timeout(PATIENCE / 2):
            assert await asyncio.get_running_loop().getaddrinfo("upstream.test", 443)
        ended = await asyncio.gather(*fetching, return_exceptions=True)
    finally:
        go_on.set()
    assert {type(error) for error in ended} == {FetchError}
