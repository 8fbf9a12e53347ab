"""The owners of the names that Gemini gave: files, caches, batches, interactions.

Gemini knows only this server's keys, so what it keeps under one of them would be open to every client that is served
with it. Here each name is kept under the client whose request made it, with the key of the pool that Gemini was asked
with: another key is another project, which does not know the name.
"""

from collections.abc import Collection

from adapter.server.state.not_stored import NotStored
from adapter.store import DocumentStore
from adapter.store.documents.base import Document

_PREFIX = "gemini:"
_UPLOAD = "gemini-upload:"


class NameOwners:
    """Records and finds owners. A name is forgotten after `max_age` seconds."""

    def __init__(self, documents: DocumentStore, max_age: float) -> None:
        self._documents = documents
        self._max_age = max_age

    async def record(self, names: Collection[str], client: str, pin: str) -> None:
        """Remember that a client's request made these names, with the key `pin`."""
        if names:
            documents = [Document(f"{_PREFIX}{name}", pin.encode()) for name in names]
            await self._documents.put(documents, client, self._max_age)

    async def find_pins(self, names: Collection[str], client: str) -> dict[str, str]:
        """Return the names that belong to the client, each with the key that made it."""
        if not names:
            return {}
        pins = await self._documents.get([f"{_PREFIX}{name}" for name in names], client)
        return {key.removeprefix(_PREFIX): pin.decode() for key, pin in pins.items()}

    async def find_pin(self, names: Collection[str], client: str, *, strictly: bool) -> str:
        """Return the key that the names were made with; "" for none.

        Raises `NotStored` for names of different keys; `strictly`: also for a name that is not the client's.
        """
        pins_by_name = await self.find_pins(names, client)
        for name in names if strictly else ():
            if name not in pins_by_name:
                raise NotStored(f"{name[:100]} does not exist, or another client has made it.")
        pins = sorted(set(pins_by_name.values()) - {""})
        if len(pins) > 1:
            first, other = (min(name for name, pin in pins_by_name.items() if pin == own) for own in pins[:2])
            text = f"{first[:100]} and {other[:100]} were made with different keys for Gemini, and no key sees both."
            raise NotStored(f"{text} Make one of them again.", status=400, code="made_with_different_keys")
        return pins[0] if pins else ""

    async def forget(self, name: str, client: str) -> None:
        """Forget a name that Gemini has deleted."""
        await self._documents.delete(f"{_PREFIX}{name}", client)

    async def record_upload(self, upload_id: str, client: str, pin: str) -> None:
        """Remember who began an upload; its bytes come with its id, and without a key."""
        begun = Document(f"{_UPLOAD}{upload_id}", f"{pin} {client}".encode())
        await self._documents.put([begun], "", self._max_age)

    async def find_upload(self, upload_id: str) -> tuple[str, str]:
        """Return the client that began an upload, and the key for it. Raises `NotStored`."""
        key = f"{_UPLOAD}{upload_id}"
        record = (await self._documents.get([key], "")).get(key)
        if record is None:
            raise NotStored("No such upload has begun here.")
        pin, _, client = record.decode().partition(" ")
        return client, pin
