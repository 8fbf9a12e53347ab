"""A server of Google Cloud's tokens on the loopback address, and the credentials that ask it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SECRET = "planted-secret-77ab"


class TokenServer:
    """Gives tokens, numbered; `script` may answer in another way."""

    url = ""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.script: Callable[[], Awaitable[tuple[int, bytes]]] | None = None
        self.seconds = 3_600

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next((int(line.split(":")[1]) for line in head.split("\r\n") if "content-length" in line), 0)
            self.asked.append((await reader.readexactly(length)).decode())
            given: dict[str, Any]
            given = {
                "access_token": f"ya29.{len(self.asked)}",
                "expires_in": self.seconds,
                "token_type": "Bearer",
            }
            given["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
            status, body = 200, json.dumps(given).encode()
            if self.script is not None:
                status, body = await self.script()
            text = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{text}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    """Run a server of tokens."""
    made = TokenServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


def service_account(url: str) -> dict[str, Any]:
    """Write the key file of a service account."""
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


def workload_identity(url: str, directory: Path) -> dict[str, Any]:
    """Return the credentials of a workload whose identity is a file."""
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
def credentials(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], None]:
    """Application default credentials; the test may replace them."""

    def put(content: dict[str, Any]) -> None:
        file = tmp_path / "credentials.json"
        file.write_text(json.dumps(content))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    put(service_account(tokens.url))
    return put
