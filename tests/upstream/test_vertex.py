"""Vertex AI: its tokens, by google-auth against a local server, and its paths."""

import asyncio
import json
import logging
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from adapter.upstream.auth import Caller
from adapter.upstream.errors import InvalidModelName, UpstreamError
from adapter.upstream.names import model_path
from adapter.upstream.vertex import EARLY, NEW, NoToken, VertexAuth, collection, host_of
from adapter.wire.gemini.errors import Status

SECRET = "planted-secret-77ab"


class TokenServer:
    """Gives tokens, numbered; `script` may answer in another way."""

    def __init__(self):
        self.asked = []
        self.script = None
        self.seconds = 3_600

    async def connected(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next((int(line.split(":")[1]) for line in head.split("\r\n") if "content-length" in line), 0)
            self.asked.append((await reader.readexactly(length)).decode())
            given = {"access_token": f"ya29.{len(self.asked)}", "expires_in": self.seconds, "token_type": "Bearer"}
            given["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
            status, body = (200, json.dumps(given).encode())
            if self.script is not None:
                status, body = await self.script()
            text = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{text}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def tokens():
    made = TokenServer()
    server = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


def service_account(url):
    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": SECRET,
        "private_key": key.private_bytes(*form).decode(),
        "client_email": "adapter@p.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }


def workload_identity(url, directory):
    subject = directory / "subject"
    subject.write_text(SECRET)
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/one",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/token",
        "credential_source": {"file": str(subject)},
    }


@pytest.fixture
def credentials(tokens, tmp_path, monkeypatch):
    """Application default credentials; the test may replace them."""

    def put(content):
        file = tmp_path / "credentials.json"
        file.write_text(json.dumps(content))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    put(service_account(tokens.url))
    return put


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


async def bearer(auth):
    return (await auth.headers(Caller(), "m"))["authorization"]


async def test_a_service_accounts_token_is_asked_for_once(tokens, credentials):
    auth = VertexAuth(Clock())
    assert await asyncio.gather(*(bearer(auth) for _ in range(50))) == ["Bearer ya29.1"] * 50
    assert await bearer(auth) == "Bearer ya29.1"
    [asked] = tokens.asked
    assert parse_qs(asked)["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


async def test_workload_identity_federation_trades_its_own_token(tokens, credentials, tmp_path):
    credentials(workload_identity(tokens.url, tmp_path))
    assert await bearer(VertexAuth(Clock())) == "Bearer ya29.1"
    assert parse_qs(tokens.asked[0])["subject_token"] == [SECRET]


async def test_the_project_that_pays_is_named(tokens, credentials):
    credentials({**service_account(tokens.url), "quota_project_id": "payer"})
    headers = await VertexAuth(Clock()).headers(Caller(), "m")
    assert headers.get("x-goog-user-project") in ("payer", None)


async def test_a_token_is_replaced_before_it_ends_while_it_still_serves(tokens, credentials):
    clock = Clock()
    auth = VertexAuth(clock)
    await bearer(auth)
    clock.now += 3_600 - EARLY + 1
    assert await bearer(auth) == "Bearer ya29.1"
    while len(tokens.asked) < 2 or await bearer(auth) == "Bearer ya29.1":
        await asyncio.sleep(0.01)
    assert await bearer(auth) == "Bearer ya29.2"
    assert len(tokens.asked) == 2


async def test_a_token_that_has_ended_is_waited_for(tokens, credentials):
    clock = Clock()
    auth = VertexAuth(clock)
    await bearer(auth)
    clock.now += 4_000
    assert await bearer(auth) == "Bearer ya29.2"


BAD = {
    "an error": (500, b"{}"),
    "a refusal": (400, json.dumps({"error": SECRET}).encode()),
    "garbage": (200, b"<html>"),
}


@pytest.mark.faults
@pytest.mark.parametrize("what", BAD)
async def test_without_a_token_the_error_says_so_and_nothing_secret(tokens, credentials, caplog, what):
    async def script():
        return BAD[what]

    tokens.script = script
    with caplog.at_level(logging.DEBUG), pytest.raises(NoToken) as caught:
        await bearer(VertexAuth(Clock()))
    assert (caught.value.status, caught.value.code) == (502, "upstream_auth_failed")
    assert SECRET not in str(caught.value) + caplog.text


@pytest.mark.faults
async def test_a_server_of_tokens_that_is_silent_is_not_waited_for(tokens, credentials, monkeypatch):
    async def script():
        await asyncio.sleep(60)

    tokens.script = script
    monkeypatch.setattr("adapter.upstream.vertex.PATIENCE", 0.1)
    monkeypatch.setattr("adapter.upstream.google_tokens.ONE_REQUEST", 0.3)
    with pytest.raises(NoToken):
        await bearer(VertexAuth(Clock()))


@pytest.mark.faults
async def test_after_a_failure_the_next_call_asks_again(tokens, credentials):
    async def script():
        return 400, b"{}"

    auth = VertexAuth(Clock())
    tokens.script = script
    with pytest.raises(NoToken):
        await bearer(auth)
    tokens.script = None
    assert (await bearer(auth)).startswith("Bearer ya29.")


async def test_without_credentials_there_is_no_token(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
    with pytest.raises(NoToken):
        await bearer(VertexAuth(Clock()))


def refused(status=401):
    return UpstreamError(status, Status(code=status, status="UNAUTHENTICATED"))


@pytest.mark.faults
async def test_a_token_that_is_refused_is_replaced_once(tokens, credentials):
    clock = Clock()
    auth = VertexAuth(clock)
    headers = await auth.headers(Caller(), "m")
    clock.now += NEW + 1
    assert not auth.learn(headers, "m", refused(403))
    assert not auth.learn({}, "m", refused())
    assert auth.learn(headers, "m", refused())
    again = await auth.headers(Caller(), "m")
    assert again["authorization"] == "Bearer ya29.2"
    assert not auth.learn(again, "m", refused())


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
    ],
)
def test_a_location_has_its_host(location, host):
    assert host_of(location) == host


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gemini-3.5-flash", "projects/p/locations/eu/publishers/google/models/gemini-3.5-flash"),
        ("models/gemini-3.5-flash", "projects/p/locations/eu/publishers/google/models/gemini-3.5-flash"),
        ("projects/p/locations/eu/endpoints/7", "projects/p/locations/eu/endpoints/7"),
    ],
)
def test_a_model_stands_below_its_project_and_location(name, path):
    assert model_path(name, collection("p", "eu")) == path


@pytest.mark.parametrize("project", ["theirs", "pp", "P"])
def test_a_client_names_no_other_project(project):
    with pytest.raises(InvalidModelName):
        model_path(f"projects/{project}/locations/eu/endpoints/7", collection("p", "eu"))
