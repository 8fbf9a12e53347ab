"""Fetches images and files that a request points to, without reaching into the operator's network (SSRF).

The address is checked when the socket of a connection is created. Checking the URL or an earlier DNS look-up would lose
to redirects, to names that change their address (DNS rebinding) and to the many spellings of an address. A name with
one forbidden address among others is refused altogether. Content is never decompressed, so no bomb can unpack.

`open_media_fetcher` imports this module only where the operator allows fetching: aiohttp takes longer to import than
any other package of the server.
"""

import asyncio
import base64
import ipaddress
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from adapter.upstream.media import Fetched, FetchError, FetchSettings
from adapter.upstream.transport.base import content_codings

MAX_REDIRECTS = 3
"""The most redirects of one fetch."""

MAX_PARALLEL = 3
"""The most fetches that run at the same time for one request."""

MAX_LOOK_UPS = 4
"""Parallel DNS look-ups, for all requests together."""

MAX_URL = 8_192
"""The most characters of a URL, redirects included."""

_UNICAST = ipaddress.ip_network("2000::/3")
"""The public internet's part of IPv6 so far (https://www.iana.org/assignments/ipv6-address-space, 2026-11-30).

Outside are loopback, private and link-local addresses, those that stand for IPv4 ones (RFC 2765, 4291, 6052, 8215),
those to discard (RFC 6666, 9780) and segment routing (RFC 9602). What is given out later is refused until it is here.
"""

_SPECIAL = [
    ipaddress.ip_network(net)
    for net in (
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "100.64.0.0/10",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
]
"""Networks that are not public, though Python 3.11 takes some for it: Azure's host, IETF protocols, 6to4, carriers,
documentation (https://www.iana.org/assignments/iana-ipv6-special-registry, 2026-11-30).
"""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_NOT_PUBLIC = "the address is not public"
_HEADERS = {"accept-encoding": "identity", "user-agent": "gemini-openai-adapter"}
_NO_ANSWER = "its server cannot be reached, or gave no valid answer"
_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif", b"qt  ": "video/quicktime"}


class _AddressRefused(OSError):
    """Connecting to this address or port is not allowed."""


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet, in whatever form it is written."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.version == 6 and ip not in _UNICAST:
        return False
    if any(ip in net for net in _SPECIAL if net.version == ip.version):
        return False
    return ip.is_global and not ip.is_multicast


def sniff(content: bytes) -> str | None:
    """Return the media type that the first bytes show; None if they are of no known one."""
    for magic, mime_type in _MAGIC:
        if content.startswith(magic):
            return mime_type
    if content[:4] == b"RIFF":
        return _RIFF.get(content[8:12])
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "video/mp4")
    return None


class ThreadedResolver(AbstractResolver):
    """Resolves names in threads of its own. Clients choose these names; if they hang, other look-ups do not."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a name (method of aiohttp's `AbstractResolver`). Raises `OSError`."""
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        addresses = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in addresses
        ]

    async def close(self) -> None:
        """Do nothing: the threads serve other requests, too."""


class _CheckedResolver(AbstractResolver):
    """Resolves names, and refuses one with any address that is not allowed."""

    def __init__(self, names: AbstractResolver, allows: Callable[[str], bool]) -> None:
        self._names = names
        self._allows = allows

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a name. Raises `OSError`."""
        addresses = await self._names.resolve(host, port, family)
        if not all(self._allows(address["host"]) for address in addresses):
            raise _AddressRefused(_NOT_PUBLIC)
        return addresses

    async def close(self) -> None:
        """Close the resolver behind this one."""
        await self._names.close()


class _BytesLeft:
    """Bytes that the files of one request may still have, shared by its fetches."""

    def __init__(self, most: int) -> None:
        self.left = most


class Fetcher:
    """Fetches files. `allows` decides about each address to connect to; `names` creates a resolver."""

    def __init__(
        self,
        settings: FetchSettings,
        allows: Callable[[str], bool] = is_public,
        names: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self.settings = settings
        self._allows = allows
        self._names = names or partial(ThreadedResolver, ThreadPoolExecutor(MAX_LOOK_UPS, "media-names"))

    async def fetch(self, urls: Iterable[str]) -> dict[str, Fetched]:
        """Fetch files; return them by URL. Equal URLs are fetched once. Raises `FetchError`."""
        distinct = list(dict.fromkeys(urls))
        if not distinct:
            return {}
        if len(distinct) > self.settings.files:
            raise FetchError(
                distinct[self.settings.files], f"at most {self.settings.files} files are fetched for one request"
            )
        slots, bytes_left = asyncio.Semaphore(MAX_PARALLEL), _BytesLeft(self.settings.bytes)
        connector = aiohttp.TCPConnector(
            limit=MAX_PARALLEL,
            socket_factory=self._open_socket,
            resolver=_CheckedResolver(self._names(), self._allows),
            use_dns_cache=False,
            force_close=True,
        )
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
        ) as session:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = {
                        url: group.create_task(self._fetch_one(session, url, slots, bytes_left)) for url in distinct
                    }
            except* FetchError as failures:
                raise failures.exceptions[0] from None
        return {url: task.result() for url, task in tasks.items()}

    def _open_socket(self, address: tuple[Any, ...]) -> socket.socket:
        """Create the socket for one address. Raises `OSError` if connecting to it is not allowed."""
        family, kind, protocol, _, target = address
        if not self._allows(target[0]):
            raise _AddressRefused(_NOT_PUBLIC)
        if target[1] not in self.settings.ports:
            raise _AddressRefused("files are not fetched from this port")
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    async def _fetch_one(
        self, session: aiohttp.ClientSession, url: str, slots: asyncio.Semaphore, bytes_left: _BytesLeft
    ) -> Fetched:
        try:
            async with slots, asyncio.timeout(self.settings.seconds):
                content = await self._get(session, url, bytes_left)
        except TimeoutError:
            raise FetchError(url, f"it took more than {self.settings.seconds:g} seconds") from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            raise FetchError(url, str(cause) if isinstance(cause, _AddressRefused) else _NO_ANSWER) from None
        mime_type = sniff(content)
        if mime_type is None:
            raise FetchError(url, "it is not an image, a sound, a video or a PDF")
        return Fetched(mime_type, base64.b64encode(content).decode())

    async def _get(self, session: aiohttp.ClientSession, url: str, bytes_left: _BytesLeft) -> bytes:
        """Get the content of a URL. Redirects are followed here, since each target must pass the same checks."""
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            self._check_url(url, at)
            async with session.get(at, allow_redirects=False, headers=_HEADERS) as response:
                if response.status in (301, 302, 303, 307, 308):
                    at = urljoin(at, response.headers.get("location", ""))
                    continue
                if response.status != 200:
                    raise FetchError(url, f"its server answered HTTP {response.status}")
                return await self._read_body(url, response, bytes_left)
        raise FetchError(url, f"its server redirected more than {MAX_REDIRECTS} times")

    def _check_url(self, url: str, at: str) -> None:
        if len(at) > MAX_URL:
            raise FetchError(url, f"the URL has more than {MAX_URL} characters")
        parts = urlsplit(at)
        allowed = ("https",) if self.settings.policy == "https" else ("http", "https")
        if parts.scheme not in allowed or parts.username is not None:
            raise FetchError(url, f"only {' and '.join(allowed)} URLs without a user name are fetched")

    async def _read_body(self, url: str, response: aiohttp.ClientResponse, bytes_left: _BytesLeft) -> bytes:
        if content_codings(response.headers.get("content-encoding", "")):
            raise FetchError(url, "its server sent it compressed, which was not asked for")
        pieces: list[bytes] = []
        async for piece in response.content.iter_any():
            pieces.append(piece)
            bytes_left.left -= len(piece)
            if bytes_left.left < 0:
                raise FetchError(url, f"the files of this request have more than {self.settings.bytes} bytes together")
        return b"".join(pieces)
