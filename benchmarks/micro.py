"""`python -m benchmarks.micro`: the translation alone, in one process, at sizes of 1, 10 and 100.

Prints microseconds and how many times the cost of the size before: ten times the size should cost about ten times.
"""

import datetime
import json
import struct
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
import orjson

from adapter import settings
from adapter.cli.prediction import predicted_error
from adapter.server.dry_run.dry_run import DryRun, as_line, dry_run_of
from adapter.translate import chat
from adapter.translate.core.context import Context, Stamp
from adapter.translate.embeddings import embeddings
from adapter.translate.embeddings.embeddings import EmbeddingContext
from adapter.translate.signatures.history import look_up
from adapter.translate.signatures.prefix_digest import call_digest, call_spelling
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.embeddings import EmbeddingRequest
from adapter.wire.reader import read
from adapter.wire.signatures import Signature
from adapter.wire.sse import event
from benchmarks.upstream import DIMENSIONS
from benchmarks.workloads import EMBEDDING_MODEL, MODEL, history, image, tools
from tests.support.planning import plan_for

CHOSEN = settings.Settings()
NAMES, OPTIONS = settings.catalogue(CHOSEN, datetime.date(2026, 11, 30)), settings.options(CHOSEN)
STAMP = Stamp(seed="s", id="chatcmpl-1", created=1, model=MODEL)


def cost(work: Callable[[], object], least: float = 0.2) -> float:
    """Microseconds of CPU for one call: the best of five, each at least so many seconds long."""
    number = 1
    while True:
        begun = time.process_time()
        for _ in range(number):
            work()
        spent = time.process_time() - begun
        if spent > least / 4:
            break
        number *= 2
    best = spent / number
    for _ in range(4):
        begun = time.process_time()
        for _ in range(number):
            work()
        best = min(best, (time.process_time() - begun) / number)
    return best * 1e6


def translate_chat(body: bytes, found: dict[str, Signature]) -> bytes:
    """Do all work between a client's bytes and Gemini's."""
    request, unknown = read(body, ChatCompletionRequest)
    return encode(plan_for(request, unknown, NAMES, OPTIONS, history=look_up(request, found)).body)


def make_answer(text: str, finish: str | None = None) -> dict[str, Any]:
    """Return an answer of Gemini's."""
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, "finishReason": finish}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL, "responseId": "r"}


def context() -> Context:
    """Return the context of a small request."""
    request = ChatCompletionRequest(model=MODEL, messages=[])
    return Context(request=request, capabilities=settings.find_served_model(MODEL, NAMES)[1], options=OPTIONS)


def requests() -> dict[str, list[tuple[bytes, dict[str, Signature]]]]:
    """Requests by kind, at sizes of 1, 10 and 100."""
    loop = history(400)
    signed = {
        f"id:{call['id']}": record(call["function"])
        for message in loop["messages"]
        for call in message.get("tool_calls", ())
    }
    plain = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    texts = [
        [{"role": "user" if n % 2 == 0 else "assistant", "content": "x" * 500} for n in range(m)] for m in (1, 11, 101)
    ]
    return {
        "small chat": [(_bytes(plain), {})],
        "chat of messages of 500 B": [(_bytes({"model": MODEL, "messages": messages}), {}) for messages in texts],
        "tools of 1.8 KB": [(_bytes({**plain, "tools": tools(n, 1_800)}), {}) for n in (1, 10, 100)],
        "history of known calls (4, 40, 400)": [(_bytes(history(n)), signed) for n in (4, 40, 400)],
        "history of unknown calls (4, 40, 400)": [(_bytes(history(n)), {}) for n in (4, 40, 400)],
        "image of 10 KB": [(_bytes(image(n)), {}) for n in (10_000, 100_000, 1_000_000)],
    }


def turns(number: int) -> list[dict[str, str]]:
    """Short messages of a user and an assistant in turn; the last is the user's."""
    roles = ["user" if (number - turn) % 2 else "assistant" for turn in range(number)]
    return [{"role": role, "content": "What is the weather like today?"} for role in roles]


def record(function: dict[str, str]) -> Signature:
    """Return the stored record of a call."""
    said = function["name"], function["arguments"]
    digest, spelling = call_digest(*said), call_spelling(*said)
    return Signature(value="QUJD" * 30, id="g1", origin="studio", digest=digest, spelling=spelling, position=0)


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def print_row(name: str, costs: list[float]) -> None:
    """Print one row."""
    grown = [f"{after / before:.1f}x" for before, after in pairwise(costs)]
    print(f"{name:48}" + "".join(f"{value:11.1f}" for value in costs) + "   " + " ".join(grown))


def main() -> None:
    """Measure and print."""
    print(f"{'microseconds':48}{'x 1':>11}{'x 10':>11}{'x 100':>11}   growth")
    for name, bodies in requests().items():
        print_row(f"decode: {name}", [cost(partial(read, body, ChatCompletionRequest)) for body, _ in bodies])
        print_row(
            f"decode, to_gemini, encode: {name}", [cost(partial(translate_chat, body, found)) for body, found in bodies]
        )
    run = dry_run_of(CHOSEN, 1_796_000_000.0, predicted_error)
    lines = [_bytes({"model": MODEL, "messages": turns(n), "tools": tools(1, 500)}) for n in (1, 10, 100)]
    print_row(
        "adapter translate: a line of 1, 10, 100 turns",
        [cost(partial(dry_run, run, line)) for line in lines],
    )
    where = context()
    answers = [_bytes(make_answer("x" * 100 * size, "STOP")) for size in (1, 10, 100)]
    whole = [decode(body, GenerateContentResponse)[0] for body in answers]
    print_row("from_gemini: text of 100 B", [cost(partial(chat.from_gemini, one, where, STAMP)) for one in whole])
    for size in (1, 10, 100):
        chunk = decode(_bytes({**make_answer("x" * 20)}), GenerateContentResponse)[0]
        spent = cost(partial(measure_stream, where, chunk, 10 * size)) / (10 * size)
        print(f"{f'ChatStream.feed and encoding, of {10 * size} chunks':48}{spent:11.2f} each")
    embeddings_lines()


def dry_run(run: DryRun, line: bytes) -> bytes:
    """Do what `adapter translate` does with one line."""
    return as_line(run.line(line))


def embeddings_lines() -> None:
    """Measure an answer's vectors: the adapter's work, and the least that any library here needs for it."""
    vector = [round((-1) ** number * (number + 1) / 20_011, 8) for number in range(DIMENSIONS)]
    answers = [_bytes({"embeddings": [{"values": vector}] * number}) for number in (1, 10, 100)]
    for encoding in ("float", "base64"):
        print_row(
            f"vectors of {DIMENSIONS} numbers: {encoding}",
            [cost(partial(translate_embeddings, one, encoding)) for one in answers],
        )
    text, floats = _bytes(vector), struct.Struct(f"<{DIMENSIONS}f")
    packed = floats.pack(*vector)
    steps: dict[str, Callable[[], object]] = {
        "reading the numbers": partial(orjson.loads, text),
        "packing them": lambda: floats.pack(*vector),
        "base64": partial(encode, packed),
    }
    for name, step in steps.items():
        one = cost(step)
        print_row(f"of it, {name}", [one, 10 * one, 100 * one])


def translate_embeddings(answer: bytes, encoding: str) -> bytes:
    """Do all work between Gemini's bytes and the client's."""
    size = answer.count(b"values")
    request = EmbeddingRequest(
        input=["x"] * size, model=EMBEDDING_MODEL, encoding_format=encoding, dimensions=DIMENSIONS
    )
    served = settings.find_served_model(EMBEDDING_MODEL, NAMES, "embeddings")
    plan = embeddings.to_gemini(EmbeddingContext(request=request, served=served, options=OPTIONS))
    read = plan.method.read(answer, decode)
    return encode(embeddings.from_gemini([read], plan, request, EMBEDDING_MODEL)[0])


def measure_stream(where: Context, chunk: GenerateContentResponse, number: int) -> None:
    """Measure a stream of equal chunks."""
    machine = chat.ChatStream(where, msgspec.structs.replace(STAMP))
    for _ in range(number):
        for piece in machine.feed(chunk, {}):
            event(piece)


if __name__ == "__main__":
    main()
