"""Who may call: client keys, kept as hashes and compared in constant time."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Collection
from fnmatch import fnmatchcase
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from starlette.types import Scope

from adapter.server.http.asgi import fields_of, header, host_of
from adapter.settings import KnownClient, Settings, bare_name, digest_of, further_upstreams, is_loopback, upstream_name


class ModelDenied(Exception):
    """A model that this client may not name."""


class AccessDenied(Exception):
    """A missing or wrong client key."""


class KeyInUrl(Exception):
    """A key where logs and histories keep it."""


class ForeignPage(Exception):
    """A page whose name was made to point at this machine (DNS rebinding)."""


class Client(NamedTuple):
    """Who called: a hash that scopes what is kept for it, and the key itself where it is passed on."""

    id: str
    key: str | None
    known: KnownClient | None = None

    @property
    def is_limited(self) -> bool:
        """Whether this client may name some models alone."""
        return self.known is not None and bool(self.known.models)

    def may(self, model: str) -> bool:
        """Whether this client may name a model, as OpenAI's names or Gemini's."""
        patterns = self.known.models if self.known is not None else ()
        names = {model.removeprefix("models/"), bare_name(model)}
        return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns for name in names)

    def check(self, model: str) -> None:
        """Raise `ModelDenied` for a model that this client may not name."""
        if not self.may(model):
            raise ModelDenied("The model does not exist or you do not have access to it.")


ANYBODY = Client("", None)
"""Who calls where no keys are asked for."""


_PUBLIC_HOST = "googleapis.com"


def _hidden_hosts(upstream: Settings) -> set[str]:
    """The host of a relay that has another name; that of Google is everybody's.

    Clients read an upstream's name in a header of each answer, and in our own errors.
    """
    host = urlsplit(upstream.upstream_url).hostname or ""
    return set() if host.endswith(_PUBLIC_HOST) or host in upstream_name(upstream) else {host}


class Access:
    """Checks the key of each request.

    `secrets` are the upstreams' keys, also earlier ones, and the hosts of relays that were given another name: no error
    may hold them.
    """

    def __init__(self, settings: Settings) -> None:
        self.secrets: frozenset[str] = frozenset()
        self.replace(settings)

    def replace(self, settings: Settings) -> None:
        """Take the keys of these settings from now on."""
        known = [*((key, None) for key in settings.client_keys), *((one.key, one) for one in settings.clients)]
        self._known = [one for _, one in known]
        self._hashes = [bytes.fromhex(digest_of(key)) for key, _ in known]
        for one in (settings, *further_upstreams(settings)):
            self.secrets |= {*one.upstream_keys, *_hidden_hosts(one)}
        self._passes_on = settings.upstream_auth == "caller"
        self._open = not self._hashes and not self._passes_on
        self._pages = settings.allow_origins if settings.loopback and self._open else None

    def client(self, scope: Scope, *, takes_key_in_url: bool = False) -> Client:
        """The client of a request. Raises `AccessDenied`, `KeyInUrl`, `ForeignPage`.

        All keys are compared, whichever matches. Google's own clients may put theirs into the URL.
        """
        if not takes_key_in_url:
            _check_url(scope)
        if self._pages is not None:
            _check_page(scope, self._pages)
        if self._open:
            return ANYBODY
        return self._with(sent_key(scope) or (_key_in_url(scope) if takes_key_in_url else None))

    def admits(self, scope: Scope) -> bool:
        """Whether a request's client may call."""
        try:
            self.client(scope)
        except (AccessDenied, KeyInUrl, ForeignPage):
            return False
        return True

    def knows(self, scope: Scope) -> bool:
        """Whether a request comes from this machine, or with a key that is asked for: it may be told of the server."""
        return is_local(scope) or (not self._open and self.admits(scope))

    def viewer(self, scope: Scope) -> Client:
        """Who looks at the page at /: browsers ask for a password. Raises `AccessDenied`, `KeyInUrl`."""
        _check_url(scope)
        return ANYBODY if self._open else self._with(_password(scope) or sent_key(scope))

    def _with(self, key: str | None) -> Client:
        digest = sha256((key or "").encode()).digest()
        matches = [compare_digest(digest, known) for known in self._hashes]
        if not key or (self._hashes and not any(matches)):
            raise AccessDenied
        known = self._known[matches.index(True)] if self._hashes else None
        return Client(digest.hex(), key if self._passes_on else None, known)


_FORWARDED = frozenset({b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"})


def is_local(scope: Scope) -> bool:
    """Whether a request seems to come from this machine: by a name of the loopback's, and through no proxy.

    A proxy on this machine that says nothing of itself and rewrites `Host`, as nginx does by default, looks the same:
    what must stay on this machine needs more than this.
    """
    if not is_loopback(host_of(scope)):
        return False
    return not any(name in _FORWARDED or name.startswith(b"x-forwarded") for name in fields_of(scope))


_KEYS = frozenset({b"authorization", b"api-key", b"x-goog-api-key"})
_KEYS_OF_URLS = frozenset({b"key", b"api_key", b"api-key", b"apikey", b"access_token"})


def _check_url(scope: Scope) -> None:
    query: bytes = scope["query_string"]
    if query and not _KEYS_OF_URLS.isdisjoint(pair.partition(b"=")[0].lower() for pair in query.split(b"&")):
        raise KeyInUrl("A key goes into a header (authorization: Bearer KEY), never into a URL.")


def _key_in_url(scope: Scope) -> str | None:
    """The key in the URL, if there is exactly one."""
    keys = [value for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name == "key"]
    return keys[0] if len(keys) == 1 else None


def _check_page(scope: Scope, allowed: Collection[str]) -> None:
    """On the loopback address without keys a page may call under the loopback's own names, or where it is allowed.

    A browser takes a page for one of this server if the page's name has come to point here, and asks nothing first.
    What such a page reads from its own server (GET) has no `Origin`.
    """
    if is_loopback(host_of(scope)) or "*" in allowed:
        return
    fields = fields_of(scope)
    host, origin = header(scope, b"host") or "", header(scope, b"origin")
    if origin is None:
        is_named = any(one.partition("://")[2] == host for one in allowed)
        if scope.get("method") == "GET" and b"host" in fields and not is_named:
            raise ForeignPage("Nothing is read here under this name: see --allow-origins, or set client keys.")
    elif origin not in allowed and origin.partition("://")[2] == host:
        raise ForeignPage("Pages of this name may not call: see --allow-origins.")


def sent_key(scope: Scope) -> str | None:
    """The key that a client sent, in the first of these that there is.

    `Authorization: Bearer` as OpenAI's clients send it, `api-key` as Azure's do, `x-goog-api-key` as Google's do. One
    that comes twice is none: who else reads it, a proxy, may have read the other one.
    """
    if len(fields_of(scope)) < len(scope["headers"]):
        names = [name for name, _ in scope["headers"] if name in _KEYS]
        if len(set(names)) < len(names):
            return None
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
