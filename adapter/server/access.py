"""Who may call: client keys, kept as hashes and compared in constant time."""

from base64 import b64decode
from binascii import Error as Base64Error
from fnmatch import fnmatchcase
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from starlette.types import Scope

from adapter.server.asgi import header
from adapter.settings import KnownClient, Settings, digest_of


class ModelDenied(Exception):
    """A model that this client may not name."""


class AccessDenied(Exception):
    """A missing or wrong client key."""


class Client(NamedTuple):
    """Who called: a hash that scopes what is kept for it, and the key itself where it is passed on."""

    id: str
    key: str | None
    known: KnownClient | None = None

    def may(self, model: str) -> bool:
        """Whether this client may name a model, as OpenAI's names or Gemini's."""
        patterns = self.known.models if self.known is not None else ()
        return not patterns or any(fnmatchcase(model.removeprefix("models/"), pattern) for pattern in patterns)

    def check(self, model: str) -> None:
        """Raise `ModelDenied` for a model that this client may not name."""
        if not self.may(model):
            raise ModelDenied("The model does not exist or you do not have access to it.")


ANYBODY = Client("", None)
"""Who calls where no keys are asked for."""


class Access:
    """Checks the key of each request."""

    def __init__(self, settings: Settings) -> None:
        self.replace(settings)

    def replace(self, settings: Settings) -> None:
        """Take the keys of these settings from now on."""
        known = [*((key, None) for key in settings.client_keys), *((one.key, one) for one in settings.clients)]
        self._known = [one for _, one in known]
        self._hashes = [bytes.fromhex(digest_of(key)) for key, _ in known]
        self._passes_on = settings.upstream_auth == "caller"

    def client(self, scope: Scope) -> Client:
        """The client of a request. Raises `AccessDenied`; all keys are compared, whichever matches."""
        return self._with(sent_key(scope))

    def viewer(self, scope: Scope) -> Client:
        """Who looks at the page at /: browsers ask for a password. Raises `AccessDenied`."""
        return self._with(_password(scope) or sent_key(scope))

    def _with(self, key: str | None) -> Client:
        if not self._hashes and not self._passes_on:
            return ANYBODY
        digest = sha256((key or "").encode()).digest()
        matches = [compare_digest(digest, known) for known in self._hashes]
        if self._hashes and not any(matches):
            raise AccessDenied
        if self._passes_on and not key:
            raise AccessDenied
        known = self._known[matches.index(True)] if self._hashes else None
        return Client(digest.hex()[:32], key if self._passes_on else None, known)


def sent_key(scope: Scope) -> str | None:
    """The key that a client sent: `Authorization: Bearer`, or Azure's `api-key`."""
    scheme, _, value = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return header(scope, b"api-key") or header(scope, b"x-goog-api-key")


def _password(scope: Scope) -> str | None:
    """The password of `Authorization: Basic`, which browsers send."""
    scheme, _, value = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2] or None
    except (Base64Error, ValueError):
        return None
