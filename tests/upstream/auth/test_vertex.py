"""Vertex AI: its tokens, by google-auth against a local server, and its paths."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from adapter.upstream.auth.access_token import REFRESH_EARLY_S, NoToken
from adapter.upstream.auth.key_pool import Caller
from adapter.upstream.auth.vertex import (
    NEW_TOKEN_S,
    VertexAuth,
    model_collection,
    vertex_host,
)
from adapter.upstream.errors import InvalidModelName, UpstreamError
from adapter.upstream.model_path import model_path
from adapter.wire.gemini.errors import Status
from tests.support.clocks import Clock
from tests.support.google_cloud import SECRET, workload_identity
from tests.support.guards import PATIENCE
from tests.support.paths import REPOSITORY


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


async def test_the_project_that_pays_is_named(tokens, credentials, monkeypatch):
    assert "x-goog-user-project" not in await VertexAuth(Clock()).headers(Caller(), "m")
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
    assert (await VertexAuth(Clock()).headers(Caller(), "m"))["x-goog-user-project"] == "payer"


class MetadataServer(ThreadingHTTPServer):
    """The metadata server of a machine in Google Cloud."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Metadata)
        self.asked = []


class Metadata(BaseHTTPRequestHandler):
    """Answers the machine."""

    server: MetadataServer

    def do_GET(self):
        self.server.asked.append(self.path)
        token = {"access_token": "ya29.of-the-machine", "expires_in": 3_600, "token_type": "Bearer"}
        account = {"email": "machine@p.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]}
        body = json.dumps(token if "/token" in self.path else account).encode()
        self.send_response(200)
        for name, value in (("Metadata-Flavor", "Google"), ("Content-Type", "application/json")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


def test_a_machine_of_google_clouds_gets_its_tokens_from_there(tmp_path):
    """In a process of its own: google-auth reads the address of the metadata server when it is imported."""
    server = MetadataServer()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    program = "from adapter.upstream.auth.google_tokens import GoogleTokens; print(GoogleTokens()()[0])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "ADAPTER_"))}
    environment |= {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address, "HOME": str(tmp_path)}
    environment |= {"CLOUDSDK_CONFIG": str(tmp_path), "GCE_METADATA_MTLS_MODE": "none"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert done.stdout.strip() == "{'authorization': 'Bearer ya29.of-the-machine'}"
    assert any(path.startswith("/computeMetadata/v1/instance/service-accounts/") for path in server.asked)


async def test_a_token_is_replaced_before_it_ends_while_it_still_serves(tokens, credentials):
    clock = Clock()
    auth = VertexAuth(clock)
    await bearer(auth)
    clock.now += 3_600 - REFRESH_EARLY_S + 1
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
    monkeypatch.setattr("adapter.upstream.auth.vertex.TOKEN_TIMEOUT_S", 0.1)
    monkeypatch.setattr("adapter.upstream.auth.google_tokens.TOKEN_REQUEST_TIMEOUT_S", 0.3)
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


def refusal(status=401):
    return UpstreamError(status, Status(code=status, status="UNAUTHENTICATED"))


@pytest.mark.faults
async def test_a_token_that_is_refused_is_replaced_once(tokens, credentials):
    clock = Clock()
    auth = VertexAuth(clock)
    headers = await auth.headers(Caller(), "m")
    clock.now += NEW_TOKEN_S + 1
    assert not auth.on_error(headers, "m", refusal(403))
    assert not auth.on_error({}, "m", refusal())
    assert auth.on_error(headers, "m", refusal())
    again = await auth.headers(Caller(), "m")
    assert again["authorization"] == "Bearer ya29.2"
    assert not auth.on_error(again, "m", refusal())


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
    ],
)
def test_a_location_has_its_host(location, host):
    assert vertex_host(location) == host


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gemini-3.5-flash", "projects/p/locations/eu/publishers/google/models/gemini-3.5-flash"),
        ("models/gemini-3.5-flash", "projects/p/locations/eu/publishers/google/models/gemini-3.5-flash"),
        ("projects/p/locations/eu/endpoints/7", "projects/p/locations/eu/endpoints/7"),
    ],
)
def test_a_model_stands_below_its_project_and_location(name, path):
    assert model_path(name, model_collection("p", "eu")) == path


@pytest.mark.parametrize("project", ["theirs", "pp", "P"])
def test_a_client_names_no_other_project(project):
    with pytest.raises(InvalidModelName):
        model_path(f"projects/{project}/locations/eu/endpoints/7", model_collection("p", "eu"))
