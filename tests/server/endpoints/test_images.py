"""/v1/images over real sockets, with the openai package against the emulator and against scripts."""

import asyncio
import base64
import io
import json
import os
import re
import zlib
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, OpenAIError
from PIL import Image

from adapter.emulator import EmulatorSettings
from adapter.emulator.generation.media import picture
from adapter.upstream.media import Fetched
from adapter.upstream.media_fetcher import Fetcher
from tests.support.guards import PATIENCE
from tests.support.scripted import adapter, answer, run_emulator, run_upstream

PNG = picture("a cat", "1:1", "512")
FAULTY = "gemini-3.1-flash-image+fault-"


def openai_of(client):
    return AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="any", http_client=client, max_retries=0)


def open_image(b64):
    return Image.open(io.BytesIO(base64.b64decode(b64)))


def image_answer(*files, thought=None, mime="image/png", finish="STOP"):
    """An answer of Gemini's with images."""
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": mime, "data": base64.b64encode(file).decode()}} for file in files
    ]
    if thought is not None:
        parts.insert(0, {"inlineData": {"mimeType": "image/png", "data": thought}, "thought": True})
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 1120, "totalTokenCount": 1125}
    content = {"role": "model", "parts": parts}
    return {"candidates": [{"content": content, "finishReason": finish, "index": 0}], "usageMetadata": usage}


async def test_the_openai_package_gets_a_png_of_the_asked_size():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        found = await openai_of(client).images.generate(model="gpt-image-2", prompt="a cat")
        wide = await openai_of(client).images.generate(model="gpt-image-2", prompt="a cat", size="1536x1024", n=2)
    assert (open_image(found.data[0].b64_json).size, found.size, found.output_format) == (
        (1024, 1024),
        "1024x1024",
        "png",
    )
    assert [open_image(one.b64_json).size for one in wide.data] == [(1264, 848)] * 2
    assert wide.size == "1264x848"
    assert wide.usage.output_tokens == 2 * 1120
    assert found.background == "opaque"


@pytest.mark.parametrize(("kind", "signature"), [("jpeg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")])
async def test_images_come_in_the_format_that_was_asked_for(kind, signature):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        found = await openai_of(client).images.generate(prompt="a cat", output_format=kind)
    assert (open_image(found.data[0].b64_json).format, found.output_format) == (signature, kind)


async def test_a_jpeg_of_geminis_becomes_the_png_that_the_default_request_expects():
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "JPEG")

    async def script(call):
        await call.json(image_answer(file.getvalue(), mime="image/jpeg"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        found = await openai_of(client).images.generate(prompt="a cat", model="gpt-image-1")
    image = open_image(found.data[0].b64_json)
    assert (image.format, image.size, found.size) == ("PNG", (40, 30), "40x30")


async def test_compression_makes_smaller_files():
    noise = io.BytesIO()
    Image.effect_noise((256, 256), 90).convert("RGB").save(noise, "PNG")

    async def script(call):
        await call.json(image_answer(noise.getvalue()))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        images = openai_of(client).images
        poor = await images.generate(prompt="a cat", output_format="jpeg", output_compression=10)
        good = await images.generate(prompt="a cat", output_format="jpeg", output_compression=100)
    assert len(poor.data[0].b64_json) < len(good.data[0].b64_json) / 2


async def test_a_stream_ends_with_the_whole_image():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        openai = openai_of(client)
        stream = await openai.images.generate(prompt="a cat", stream=True, partial_images=2)
        events = [event async for event in stream]
        edited = await openai.images.edit(prompt="a cat", image=PNG, stream=True)
        edits = [event async for event in edited]
    assert [event.type for event in events] == ["image_generation.completed"]
    assert open_image(events[0].b64_json).size == (1024, 1024)
    assert events[0].usage.output_tokens == 1120
    assert [event.type for event in edits] == ["image_edit.completed"]


async def test_each_image_of_a_stream_is_sent_as_soon_as_it_is_drawn():
    first_is_here = asyncio.Event()

    async def script(call):
        if call.number > 1:
            await first_is_here.wait()
        await call.json(image_answer(PNG))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        stream = await openai_of(client).images.generate(prompt="a cat", stream=True, n=3)
        types = []
        async for event in stream:
            first_is_here.set()
            types.append((event.type, event.usage.output_tokens))
    assert types == [("image_generation.completed", 1120)] * 3
    assert len(upstream.seen) == 3


async def test_an_image_that_is_not_drawn_does_not_end_the_stream_of_the_others():
    async def script(call):
        await call.json(image_answer(finish="IMAGE_SAFETY") if call.number == 1 else image_answer(PNG))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        stream = await openai_of(client).images.generate(prompt="a cat", stream=True, n=2)
        assert [event.type async for event in stream] == ["image_generation.completed"]


async def test_a_client_that_leaves_a_stream_of_images_ends_all_calls():
    has_both = asyncio.Event()

    async def script(call):
        if call.number > 1:
            has_both.set()
            await asyncio.Event().wait()
        # Otherwise the client may be gone before the second call arrives, which is then never made.
        await has_both.wait()
        await call.json(image_answer(PNG))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        stream = await openai_of(client).images.generate(prompt="a cat", stream=True, n=2)
        await anext(aiter(stream))
        await stream.close()
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)


async def test_forms_send_their_files_with_the_prompt_behind_them():
    async def script(call):
        await call.json(image_answer(PNG))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        files = [("a.png", PNG, "image/png"), ("b.bin", PNG, "application/octet-stream")]
        await openai_of(client).images.edit(model="gpt-image-2", image=files, prompt='Say "data":"upload:0"', mask=PNG)
        headers = client.headers
    parts = upstream.seen[0].body["contents"][0]["parts"]
    assert [part["inlineData"]["mimeType"] for part in parts[:3]] == ["image/png"] * 3
    assert [base64.b64decode(part["inlineData"]["data"]) for part in parts[:3]] == [PNG] * 3
    assert parts[3]["text"].startswith('Say "data":"upload:0"\nImage 3 is a mask for image 1')
    assert headers


async def test_an_edit_in_json_takes_references():
    async def script(call):
        await call.json(image_answer(PNG))

    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post("/v1/images/edits", json={"prompt": "greener", "images": [{"image_url": url}]})
    assert got.status_code == 200
    assert base64.b64decode(upstream.seen[0].body["contents"][0]["parts"][0]["inlineData"]["data"]) == PNG


async def test_variations_have_a_prompt_of_the_adapters():
    async def script(call):
        await call.json(image_answer(PNG))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        with pytest.deprecated_call():
            found = await openai_of(client).images.create_variation(image=PNG, model="dall-e-2", n=2)
    assert [one.url.partition(",")[0] for one in found.data] == ["data:image/png;base64"] * 2
    assert "variation" in upstream.seen[0].body["contents"][0]["parts"][1]["text"]


async def test_pages_of_other_origins_may_not_send_forms():
    async with run_upstream(lambda call: call.json(image_answer(PNG))) as upstream, adapter(upstream) as client:
        headers = {"origin": "https://example.com"}
        got = await client.post("/v1/images/edits", files={"image": PNG}, data={"prompt": "a"}, headers=headers)
    assert (got.status_code, upstream.seen) == (403, [])


async def draws(call):
    await call.json(image_answer(PNG))


@pytest.mark.parametrize(("policy", "text"), [("off", "ADAPTER_FETCH_MEDIA"), ("on", "not public")])
async def test_an_image_at_a_private_address_is_never_fetched(policy, text):
    body = {"prompt": "greener", "images": [{"image_url": "http://127.0.0.1:9/x.png"}]}
    async with (
        run_upstream(lambda call: call.json(image_answer(PNG))) as upstream,
        adapter(upstream, fetch_media=policy) as client,
    ):
        got = await client.post("/v1/images/edits", json=body)
    assert (got.status_code, upstream.seen) == (400, [])
    assert text in got.json()["error"]["message"]


async def test_an_image_at_an_address_is_fetched_where_the_operator_allows_it(monkeypatch):
    async def fetch(_fetcher, urls):
        return {url: Fetched("image/png", base64.b64encode(PNG).decode()) for url in urls}

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    url = "https://example.org/cat.png"
    body = {"prompt": "greener", "images": [{"image_url": url}]}
    async with (
        run_upstream(lambda call: call.json(image_answer(PNG))) as upstream,
        adapter(upstream, fetch_media="https") as client,
    ):
        got = await client.post("/v1/images/edits", json=body)
    assert got.status_code == 200
    assert base64.b64decode(upstream.seen[0].body["contents"][0]["parts"][0]["inlineData"]["data"]) == PNG


async def test_a_stored_file_is_edited_by_its_id(tmp_path):
    async def script(call):
        await call.json(image_answer(PNG))

    async with run_upstream(script) as upstream, adapter(upstream, files_dir=str(tmp_path)) as client:
        stored = await openai_of(client).files.create(file=("a.png", PNG, "image/png"), purpose="vision")
        body = {"prompt": "greener", "images": [{"file_id": stored.id}]}
        got = await client.post("/v1/images/edits", json=body)
    assert got.status_code == 200, got.text
    blob = upstream.seen[-1].body["contents"][0]["parts"][0]["inlineData"]
    assert base64.b64decode(blob["data"]) == PNG


LINKED = {"public_url": "http://gateway.example/", "client_keys": ("right", "other")}


async def test_a_link_leads_to_the_image_without_a_key_for_an_hour(tmp_path, monkeypatch):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, files_dir=str(tmp_path), **LINKED) as client:
        body = {"prompt": "a cat", "response_format": "url", "output_format": "jpeg"}
        got = await client.post("/v1/images/generations", json=body, headers={"authorization": "Bearer right"})
        url = got.json()["data"][0]["url"]
        assert url.startswith("http://gateway.example/v1/images/files/")
        path = url.removeprefix("http://gateway.example")
        image = await client.get(path)
        missing = await client.get(path[:-1] + ("0" if path[-1] != "0" else "1"))
        odd = await client.get("/v1/images/files/x/y")
        [file] = [one for one in tmp_path.rglob("jpeg-*") if one.is_file()]
        mode = file.stat().st_mode & 0o777
        os.utime(file, (1, 1))
        late = await client.get(path)
    assert Image.open(io.BytesIO(image.content)).format == "JPEG"
    assert image.headers["content-type"] == "image/jpeg"
    assert "image-url-inline" not in got.headers["x-adapter-notes"]
    assert [one.status_code for one in (missing, odd, late)] == [404, 404, 404]
    assert mode == 0o600


async def test_without_room_for_images_the_url_is_a_data_url_and_a_note_says_so(tmp_path):
    room = {"files_dir": str(tmp_path), "files_max_bytes": 10, **LINKED}
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, **room) as client:
        body = {"prompt": "a cat", "response_format": "url"}
        got = await client.post("/v1/images/generations", json=body, headers={"authorization": "Bearer right"})
    assert got.json()["data"][0]["url"].startswith("data:image/png;base64,")
    assert "image-url-inline" in got.headers["x-adapter-notes"]


async def test_images_under_links_count_for_their_client_alone(tmp_path):
    body = {"prompt": "a cat", "response_format": "url"}
    async with run_upstream(draws) as upstream:
        room = {"files_dir": str(tmp_path), "files_max_bytes": len(PNG) + 10, **LINKED}
        async with adapter(upstream, **room) as client:
            links = []
            for key in ("right", "right", "other"):
                got = await client.post("/v1/images/generations", json=body, headers={"authorization": f"Bearer {key}"})
                links.append(got.json()["data"][0]["url"].partition(":")[0])
        modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("png-*")}
        folders = {path.parent.stat().st_mode & 0o777 for path in tmp_path.rglob("png-*")}
    assert links == ["http", "data", "http"]
    assert (modes, folders, tmp_path.stat().st_mode & 0o777) == ({0o600}, {0o700}, 0o700)


async def test_a_bomb_that_gemini_draws_is_an_error_and_one_that_a_client_sends_is_not_opened():
    ihdr = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + PNG[24:29]
    header = PNG[:12] + ihdr + zlib.crc32(ihdr).to_bytes(4, "big") + PNG[33:]

    async def script(call):
        await call.json(image_answer(header if "bomb" in json.dumps(call.request.body) else PNG))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        with pytest.raises(APIError, match="exceeds limit"):
            await openai_of(client).images.generate(prompt="a bomb", output_format="jpeg")
        got = await openai_of(client).images.edit(prompt="greener", image=("a.png", header, "image/png"))
    assert got.size == "512x512"
    blob = upstream.seen[-1].body["contents"][0]["parts"][0]["inlineData"]
    assert base64.b64decode(blob["data"]) == header


async def test_the_page_shows_neither_images_nor_sounds_whole():
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    speech = {"model": "gpt-4o-mini-tts", "input": "Hello there, how are you?", "stream_format": "sse"}
    large = {"type": "image_generation", "size": "4096x4096"}
    asked = {
        "/v1/images/generations": {"prompt": "a cat", "stream": True, "size": "4096x4096"},
        "/v1/images/edits": {"prompt": "greener", "images": [{"image_url": url}], "size": "4096x4096"},
        "/v1/audio/speech": speech,
        "/v1/responses": {"model": "gemini-3.1-flash-image", "input": "a cat", "tools": [large]},
    }
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, inspector="on") as client:
        for path, body in asked.items():
            assert (await client.post(path, json=body)).status_code == 200
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
        shown = [(await client.get(f"/inspector/exchanges/{row['key']}")).text for row in rows]
    assert len(shown) == 4
    for text in shown:
        assert " characters ..." in text
        assert re.search(r"[A-Za-z0-9+/]{300}", text) is None


async def test_drafts_among_the_thoughts_are_no_results():
    async def script(call):
        await call.json(image_answer(PNG, thought="AAAA"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        found = await openai_of(client).images.generate(prompt="a cat")
    assert [base64.b64decode(one.b64_json) for one in found.data] == [PNG]


async def test_one_blocked_among_several_is_told():
    numbers = iter(range(3))

    async def script(call):
        await call.json(image_answer(finish="IMAGE_SAFETY") if next(numbers) == 1 else image_answer(PNG))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post("/v1/images/generations", json={"prompt": "a cat", "n": 3})
    assert len(got.json()["data"]) == 2
    assert "images-missing" in got.headers["x-adapter-notes"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("blocked", "moderation_blocked"),
        ("blocked-image-safety", "moderation_blocked"),
        ("image-safety", "moderation_blocked"),
        ("image-prohibited-content", "moderation_blocked"),
        ("image-recitation", "content_policy_violation"),
        ("no-image", "no_image_generated"),
        ("image-other", "no_image_generated"),
    ],
)
async def test_what_gemini_does_not_draw_is_a_400_that_says_why(fault, code):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        with pytest.raises(BadRequestError) as refused:
            await openai_of(client).images.generate(model=FAULTY + fault, prompt="a cat")
    assert refused.value.code == code


async def test_a_stream_that_fails_before_its_first_byte_is_an_error_of_http():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        with pytest.raises(BadRequestError):
            await openai_of(client).images.generate(model=FAULTY + "no-image", prompt="a cat", stream=True)


async def test_a_stream_that_fails_later_ends_with_an_error():
    async def script(call):
        await asyncio.sleep(0.3)
        await call.json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, 400)

    async with run_upstream(script) as upstream, adapter(upstream, commit_after=0.05) as client:
        stream = await openai_of(client).images.generate(prompt="a cat", stream=True)
        with pytest.raises(APIError, match="no"):
            _ = [event async for event in stream]


@pytest.mark.parametrize("model", ["a b", "gemini-3.8-flash", "tts-1"])
async def test_a_model_that_draws_nothing_is_refused(model):
    async with run_upstream(lambda call: call.json(answer("x"))) as upstream, adapter(upstream) as client:
        got = await client.post("/v1/images/generations", json={"prompt": "a", "model": model})
    assert (got.status_code, got.json()["error"]["param"], upstream.seen) == (400, "model", [])


async def test_strict_mode_refuses_a_mask():
    async with run_upstream(lambda call: call.json(image_answer(PNG))) as upstream, adapter(upstream) as client:
        with pytest.raises(OpenAIError, match="mask"):
            await openai_of(client).images.edit(
                image=PNG, mask=PNG, prompt="a", extra_headers={"x-adapter-strict": "answers"}
            )
    assert upstream.seen == []


async def test_the_page_shows_forms_without_their_bytes():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, inspector="on") as client:
        await openai_of(client).images.edit(image=("cat.png", PNG), prompt="greener")
        rows = (await client.get("/inspector/exchanges")).json()
        got = await client.get(f"/inspector/exchanges/{rows['exchanges'][0]['key']}")
    shown, exchange = got.text, got.json()
    assert exchange["is_form"] is True
    assert json.loads(exchange["request"])["image"] == {"filename": "cat.png", "type": "image/png", "bytes": len(PNG)}
    assert base64.b64encode(PNG).decode()[:60] not in shown
