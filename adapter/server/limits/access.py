"""Authentication of clients. Keys are kept as hashes and compared in constant time."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Collection
from fnmatch import fnmatchcase
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from starlette.types import Scope

from adapter.server.http.asgi import fields_of, header, host_name
from adapter.settings import KnownClient, Settings, bare_name, digest_of, further_upstreams, is_loopback, upstream_name


class ModelDenied(Exception):
    """This client may not use this model."""


class AccessDenied(Exception):
    """The client key is missing or wrong."""


class KeyInUrl(Exception):
    """A key stands in the URL, which logs and browser histories keep."""


class ForeignPage(Exception):
    """The request comes from a web page whose host name was pointed at this machine (DNS rebinding)."""


class Client(NamedTuple):
    """An authenticated client.

    `id` is the hash of its key; everything that is stored for it is stored under this id. `key` is the key itself, only
    if it is passed on to the upstream. `known` are the settings of a named client.
    """

    id: str
    key: str | None
    known: KnownClient | None = None

    @property
    def is_limited(self) -> bool:
        """Return whether this client may use only some models."""
        return self.known is not None and bool(self.known.models)

    def may_use(self, model: str) -> bool:
        """Return whether this client may use a model, under a name of OpenAI's or of Gemini's."""
        patterns = self.known.models if self.known is not None else ()
        names = {model.removeprefix("models/"), bare_name(model)}
        return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns for name in names)

    def check(self, model: str) -> None:
        """Raise `ModelDenied` for a model that this client may not use."""
        if self.known is not None and not self.may_use(model):
            raise ModelDenied("The model does not exist or you do not have access to it.")


ANONYMOUS = Client("", None)
"""The client of a server that asks for no keys."""


_PUBLIC_HOST = "googleapis.com"


def _hidden_hosts(upstream: Settings) -> set[str]:
    """Return the host to hide from clients: a relay's, if the operator gave it another name.

    Google's host is public. The name that the operator gave is shown in a header of each answer anyway.
    """
    host = urlsplit(upstream.upstream_url).hostname or ""
    return set() if host.endswith(_PUBLIC_HOST) or host in upstream_name(upstream) else {host}


class Access:
    """Authenticates requests.

    `secrets` must be redacted in errors: keys of upstreams, also those before a reload, and hidden hosts of relays.
    """

    def __init__(self, settings: Settings) -> None:
        self.secrets: frozenset[str] = frozenset()
        self.replace(settings)

    def replace(self, settings: Settings) -> None:
        """Use the keys of these settings from now on."""
        keys = [*((key, None) for key in settings.client_keys), *((client.key, client) for client in settings.clients)]
        self._known = [one for _, one in keys]
        self._hashes = [bytes.fromhex(digest_of(key)) for key, _ in keys]
        for upstream in (settings, *further_upstreams(settings)):
            self.secrets |= {*upstream.upstream_keys, *_hidden_hosts(upstream)}
        self._passes_on = settings.upstream_auth == "caller"
        self._open = not self._hashes and not self._passes_on
        self.is_shared = len(self._hashes) > 1 and not self._passes_on
        self._pages = settings.allow_origins if settings.is_loopback_only and self._open else None
        self._origins = settings.allow_origins

    def client(self, scope: Scope, *, takes_key_in_url: bool = False) -> Client:
        """Authenticate a request and return its client. Raises `AccessDenied`, `KeyInUrl`, `ForeignPage`.

        `takes_key_in_url` is for Gemini's own paths, since Google's clients may put their key into the URL.
        """
        if scope["query_string"] and not takes_key_in_url:
            _check_url(scope)
        if self._pages is not None and not is_loopback(host_name(scope)):
            _check_page(scope, self._pages)
        if self._open:
            return ANONYMOUS
        return self._find_client(read_key(scope) or (_key_in_url(scope) if takes_key_in_url else None))

    def find_by_id(self, client_id: str) -> Client | None:
        """Find a client by its id, for work that outlives its request; None if it may not call any more.

        If clients bring keys for the upstream, no client is found: those keys are not stored.
        """
        if self._open:
            return ANONYMOUS if not client_id else None
        if self._passes_on:
            return None
        for digest, client in zip(self._hashes, self._known, strict=True):
            if digest.hex() == client_id:
                return Client(client_id, None, client)
        return None

    def check_origin(self, scope: Scope) -> None:
        """Refuse a form that a web page sends. Raises `ForeignPage`.

        Browsers send forms to any server without asking it first, but not JSON. If the server needs a key, the page
        would have to send it in a header, for which the browser asks first.
        """
        origin = header(scope, b"origin")
        if self._open and origin is not None and origin not in self._origins and "*" not in self._origins:
            raise ForeignPage("Web pages of this origin may not call this server: see --allow-origins.")

    def admits(self, scope: Scope) -> bool:
        """Return whether the client of a request may call."""
        try:
            self.client(scope)
        except (AccessDenied, KeyInUrl, ForeignPage):
            return False
        return True

    def knows(self, scope: Scope) -> bool:
        """Return whether a request may learn about the server: it is from this machine, or has a valid key."""
        return is_local(scope) or (not self._open and self.admits(scope))

    def viewer(self, scope: Scope) -> Client:
        """Authenticate a browser that opens the page at /, by password or key. Raises `AccessDenied`, `KeyInUrl`."""
        _check_url(scope)
        return ANONYMOUS if self._open else self._find_client(_read_password(scope) or read_key(scope))

    def _find_client(self, key: str | None) -> Client:
        digest = sha256((key or "").encode()).digest()
        # All keys are compared, in constant time: how long this takes tells nothing about which one matches.
        matches = [compare_digest(digest, known) for known in self._hashes]
        if not key or (self._hashes and not any(matches)):
            raise AccessDenied
        known = self._known[matches.index(True)] if self._hashes else None
        return Client(digest.hex(), key if self._passes_on else None, known)


_FORWARDED = frozenset({b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"})


def is_local(scope: Scope) -> bool:
    """Return whether a request seems to come from this machine: to a loopback address, through no proxy.

    A proxy on this machine that rewrites `Host` and adds no header, as nginx does by default, looks the same. Whatever
    must stay on this machine needs a token, too.
    """
    if not is_loopback(host_name(scope)):
        return False
    return not any(name in _FORWARDED or name.startswith(b"x-forwarded") for name in fields_of(scope))


_KEYS = frozenset({b"authorization", b"api-key", b"x-goog-api-key"})
_KEYS_OF_URLS = frozenset({b"key", b"api_key", b"api-key", b"apikey", b"access_token"})


def _check_url(scope: Scope) -> None:
    query: bytes = scope["query_string"]
    if not _KEYS_OF_URLS.isdisjoint(pair.partition(b"=")[0].lower() for pair in query.split(b"&")):
        raise KeyInUrl("Send the key in a header (authorization: Bearer KEY), never in the URL.")


def _key_in_url(scope: Scope) -> str | None:
    """Return the key in the URL, if there is exactly one."""
    keys = [value for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name == "key"]
    return keys[0] if len(keys) == 1 else None


def _check_page(scope: Scope, allowed: Collection[str]) -> None:
    """Refuse web pages of other names. For servers on the loopback address without client keys.

    DNS rebinding: a page's host name is changed to point at this machine. The browser then takes this server for the
    page's own and sends no preflight request; for a GET it does not even send `Origin`. So `Host` is checked, too:
    only requests to another name than the loopback address's come here.
    """
    if "*" in allowed:
        return
    host, origin = header(scope, b"host") or "", header(scope, b"origin")
    if origin is None:
        is_named = any(one.partition("://")[2] == host for one in allowed)
        if scope.get("method") == "GET" and b"host" in fields_of(scope) and not is_named:
            raise ForeignPage("This host name is not allowed here: see --allow-origins, or set client keys.")
    elif origin not in allowed and origin.partition("://")[2] == host:
        raise ForeignPage("Web pages of this origin may not call this server: see --allow-origins.")


def read_key(scope: Scope) -> str | None:
    """Return the key that a client sent, from the first of these headers that is present.

    `Authorization: Bearer` (OpenAI's clients), `api-key` (Azure's), `x-goog-api-key` (Google's). A header that is
    present twice counts as missing: a proxy in front may have checked the other one.
    """
    if len(fields_of(scope)) < len(scope["headers"]):
        names = [name for name, _ in scope["headers"] if name in _KEYS]
        if len(set(names)) < len(names):
            return None
    scheme, _, value = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return header(scope, b"api-key") or header(scope, b"x-goog-api-key")


def _read_password(scope: Scope) -> str | None:
    """Return the password of `Authorization: Basic`, which browsers send."""
    scheme, _, value = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2] or None
    except (Base64Error, ValueError):
        return None
