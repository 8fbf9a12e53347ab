"""Links to images: a link opens the image for an hour without a key, since browsers send none.

An image lies in the directory of files, under a folder that is derived from its client's id and tells nothing about it,
so that the bytes of each client's images are counted for themselves. Its name has 256 random bits.
"""

import hashlib
import re
import secrets

from adapter.server.state.not_stored import NotStored
from adapter.server.state.stored_files import StoredFiles, commit, write

LIFE = 3_600.0
"""Seconds for which a link works (OpenAI's guide on images, 2026)."""

_NAME = re.compile(r"(png|jpeg|webp)-[0-9a-f]{64}")
_FOLDER = re.compile(r"[0-9a-f]{64}")


class ImageLinks:
    """Stores images and makes links to them. `public_url` is where clients reach this server; "": no links."""

    def __init__(self, files: StoredFiles, public_url: str) -> None:
        self.are_on = bool(public_url)
        self._files = files
        self._base = f"{public_url.rstrip('/')}/v1/images/files"

    async def create(self, data: bytes, kind: str, client: str) -> str:
        """Store an image of a kind (`png`) and return the link to it. Raises `NotStored`."""
        folder = hashlib.sha256(f"links to images of {client}".encode()).hexdigest()
        name = f"{kind}-{secrets.token_hex(32)}"
        writer = await self._files.create(name, folder)
        try:
            await write(writer, data)
            await commit(writer, self._files.now() + LIFE)
        finally:
            await writer.discard()
        return f"{self._base}/{folder}/{name}"

    async def read(self, folder: str, name: str) -> tuple[bytes, str]:
        """Return an image and its media type. Raises `NotStored` if it is missing or has expired."""
        match = _NAME.fullmatch(name)
        if match is None or not _FOLDER.fullmatch(folder):
            raise _no_such_image()
        try:
            if await self._files.directory.expiry(name, folder) <= self._files.now():
                raise _no_such_image()
            data = b"".join([piece async for piece in self._files.directory.read(name, folder)])
        except FileNotFoundError:
            raise _no_such_image() from None
        return data, f"image/{match[1]}"


def _no_such_image() -> NotStored:
    return NotStored("There is no such image, or its link has expired.", code="image_not_found")
