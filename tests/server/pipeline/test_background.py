"""Responses in the background: polled, watched, cancelled, from this process and from another one."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from functools import partialmethod

import pytest

from adapter.server.pipeline import background
from adapter.store.documents.base import MemoryDocuments
from adapter.store.documents.sqlite import SqliteDocuments
from tests.support.guards import PATIENCE
from tests.support.scripted import adapter, answer, chat, frame, run_upstream
from tests.support.stateful import PATH, ask, read_events, text_of_response, wait_for_response


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Signs of life and looks at the store come faster than in earnest."""
    monkeypatch.setattr(background, "BEAT", 0.05)
    monkeypatch.setattr(background, "POLL", 0.02)


class Slow:
    """Says one word after the other; `go_on` lets it say the last."""

    def __init__(self):
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self, call):
        await call.start()
        for word in ("one ", "two "):
            await call.send(frame(answer(word, finish=None)))
        self.begun.set()
        await self.go_on.wait()
        await call.send(frame(answer("three")))
        await call.end()


@asynccontextmanager
async def two_processes(script, folder):
    """Clients of two adapters that share a store in a folder."""
    store = f"sqlite:{folder / 'state.sqlite3'}"
    async with (
        run_upstream(script) as upstream,
        adapter(upstream, store=store) as one,
        adapter(upstream, store=store) as two,
    ):
        yield one, two


async def start(client, **fields):
    """A response that was just put into the background."""
    response = await client.post(PATH, json=ask(background=True, **fields))
    assert response.status_code == 200, response.text
    return response.json()


async def read_until(lines, word):
    """The event stream up to an event with this word in it."""
    seen = []
    async for line in lines:
        seen.append(line)
        if word in line:
            break
    return "\n".join([*seen, "", ""])


async def until_said(client, response_id, word):
    """Wait until a response that runs has said a word."""
    async with client.stream("GET", f"{PATH}/{response_id}?stream=true") as response:
        await read_until(response.aiter_lines(), word)


async def test_it_is_polled_until_it_is_there():
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream) as client:
        queued = await start(client)
        await slow.begun.wait()
        running = (await client.get(f"{PATH}/{queued['id']}")).json()
        slow.go_on.set()
        done = await wait_for_response(client, queued["id"])
    assert (queued["status"], running["status"], done["status"]) == ("queued", "in_progress", "completed")
    assert queued["background"] is done["background"] is True
    assert text_of_response(done) == "one two three"


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_is_not_to_be_stored_is_polled_and_forgotten_after_a_while(stream, tmp_path, monkeypatch):
    """OpenAI keeps it for about ten minutes (https://developers.openai.com/api/docs/guides/background, 2026-10).

    Inspect AI sends this to every model with -pro in its name.
    """
    slow, ahead = Slow(), [0.0]
    monkeypatch.setattr(
        SqliteDocuments,
        "__init__",
        partialmethod(SqliteDocuments.__init__, clock=lambda: time.time() + ahead[0]),
    )
    async with two_processes(slow, tmp_path) as (one, two):
        conversation = (await one.post("/v1/conversations", json={})).json()["id"]
        if stream:
            body = ask(background=True, store=False, stream=True, conversation=conversation)
            async with one.stream("POST", PATH, json=body) as response:
                queued = read_events(await read_until(response.aiter_lines(), "two"))[0]["response"]
        else:
            queued = await start(one, store=False, conversation=conversation)
        await slow.begun.wait()
        running = (await two.get(f"{PATH}/{queued['id']}")).json()
        slow.go_on.set()
        done = await wait_for_response(two, queued["id"])
        followed = await one.post(PATH, json=ask("more", stream=True, previous_response_id=queued["id"]))
        items = (await one.get(f"/v1/conversations/{conversation}/items")).json()["data"]
        ahead[0] = 400.0
        still_there = await two.get(f"{PATH}/{queued['id']}")
        ahead[0] = 700.0
        forgotten = await two.get(f"{PATH}/{queued['id']}")
        gone = await one.post(PATH, json=ask("more", previous_response_id=queued["id"]))
        kept = await one.get(f"{PATH}/{read_events(followed.text)[-1]['response']['id']}")
        still = await one.get(f"/v1/conversations/{conversation}")
    assert (queued["store"], running["status"], done["status"]) == (False, "in_progress", "completed")
    assert done["store"] is False
    assert text_of_response(done) == "one two three"
    assert (followed.status_code, gone.status_code, kept.status_code, still.status_code) == (200, 400, 200, 200)
    assert (still_there.json(), forgotten.status_code, items) == (done, 404, [])


async def test_a_stream_that_was_left_is_taken_up_again_behind_any_event():
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream) as client:
        async with client.stream("POST", PATH, json=ask(background=True, stream=True)) as response:
            seen = read_events(await read_until(response.aiter_lines(), "two"))
        response_id = seen[0]["response"]["id"]
        slow.go_on.set()
        done = await wait_for_response(client, response_id)
        assert not upstream.gone.is_set()
        url = f"{PATH}/{response_id}"
        whole = await client.get(url, params={"stream": "true"})
        rests = [await client.get(url, params={"stream": "true", "starting_after": n}) for n in (0, 3, len(seen) - 1)]
    events = read_events(whole.text)
    assert events[: len(seen)] == seen
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"] == done
    assert whole.text.endswith("data: [DONE]\n\n")
    assert read_events(rests[0].text) == events[1:]
    assert read_events(rests[1].text) == events[4:]
    assert read_events(rests[2].text) == events[len(seen) :]


async def beyond(client, response_id, after):
    """The events of a stream that asks for what is behind a position."""
    url = f"{PATH}/{response_id}?stream=true&starting_after={after}"
    async with asyncio.timeout(PATIENCE):
        response = await client.get(url)
    assert response.text.endswith("data: [DONE]\n\n")
    return read_events(response.text)


@pytest.mark.parametrize("offset", [0, 1, 2, 1_000_000])
async def test_a_position_beyond_the_events_of_one_that_runs_ends_that_stream_and_freezes_nothing(offset):
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream) as client:
        queued = await start(client)
        async with client.stream("GET", f"{PATH}/{queued['id']}?stream=true") as response:
            seen = read_events(await read_until(response.aiter_lines(), "two"))
        after = len(seen) + offset
        assert await beyond(client, queued["id"], after) == []
        # Behind the last event that there is, others will be.
        waiting = asyncio.create_task(beyond(client, queued["id"], after - offset - 1))
        await asyncio.sleep(0.1)
        slow.go_on.set()
        done = await wait_for_response(client, queued["id"])
        assert (await waiting)[-1]["response"] == done


@pytest.mark.parametrize("offset", [0, 1, 2, 1_000_000])
async def test_a_position_beyond_the_end_of_one_that_has_ended_ends_the_stream_at_once(tmp_path, monkeypatch, offset):
    monkeypatch.setattr(background, "PATIENCE", 3600.0)

    async def script(call):
        await call.stream(answer("one"))

    async with two_processes(script, tmp_path) as (one, two):
        queued = await start(one)
        await wait_for_response(one, queued["id"])
        last = (await beyond(two, queued["id"], 0))[-1]["sequence_number"]
        for client in (one, two):
            assert await beyond(client, queued["id"], last + offset) == []


async def test_followers_that_come_while_the_last_events_are_written_down_freeze_nothing(monkeypatch):
    put, writing, go_on = MemoryDocuments.put, asyncio.Event(), asyncio.Event()

    async def slowly(store, documents, *others):
        if any(b"[DONE]" in document.body for document in documents):
            writing.set()
            await go_on.wait()
        return await put(store, documents, *others)

    async def script(call):
        await call.stream(answer("one"))

    monkeypatch.setattr(MemoryDocuments, "put", slowly)
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        queued = await start(client)
        await asyncio.wait_for(writing.wait(), PATIENCE)
        whole = await beyond(client, queued["id"], 0)
        last = whole[-1]["sequence_number"]
        rests = [await beyond(client, queued["id"], last + offset) for offset in (-1, 0, 1, 2, 1_000_000)]
        go_on.set()
    assert rests == [whole[-1:], [], [], [], []]


async def test_a_position_beyond_what_another_process_has_told_ends_the_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(background, "PATIENCE", 0.2)
    slow = Slow()
    async with two_processes(slow, tmp_path) as (one, two):
        queued = await start(one)
        await slow.begun.wait()
        assert await beyond(two, queued["id"], 1_000) == []
        slow.go_on.set()
        await wait_for_response(one, queued["id"])


async def test_a_follower_who_does_not_read_holds_up_nobody():
    slow = Slow()

    async def script(call):
        await call.start()
        for _ in range(200):
            await call.send(frame(answer("x" * 50_000, finish=None)))
        slow.begun.set()
        await slow.go_on.wait()
        await call.send(frame(answer("three")))
        await call.end()

    async with run_upstream(script) as upstream, adapter(upstream, write_timeout=0.3) as client:
        queued = await start(client)
        await asyncio.wait_for(slow.begun.wait(), PATIENCE)
        host, port = client.base_url.host, client.base_url.port
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(f"GET {PATH}/{queued['id']}?stream=true HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        await asyncio.sleep(0.5)
        slow.go_on.set()
        done = await wait_for_response(client, queued["id"])
        whole = await beyond(client, queued["id"], 0)
        left = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    assert whole[-1]["response"] == done
    assert text_of_response(done).endswith("three")
    assert b"[DONE]" not in left


async def test_one_who_watches_may_leave_without_a_word_in_the_log(caplog):
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream) as client:
        queued = await start(client)
        async with client.stream("GET", f"{PATH}/{queued['id']}?stream=true") as response:
            await read_until(response.aiter_lines(), "two")
        await asyncio.sleep(0.2)
        slow.go_on.set()
        await wait_for_response(client, queued["id"])
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_many_watch_one_that_runs():
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream) as client:
        queued = await start(client)
        watching = [asyncio.create_task(client.get(f"{PATH}/{queued['id']}?stream=true")) for _ in range(3)]
        await asyncio.sleep(0.2)
        slow.go_on.set()
        texts = {(await task).text for task in watching}
    assert len(texts) == 1
    assert read_events(texts.pop())[-1]["type"] == "response.completed"


async def test_a_cancelled_one_hangs_up_and_keeps_what_there_was():
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream) as client:
        queued = await start(client)
        await until_said(client, queued["id"], "two")
        cancelled = (await client.post(f"{PATH}/{queued['id']}/cancel")).json()
        again = (await client.post(f"{PATH}/{queued['id']}/cancel")).json()
        stream = await client.get(f"{PATH}/{queued['id']}?stream=true")
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)
    assert cancelled["status"] == "cancelled"
    assert text_of_response(cancelled) == "one two "
    assert again == cancelled
    last = read_events(stream.text)[-1]
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "cancelled")


async def test_only_one_in_the_background_is_cancelled_or_streamed_again():
    async def script(call):
        await call.json(answer("Hello"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        made = (await client.post(PATH, json=ask())).json()
        cancelled = await client.post(f"{PATH}/{made['id']}/cancel")
        streamed = await client.get(f"{PATH}/{made['id']}?stream=true")
    assert [cancelled.status_code, streamed.status_code] == [400, 400]


async def test_a_failure_is_told_to_who_polls():
    async def script(call):
        await call.json({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, 503)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        done = await wait_for_response(client, (await start(client))["id"])
    assert done["status"] == "failed"
    assert done["error"]["message"] == "overloaded"


async def test_a_request_that_cannot_be_served_is_refused_at_once():
    async with run_upstream(Slow()) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=ask([{"role": "narrator", "content": "x"}], background=True))
    assert response.status_code == 400
    assert upstream.seen == []


async def test_one_that_cannot_be_stored_is_not_begun(monkeypatch):
    async def put(_self, *_others):
        return False

    monkeypatch.setattr("adapter.store.documents.base.MemoryDocuments.put", put)
    async with run_upstream(Slow()) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=ask(background=True))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_stored")
    assert upstream.seen == []


async def test_no_more_run_than_may():
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream, max_background=1) as client:
        first = await start(client)
        refused = await client.post(PATH, json=ask(background=True))
        slow.go_on.set()
        await wait_for_response(client, first["id"])
        # Its place is free a moment after its end can be read.
        while (response := await client.post(PATH, json=ask(background=True))).status_code == 429:
            await asyncio.sleep(0.01)
        assert response.status_code == 200
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"


async def test_deleting_one_that_runs_ends_it():
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream) as client:
        queued = await start(client)
        await slow.begun.wait()
        deleted = await client.delete(f"{PATH}/{queued['id']}")
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)
        await asyncio.sleep(0.2)
        found = await client.get(f"{PATH}/{queued['id']}")
    assert deleted.json()["deleted"] is True
    assert found.status_code == 404


async def test_nothing_follows_one_that_is_not_finished():
    slow = Slow()
    async with run_upstream(slow) as upstream, adapter(upstream) as client:
        queued = await start(client)
        refused = await client.post(PATH, json=ask(previous_response_id=queued["id"]))
        slow.go_on.set()
        await wait_for_response(client, queued["id"])
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "previous_response_id"


async def test_another_process_watches_and_cancels(tmp_path):
    slow = Slow()
    async with two_processes(slow, tmp_path) as (one, two):
        first, second = await start(one), await start(one)
        watching = asyncio.create_task(two.get(f"{PATH}/{first['id']}?stream=true&starting_after=1"))
        cancelled = (await two.post(f"{PATH}/{second['id']}/cancel")).json()
        await asyncio.sleep(0.2)
        assert not watching.done()
        slow.go_on.set()
        events = read_events((await watching).text)
        whole = read_events((await one.get(f"{PATH}/{first['id']}?stream=true")).text)
    assert cancelled["status"] == "cancelled"
    assert events == whole[2:]
    assert events[-1]["type"] == "response.completed"


async def test_the_end_of_the_process_is_a_failure_that_can_be_read(tmp_path):
    store = f"sqlite:{tmp_path / 'state.sqlite3'}"
    slow = Slow()
    async with run_upstream(slow) as upstream:
        async with adapter(upstream, store=store) as client:
            queued = await start(client)
            await until_said(client, queued["id"], "two")
        async with adapter(upstream, store=store) as client:
            found = (await client.get(f"{PATH}/{queued['id']}")).json()
            events = read_events((await client.get(f"{PATH}/{queued['id']}?stream=true")).text)
    assert found["status"] == "failed"
    assert text_of_response(found) == "one two "
    assert events[-1]["type"] == "response.failed"


async def test_a_process_that_dies_without_a_word_leaves_a_failure(tmp_path, monkeypatch):
    async def dies(_job):
        """Stops all writing."""

    monkeypatch.setattr(background, "PATIENCE", 0.1)
    monkeypatch.setattr(background.Job, "_run", dies)
    async with run_upstream(Slow()) as upstream, adapter(upstream) as client:
        queued = await start(client)
        before = (await client.get(f"{PATH}/{queued['id']}")).json()
        monkeypatch.setattr(background, "DEAD_AFTER", -1.0)
        after = (await client.get(f"{PATH}/{queued['id']}")).json()
        events = read_events((await client.get(f"{PATH}/{queued['id']}?stream=true")).text)
    assert before["status"] == "in_progress"
    assert (after["status"], after["error"]["code"]) == ("failed", "server_error")
    assert (events[0]["type"], events[0]["error"]["code"]) == ("error", "server_error")
    assert events[1:] == [{"type": "response.failed", "sequence_number": 1, "response": after}]


@pytest.mark.parametrize(("finish", "told_as"), [("STOP", "response.completed"), ("MAX_TOKENS", "response.incomplete")])
async def test_the_end_is_told_as_it_was_also_where_its_events_were_lost(tmp_path, monkeypatch, finish, told_as):
    async def lose(_job):
        """The store takes no events."""

    monkeypatch.setattr(background, "PATIENCE", 0.1)
    monkeypatch.setattr(background.Job, "_write_piece", lose)

    async def script(call):
        await call.start()
        await call.send(frame(answer("one", finish=finish)))
        await call.end()

    async with two_processes(script, tmp_path) as (one, two):
        queued = await start(one)
        whole = await wait_for_response(one, queued["id"])
        events = read_events((await two.get(f"{PATH}/{queued['id']}?stream=true")).text)
    assert events == [{"type": told_as, "sequence_number": 0, "response": whole}]


async def test_a_slow_store_hides_no_event_from_another_process(tmp_path, monkeypatch):
    put, written = SqliteDocuments.put, asyncio.Event()

    async def slowly(store, documents, *others):
        done = await put(store, documents, *others)
        if any(document.key.startswith("events:") for document in documents) and not written.is_set():
            written.set()
            await asyncio.sleep(0.5)
        return done

    monkeypatch.setattr(background, "PATIENCE", 1.0)
    monkeypatch.setattr(SqliteDocuments, "put", slowly)
    slow = Slow()
    async with two_processes(slow, tmp_path) as (one, two):
        queued = await start(one)
        watching = asyncio.create_task(two.get(f"{PATH}/{queued['id']}?stream=true"))
        await written.wait()
        # The piece is read, and not yet known to be written, when the response ends.
        await asyncio.sleep(0.2)
        slow.go_on.set()
        await wait_for_response(one, queued["id"])
        events = read_events((await watching).text)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events].count("response.output_text.delta") == 3


async def test_events_that_left_memory_are_read_from_the_store(monkeypatch):
    monkeypatch.setattr(background, "MAX_HELD_BYTES", 2_000)
    go_on = asyncio.Event()

    async def script(call):
        await call.start()
        for number in range(100):
            await call.send(frame(answer(f"word {number} ", finish=None)))
        await go_on.wait()
        await call.send(frame(answer("end")))
        await call.end()

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        queued = await start(client)
        await asyncio.sleep(0.5)
        watching = asyncio.create_task(client.get(f"{PATH}/{queued['id']}?stream=true"))
        await asyncio.sleep(0.2)
        go_on.set()
        events = read_events((await watching).text)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert "word 0 word 1 " in text_of_response(events[-1]["response"])


async def test_other_requests_are_served_meanwhile():
    slow = Slow()

    async def script(call):
        await (slow(call) if ":stream" in call.request.path else call.json(answer("Hello")))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        queued = await start(client)
        response = await client.post("/v1/chat/completions", json=chat())
        slow.go_on.set()
        await wait_for_response(client, queued["id"])
    assert json.loads(response.text)["choices"][0]["message"]["content"] == "Hello"
