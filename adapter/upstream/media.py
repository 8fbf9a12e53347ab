"""Fetching what a request points to, without letting it point at this machine or its neighbours.

The check is made on the very address of each connection, when its socket is made: a check of the URL or of an earlier
look-up loses to redirects, to names that change their address, and to the many spellings of an address.
"""

import asyncio
import base64
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

Policy = Literal["off", "https", "on"]

MAX_REDIRECTS = 3
AT_ONCE = 4

_EMBEDDED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")]
"""IPv6 networks whose addresses stand for IPv4 ones (RFC 6052, 8215, 3056, 4380, 4291): all refused."""

_SPECIAL = [ipaddress.ip_network(net) for net in ("168.63.129.16/32", "192.0.0.0/24", "100.64.0.0/10", "fec0::/10")]
"""Networks that count as public and are not: Azure's host, IETF protocols, carriers, and old site-local ones."""

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
_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif", b"qt  ": "video/quicktime"}


class FetchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be fetched. `bytes` bounds one file, `seconds` one fetch with its redirects."""

    policy: Policy = "off"
    bytes: int = 20 * 1024 * 1024
    seconds: float = 20.0


class Fetched(NamedTuple):
    """A file: its type by its first bytes, its content as base64."""

    mime_type: str
    data: str


class FetchError(Exception):
    """A URL that could not, or may not, be fetched. The text does not say what is at an address that is refused."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url[:200]} was not fetched: {reason}.")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, in any of its spellings."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if any(ip in net for net in (*_EMBEDDED, *_SPECIAL) if net.version == ip.version):
        return False
    return ip.is_global and not ip.is_multicast


def sniff(content: bytes) -> str | None:
    """The media type by the first bytes; None for what is not a known kind of media."""
    for magic, mime_type in _MAGIC:
        if content.startswith(magic):
            return mime_type
    if content[:4] == b"RIFF":
        return _RIFF.get(content[8:12])
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "video/mp4")
    return None


class Fetcher:
    """Fetches files. `allows` judges each address that is to be connected to."""

    def __init__(self, settings: FetchSettings, allows: Callable[[str], bool] = is_public) -> None:
        self.settings = settings
        self._allows = allows

    async def fetch(self, urls: Iterable[str]) -> dict[str, Fetched]:
        """The files, by URL; equal URLs are fetched once. Raises `FetchError`."""
        distinct = list(dict.fromkeys(urls))
        if not distinct:
            return {}
        places = asyncio.Semaphore(AT_ONCE)
        connector = aiohttp.TCPConnector(
            limit=AT_ONCE, socket_factory=self._socket, use_dns_cache=False, force_close=True
        )
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        ) as session:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = {url: group.create_task(self._one(session, url, places)) for url in distinct}
            except* FetchError as failures:
                raise failures.exceptions[0] from None
        return {url: task.result() for url, task in tasks.items()}

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for one address, if it may be connected to."""
        family, kind, protocol, _, target = address
        if not self._allows(target[0]):
            raise PermissionError("the address is not public")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    async def _one(self, session: aiohttp.ClientSession, url: str, places: asyncio.Semaphore) -> Fetched:
        try:
            async with places, asyncio.timeout(self.settings.seconds):
                content = await self._content(session, url)
        except TimeoutError:
            raise FetchError(url, f"it took more than {self.settings.seconds:g} seconds") from None
        except PermissionError as error:
            raise FetchError(url, str(error)) from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            refused = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, PermissionError)
            raise FetchError(url, "the address is not public" if refused else "no connection, or no answer") from None
        mime_type = sniff(content)
        if mime_type is None:
            raise FetchError(url, "it is no image, sound, video or PDF")
        return Fetched(mime_type, base64.b64encode(content).decode())

    async def _content(self, session: aiohttp.ClientSession, url: str) -> bytes:
        """What is at the URL, after redirects, each of which is checked like the URL itself."""
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            self._check_scheme(url, at)
            async with session.get(at, allow_redirects=False, headers={"accept-encoding": "identity"}) as response:
                if response.status in (301, 302, 303, 307, 308):
                    at = urljoin(at, response.headers.get("location", ""))
                    continue
                if response.status != 200:
                    raise FetchError(url, f"HTTP {response.status}")
                return await self._read(url, response)
        raise FetchError(url, f"more than {MAX_REDIRECTS} redirects")

    def _check_scheme(self, url: str, at: str) -> None:
        parts = urlsplit(at)
        allowed = ("https",) if self.settings.policy == "https" else ("http", "https")
        if parts.scheme not in allowed or parts.username is not None:
            raise FetchError(url, f"only {' and '.join(allowed)} URLs without a user name are fetched")

    async def _read(self, url: str, response: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            if size > self.settings.bytes:
                raise FetchError(url, f"it has more than {self.settings.bytes} bytes")
        return b"".join(pieces)
