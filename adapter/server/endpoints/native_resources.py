"""Gemini's own paths beside the methods of models: models, files, caches, batches, interactions; and uploads.

A name that Gemini gives (files/..., cachedContents/...) belongs to the client whose request made it, and to the key
with which Gemini was asked: no other client of this server reads, lists or names it (`server.state.name_owners`).
"""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from starlette.exceptions import HTTPException

from adapter.server.endpoints.native import find_pin, headers_of, query_of, read_whole, with_query
from adapter.server.http.asgi import header, read_body
from adapter.server.limits.access import Client, ModelDenied
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.errors import Malformed
from adapter.server.state.not_stored import NotStored
from adapter.translate.native import pass_through
from adapter.upstream.client import Forwarded
from adapter.upstream.errors import UpstreamProtocolError
from adapter.wire.base import decoder, encode

_SAFE = re.compile(r"[A-Za-z0-9._~:@+%/-]+")
_VERSION = re.compile(r"/v1(?:beta)?/")
_MODELS = "models"
_ONE_NAME = re.compile(r"[A-Za-z0-9._@+-]+")
_UPLOADS = re.compile(r"/upload/v1(?:beta)?/")
_UPLOAD = "x-goog-upload-"
_ON_VERTEX = (
    "The upstream is Vertex AI: of Gemini's own paths its models alone are served. Files are stored at /v1/files and "
    "named by their ids in chats, or lie in Cloud Storage (gs://...); batches are run at /v1/batches."
)
_PASSED = ("command", "offset", "protocol", "header-content-length", "header-content-type", "file-name")
"""Headers of the protocol of uploads, without what they begin with."""


async def pass_on(call: Call) -> None:
    """Pass on any path below the version except a model's methods."""
    path = _path_of(call, _VERSION)
    if call.client.is_limited:
        _check_reading(call, path)
    verb, (collection, *rest) = call.scope["method"], path.split("/")
    if collection != _MODELS:
        _check_platform(call)
    if verb == "GET" and not rest and collection != _MODELS:
        await _list_names(call, collection)
        return
    name = pass_through.name_in_path(path)
    pin = await find_pin(call, [name] if name else [])
    if not pin and verb == "POST":
        pin = call.service.upstream.choose_key(call.client.id)
    forwarded = Forwarded(
        verb=verb,
        path=with_query(path, query_of(call)),
        body=call.body or None,
        method=f"{verb.lower()} {collection}",
    )
    body, answered = await read_whole(call, forwarded, pin)
    if verb == "POST":
        await call.service.owners.record(pass_through.names_made(body, collection), call.client.id, pin)
    elif verb == "DELETE" and name:
        await call.service.owners.forget(name, call.client.id)
    elif path == _MODELS and call.client.is_limited:
        body = encode(_models_of(call, _read_page(body)))
    await call.send(body, headers_of(call, answered))


def _check_platform(call: Call) -> None:
    """Refuse what Vertex AI has in another form, or not at all. Raises `NotStored`."""
    if call.service.options.platform == "vertex":
        raise NotStored(_ON_VERTEX, code="unsupported_endpoint")


def _check_reading(call: Call, path: str) -> None:
    """Refuse a limited client all but to read what its models are.

    Files, caches, batches, interactions and tuned models would lead to other models, or to what others have made.
    Raises `ModelDenied`.
    """
    collection, _, name = path.partition("/")
    is_reading = call.scope["method"] in ("GET", "HEAD") and collection == _MODELS
    if not is_reading or (path != _MODELS and not _ONE_NAME.fullmatch(name)):
        raise ModelDenied("A client that is limited to some models may not use this path.")
    if name:
        call.client.check(name)


MAX_PAGES = 50
"""Pages of Gemini's for one page of the client's, of which it may see nothing."""

_NEXT = "nextPageToken"
_NO_TOKEN = msgspec.Raw(b"")
_UNREADABLE = "Gemini's list cannot be read."


class _Listed(msgspec.Struct):
    """An item of a list."""

    name: str = ""
    id: str = ""


Page = dict[str, msgspec.Raw]


def _read_page(body: bytes) -> Page:
    """Read a page of a list. Raises `UpstreamProtocolError`: an unreadable one may name other clients' things."""
    try:
        page: Page = decoder(Page).decode(body)
    except msgspec.MsgspecError:
        raise UpstreamProtocolError(_UNREADABLE) from None
    return page


def _items(raw: msgspec.Raw) -> list[tuple[_Listed, msgspec.Raw]]:
    """Return the items of a list, each with its name. Raises `UpstreamProtocolError`."""
    try:
        return [(decoder(_Listed).decode(one), one) for one in decoder(list[msgspec.Raw]).decode(raw)]
    except msgspec.MsgspecError:
        raise UpstreamProtocolError(_UNREADABLE) from None


def _lists(page: Page) -> Iterator[tuple[str, list[tuple[_Listed, msgspec.Raw]]]]:
    """Return the lists of a page, by the names of their fields."""
    return ((key, _items(raw)) for key, raw in page.items() if bytes(memoryview(raw)[:1]) == b"[")


def _models_of(call: Call, page: Page) -> Page:
    """Return the page with the models that the client may use, unchanged."""
    own = dict(page)
    for key, items in _lists(page):
        own[key] = msgspec.Raw(encode([one for model, one in items if call.client.may_use(model.name)]))
    return own


async def _list_names(call: Call, collection: str) -> None:
    """Answer with a page of what Gemini keeps for this server, key by key: each key lists its own alone.

    With several keys a page's token also tells whose page comes next. A page without anything that is the client's is
    passed over, since clients take one for the end.
    """
    upstream, is_shared, query = call.service.upstream, call.service.access.is_shared, query_of(call)
    keys = upstream.key_names
    key, token = keys[0], query.pop("pageToken", query.pop("page_token", ""))
    if len(keys) > 1 and token:
        key, token = _read_token(token, keys)
    for _ in range(MAX_PAGES):
        path = with_query(collection, {**query, "pageToken": token} if token else query)
        forwarded = Forwarded(verb="GET", path=path, body=None, method=f"get {collection}")
        body, answered = await read_whole(call, forwarded, key)
        if len(keys) == 1 and not is_shared:
            await call.send(body, headers_of(call, answered))
            return
        page = _read_page(body)
        count = await _keep_own(call, collection, page) if is_shared else sum(len(items) for _, items in _lists(page))
        key, token, is_last = _next_page(page, key, keys)
        if count or is_last:
            break
    if len(keys) > 1 and not is_last:
        page[_NEXT] = msgspec.Raw(encode(f"{key}.{token}"))
    await call.send(encode(page), headers_of(call, answered))


def _read_token(token: str, keys: Sequence[str]) -> tuple[str, str]:
    """Return whose page a token is for, and the token for Gemini. Raises `Malformed`."""
    key, dot, rest = token.partition(".")
    if not dot or key not in keys:
        raise Malformed("This page token is not from this server, or its key for Gemini was removed.", "pageToken")
    return key, rest


def _next_page(page: Page, key: str, keys: Sequence[str]) -> tuple[str, str, bool]:
    """Return whose page comes next, its token, and whether there is none."""
    raw = page.get(_NEXT, _NO_TOKEN)
    token = decoder(str).decode(raw) if bytes(memoryview(raw)[:1]) == b'"' else ""
    following = keys[keys.index(key) + 1 :]
    if token or not following:
        return key, token, not token
    return following[0], "", False


async def _keep_own(call: Call, collection: str, page: Page) -> int:
    """Leave in a page what the client has made, each item as it came; return how many there are."""
    count = 0
    for field, items in _lists(page):
        names = [pass_through.name_in_path(resource.name) or f"{collection}/{resource.id}" for resource, _ in items]
        pins = await call.service.owners.find_pins(names, call.client.id)
        left = [one for name, (_, one) in zip(names, items, strict=True) if name in pins]
        page[field] = msgspec.Raw(encode(left))
        count += len(left)
    return count


def _path_of(call: Call, prefix: re.Pattern[str]) -> str:
    """Return the path behind a prefix, as it was sent. Raises `HTTPException`."""
    raw: bytes = call.scope.get("raw_path") or call.scope["path"].encode()
    path = prefix.split(raw.decode("latin-1").partition("?")[0], maxsplit=1)[-1]
    plain = unquote(path)
    if not _SAFE.fullmatch(path) or ".." in plain or "//" in plain or plain[0] == "/" or "\\" in plain:
        raise HTTPException(404)
    return path


async def upload(call: Call) -> None:
    """Pass on a step of an upload. Its URL becomes this server's; the file belongs to the client that began it.

    The address is a secret: Google's clients send no key with the bytes.
    """
    service, query = call.service, query_of(call)
    if "upload_id" in query:
        client_id, pin = await service.owners.find_upload(query["upload_id"])
        call.client = Client(client_id, None)
    else:
        call.client = service.access.client(call.scope, takes_key_in_url=True)
        await service.count(call.client)
        if call.client.is_limited:
            raise ModelDenied("A client that is limited to some models may not use this path.")
        _check_platform(call)
        pin = service.upstream.choose_key(call.client.id)
    sent = {f"{_UPLOAD}{name}": header(call.scope, f"{_UPLOAD}{name}".encode()) for name in _PASSED}
    headers = {name: value for name, value in sent.items() if value is not None}
    if not headers:
        # A page of another origin can send a body of any type, but no such header.
        raise HTTPException(404)
    headers["content-type"] = header(call.scope, b"content-type") or "application/octet-stream"
    content = await read_body(
        call.scope, call.receive, service.settings.max_body, service.body_budget, takes_any_type=True
    )
    try:
        forwarded = Forwarded(
            verb="POST",
            path=with_query(_path_of(call, _UPLOADS), query),
            body=content,
            method="upload",
            headers=headers,
            is_upload=True,
            # Where clients' own keys go to Gemini, none comes with the bytes, and none is kept here.
            needs_key="upload_id" not in query or not service.upstream.sends_clients_key,
        )
        body, answered = await read_whole(call, forwarded, pin)
    finally:
        service.body_budget.release(len(content))
    upload_headers = {name: value for name, value in answered.items() if name.startswith(_UPLOAD)}
    if address := upload_headers.get(f"{_UPLOAD}url"):
        there = urlsplit(address).query
        upload_headers[f"{_UPLOAD}url"] = (
            f"{call.scope['scheme']}://{header(call.scope, b'host')}{call.scope['path']}?{there}"
        )
        await service.owners.record_upload(dict(parse_qsl(there)).get("upload_id", ""), call.client.id, pin)
    await service.owners.record(pass_through.names_made(body), call.client.id, pin)
    await call.send(body, {**headers_of(call, answered), **upload_headers})
