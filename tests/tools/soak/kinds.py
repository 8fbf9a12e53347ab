"""The kinds of clients in a soak; each tells a right answer from a wrong one by its content."""

import json
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import Random
from typing import Any

import aiohttp

MODEL = "gemini-3.8-flash"
WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "gecko", "hazel", "iris", "jade", "über", "naïve", "東京",
    "☕", "😀", "zebra",
)  # fmt: skip
HARMLESS = ("bytes", "split-utf8", "split-crlf", "one-write", "comments", "late-usage")
REFUSED = ("400", "429", "429-bare", "500", "503", "504", "html-502", "array-error", "not-json")
BROKEN = ("tail-error", "tail-event", "no-finish", "cut", "cut-event")
STEPS = 4
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Wrong(Exception):
    """An answer that should have been another."""


def expect(condition: bool, *told: Any) -> None:
    """Raise `Wrong` unless the condition holds."""
    if not condition:
        raise Wrong(*told)


class Clients:
    """Asks one adapter."""

    def __init__(self, session: aiohttp.ClientSession, random: Random) -> None:
        self._session = session
        self._random = random

    def _sentence(self, words: int) -> str:
        """Words that nobody else is told."""
        return " ".join([secrets.token_hex(6), *self._random.choices(WORDS, k=words)])

    def _asking(self, words: int, fault: str = "", **fields: Any) -> tuple[str, dict[str, Any]]:
        """The words of the expected answer, and the request for them."""
        said = self._sentence(words)
        model = f"{MODEL}+fault-{fault}" if fault else MODEL
        return said, {"model": model, "messages": [{"role": "user", "content": f'Say "{said}"'}], **fields}

    async def _whole(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        async with self._session.post("/v1/chat/completions", json=body) as answer:
            return answer.status, await answer.json()

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any] | None, None]:
        """The chunks of a stream; None is its proper end."""
        async with self._session.post("/v1/chat/completions", json={**body, "stream": True}) as answer:
            if answer.status != 200:
                yield await answer.json()
                return
            buffer = b""
            async for piece in answer.content.iter_any():
                *frames, buffer = (buffer + piece).split(b"\n\n")
                for frame in frames:
                    if frame.startswith(b"data: "):
                        yield None if frame == b"data: [DONE]" else json.loads(frame[6:])
            expect(not buffer, "half a frame at the end", buffer)

    async def _ask_stream(self, body: dict[str, Any]) -> tuple[str, str | None, dict[str, Any] | None, bool]:
        """The text, the finish reason, the error, and whether the stream ended as it should."""
        text, finish, error, ended = "", None, None, False
        async for chunk in self._events(body):
            expect(not ended and error is None, "something after the end", chunk)
            if chunk is None:
                ended = True
            elif "error" in chunk:
                error = chunk["error"]
            else:
                for choice in chunk["choices"]:
                    text += choice["delta"].get("content") or ""
                    finish = choice["finish_reason"] or finish
        return text, finish, error, ended

    async def whole(self) -> None:
        """A whole answer."""
        said, body = self._asking(self._random.choice((3, 30, 300)))
        status, answer = await self._whole(body)
        expect(status == 200, status, answer)
        choice = answer["choices"][0]
        expect((choice["message"]["content"], choice["finish_reason"]) == (said, "stop"), said, answer)

    async def stream(self, fault: str = "") -> None:
        """A stream, whole in spite of how it was cut into pieces."""
        said, body = self._asking(self._random.choice((3, 30, 100)), fault)
        expect(await self._ask_stream(body) == (said, "stop", None, True), said, fault)

    async def harmless(self) -> None:
        """A stream in odd pieces."""
        await self.stream(self._random.choice(HARMLESS))

    async def ask_refused(self) -> None:
        """An error before anything was said: an HTTP status, and OpenAI's error."""
        fault = self._random.choice(REFUSED)
        _, body = self._asking(3, fault)
        if self._random.random() < 0.5:
            status, answer = await self._whole(body)
            expect(status >= 400, fault, status, answer)
            error = answer["error"]
        else:
            text, finish, error, ended = await self._ask_stream(body)
            expect((text, finish, ended) == ("", None, False), fault, text, finish, ended)
        expect(error is not None and set(error) == {"message", "type", "param", "code"}, fault, error)
        expect(error["code"] != "internal_error", fault, error)

    async def ask_broken(self) -> None:
        """A stream that breaks off: what came is right, and it does not look finished."""
        fault = self._random.choice(BROKEN)
        said, body = self._asking(30, fault)
        text, finish, error, ended = await self._ask_stream(body)
        expect(said.startswith(text), fault, said, text)
        expect(error is not None and finish is None and not ended, fault, error, finish, ended)

    async def leaving(self) -> None:
        """A client that hangs up after a few events."""
        _, body = self._asking(100)
        left = self._random.randrange(6)
        async with aclosing(self._events(body)) as events:
            async for _ in events:
                left -= 1
                if left < 0:
                    break

    async def ask_malformed(self) -> None:
        """Requests that are wrong."""
        bodies: list[Any] = [{}, [], {"model": MODEL}, {"model": MODEL, "messages": [{"role": "nobody"}]}, "x" * 10_000]
        status, answer = await self._whole(self._random.choice(bodies))
        expect(status == 400 and set(answer["error"]) == {"message", "type", "param", "code"}, status, answer)

    async def loop(self) -> None:
        """A tool loop of a client that keeps only what OpenAI names; each answer quotes the result of its call."""
        messages: list[dict[str, Any]] = [{"role": "user", "content": f"Check the weather in {STEPS} steps."}]
        for _ in range(STEPS):
            status, answer = await self._whole({"model": MODEL, "messages": messages, "tools": [TOOL]})
            expect(status == 200, status, answer)
            message = answer["choices"][0]["message"]
            expect(bool(message.get("tool_calls")), answer)
            calls = [{key: call[key] for key in ("id", "type", "function")} for call in message["tool_calls"]]
            messages.append({"role": "assistant", "content": message["content"], "tool_calls": calls})
            said = secrets.token_hex(8)
            messages += [{"role": "tool", "tool_call_id": call["id"], "content": said} for call in calls]
        status, answer = await self._whole({"model": MODEL, "messages": messages, "tools": [TOOL]})
        expect(status == 200 and said in answer["choices"][0]["message"]["content"], status, answer, said)

    def kinds(self) -> list[tuple[str, int, Callable[[], Awaitable[None]]]]:
        """Name, weight and function of each kind: six in ten are answered as they should."""
        return [
            ("whole", 35, self.whole),
            ("stream", 25, self.stream),
            ("loop", 8, self.loop),
            ("harmless", 8, self.harmless),
            ("leaving", 10, self.leaving),
            ("broken", 5, self.ask_broken),
            ("refused", 5, self.ask_refused),
            ("malformed", 4, self.ask_malformed),
        ]
