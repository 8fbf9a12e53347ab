"""The events of a streamed response as one response, put together and checked as OpenAI's SDKs do it."""

from typing import Any

from conformance.joining import BrokenStream

Object = dict[str, Any]

TERMINAL = ("response.completed", "response.incomplete", "response.failed")

GROWING = {
    "response.output_text": ("text", "output_text"),
    "response.refusal": ("refusal", "refusal"),
    "response.reasoning_summary_text": ("text", "summary_text"),
    "response.function_call_arguments": ("arguments", "function_call"),
    "response.custom_tool_call_input": ("input", "custom_tool_call"),
    "response.code_interpreter_call_code": ("code", "code_interpreter_call"),
}
"""Fields that grow by deltas: the member that holds the whole in the `done` event, and the type of the part or item."""


class _Stream:
    """The response that the events have described so far."""

    def __init__(self) -> None:
        self.items: list[Object] = []
        self.done: set[int] = set()
        self.texts: dict[tuple[Any, ...], str] = {}
        self.told: set[tuple[Any, ...]] = set()
        self.parts: dict[tuple[Any, ...], bool] = {}
        self.citations: dict[tuple[Any, ...], list[Any]] = {}

    def item(self, event: Object) -> Object:
        """Return the open item that an event is about."""
        index = event["output_index"]
        if index >= len(self.items):
            raise BrokenStream(f"{event['type']} comes before output_item.added of {index}")
        if index in self.done:
            raise BrokenStream(f"{event['type']} comes after output_item.done of {index}")
        item = self.items[index]
        if "item_id" in event and event["item_id"] != item["id"]:
            raise BrokenStream(f"{event['type']} names another item than {item['id']}")
        return item


def join_events(events: list[Object]) -> Object:
    """Return the response that the events describe. Raises `BrokenStream`."""
    stream = _Stream()
    for number, event in enumerate(events):
        if event.get("sequence_number") != number:
            raise BrokenStream(f"event {number} has the number {event.get('sequence_number')}")
        _add(stream, event, number, len(events))
    return _end(stream, events)


def _add(stream: _Stream, event: Object, number: int, count: int) -> None:
    kind: str = event["type"]
    if number < 2:
        expected = ("response.created", "response.in_progress")[number]
        if kind != expected or event["response"]["output"] or event["response"]["status"] != "in_progress":
            raise BrokenStream(f"event {number} is {kind}, or not an empty {expected}")
    elif kind in (*TERMINAL, "error"):
        if number != count - (2 if kind == "error" else 1):
            raise BrokenStream(f"{kind} is not the last event, or the error before it")
    elif kind == "response.output_item.added":
        _begin(stream, event)
    elif kind == "response.output_item.done":
        _end_item(stream, event)
    elif kind.endswith("_part.added"):
        _part_added(stream, event)
    elif kind.endswith("_part.done"):
        _part_done(stream, event)
    elif "output_index" in event:
        _inside(stream, event)
    else:
        raise BrokenStream(f"{kind} comes again, or is no event of a response")


def _begin(stream: _Stream, event: Object) -> None:
    if event["output_index"] != len(stream.items):
        raise BrokenStream(f"item {event['output_index']} begins where item {len(stream.items)} should")
    item = event["item"]
    if any(
        item[name] for name in ("content", "summary", "arguments", "input") if isinstance(item.get(name), (str, list))
    ):
        raise BrokenStream(f"item {item['id']} begins with content")
    if item.get("status", "in_progress") != "in_progress":
        raise BrokenStream(f"item {item['id']} begins as {item['status']}")
    stream.items.append(item)


def _end_item(stream: _Stream, event: Object) -> None:
    before, item = stream.item(event), event["item"]
    for name in ("id", "type", "call_id", "name"):
        if before.get(name) != item.get(name):
            raise BrokenStream(f"{name} of item {before['id']} changes to {item.get(name)}")
    index = event["output_index"]
    for (number, *_), still in stream.parts.items():
        if number == index and still:
            raise BrokenStream(f"item {item['id']} ends before its part")
    for number, part in enumerate(item.get("content") or ()):
        if part.get("annotations", []) != stream.citations.get((index, number), []):
            raise BrokenStream(f"item {item['id']} has other citations than its events")
    for path, text in stream.texts.items():
        if path[0] == index and (path not in stream.told or _whole(item, path) != text):
            raise BrokenStream(f"{path} of item {item['id']} is not told whole, or not what its deltas say: {text!r}")
    stream.items[index] = item
    stream.done.add(index)


def _whole(item: Object, path: tuple[Any, ...]) -> Any:
    _, name, number = path
    if number is None:
        return item[name]
    return item["summary" if item["type"] == "reasoning" else "content"][number][name]


def _place(event: Object) -> tuple[Any, ...]:
    return event["output_index"], event.get("content_index", event.get("summary_index"))


def _part_added(stream: _Stream, event: Object) -> None:
    stream.item(event)
    index, number = _place(event)
    if number != sum(place[0] == index for place in stream.parts):
        raise BrokenStream(f"part {number} of item {index} is out of order")
    stream.parts[index, number] = True


def _part_done(stream: _Stream, event: Object) -> None:
    stream.item(event)
    if not stream.parts.get(_place(event)):
        raise BrokenStream(f"{event['type']} ends no part")
    stream.parts[_place(event)] = False


def _inside(stream: _Stream, event: Object) -> None:
    """Read a delta, the end of some deltas, or a stage of a tool that Gemini runs."""
    item = stream.item(event)
    if event["type"] == "response.output_text.annotation.added":
        found = stream.citations.setdefault(_place(event), [])
        if event["annotation_index"] != len(found):
            raise BrokenStream(f"citation {event['annotation_index']} is out of order")
        found.append(event["annotation"])
    base, _, last = event["type"].rpartition(".")
    if base not in GROWING:
        return
    name, kind = GROWING[base]
    index, number = _place(event)
    if number is None and item["type"] != kind:
        raise BrokenStream(f"{event['type']} in an item of type {item['type']}")
    if number is not None and not stream.parts.get((index, number)):
        raise BrokenStream(f"{event['type']} outside a part")
    path = (index, name, number)
    if path in stream.told:
        raise BrokenStream(f"{event['type']} comes after the whole of it")
    if last == "delta":
        stream.texts[path] = stream.texts.get(path, "") + event["delta"]
    elif event[name] != stream.texts.get(path):
        raise BrokenStream(f"{event['type']}: the deltas say {stream.texts.get(path)!r}")
    else:
        stream.told.add(path)


def _end(stream: _Stream, events: list[Object]) -> Object:
    last = events[-1]
    if last["type"] not in TERMINAL:
        raise BrokenStream(f"the last event is {last['type']}")
    response: Object = last["response"]
    if {event["response"]["id"] for event in events if "response" in event} != {response["id"]}:
        raise BrokenStream("the response's id changes")
    if response["output"] != stream.items:
        raise BrokenStream("the response has other items than its events")
    if len(stream.done) < len(stream.items):
        raise BrokenStream("an item has no output_item.done")
    if any(item.get("status") == "incomplete" for item in stream.items[:-1]):
        raise BrokenStream("an incomplete item is not the last one")
    if f"response.{response['status']}" != last["type"]:
        raise BrokenStream(f"{last['type']} has the status {response['status']}")
    return response
