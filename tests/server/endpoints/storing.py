"""Helpers of the tests of files, uploads and batches: an adapter with a store on the disk, and ways to put files in."""

from contextlib import asynccontextmanager

from openai import AsyncOpenAI

from tests.support.scripted import adapter, run_upstream

FILES = "/v1/files"
TEXT = ("a.txt", b"hello", "text/plain")


@asynccontextmanager
async def serving(tmp_path, **settings):
    """A client of an adapter whose upstream may not be asked."""
    given = {"store": f"sqlite:{tmp_path / 'store.sqlite3'}", **settings}
    async with run_upstream(None) as upstream, adapter(upstream, **given) as client:
        yield client


def openai_client(client, key="any"):
    return AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=key, http_client=client, max_retries=0)


async def put(client, content=b"hello", name="a.txt", purpose="user_data", mime_type="text/plain", **more):
    got = await client.post(FILES, files={"file": (name, content, mime_type)}, data={"purpose": purpose}, **more)
    assert got.status_code == 200, got.text
    return got.json()
