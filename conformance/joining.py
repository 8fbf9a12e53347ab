"""A stream's chunks as one answer, put together as OpenAI's SDKs do it."""

from typing import Any

Object = dict[str, Any]


class BrokenStream(Exception):
    """The chunks break a rule that clients rely on; the text says which."""


def merge(total: Object, delta: Object) -> Object:
    """One delta into what came before, as openai-python's `_deltas.py`: texts add up, lists merge by `index`."""
    for key, value in delta.items():
        before = total.get(key)
        if value is None:
            total.setdefault(key, None)
        elif before is None or key in ("index", "type"):
            total[key] = _copy(value)
        elif isinstance(value, dict):
            merge(before, value)
        elif isinstance(value, list):
            _merge_lists(before, value)
        else:
            total[key] = before + value
    return total


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _merge_lists(total: list[Any], items: list[Any]) -> None:
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("index"), int):
            raise BrokenStream("a list comes in two chunks and its items have no index")
        if item["index"] > len(total):
            raise BrokenStream(f"item {item['index']} comes before item {len(total)}")
        if item["index"] == len(total):
            total.append(_copy(item))
        else:
            merge(total[item["index"]], item)


def join(chunks: list[Object]) -> Object:
    """Return the answer that the chunks add up to. Raises `BrokenStream`."""
    for chunk in chunks:
        if missing := {"id", "created", "model", "choices"} - chunk.keys():
            raise BrokenStream(f"a chunk without {', '.join(sorted(missing))}")
    answer: Object = {key: value for key, value in chunks[0].items() if key != "choices"} if chunks else {}
    choices: dict[int, Object] = {}
    for chunk in chunks:
        if "usage" in answer and answer["usage"] and chunk["choices"]:
            raise BrokenStream("a choice goes on after the usage")
        for name in ("id", "created", "model"):
            if chunk[name] != answer[name]:
                raise BrokenStream(f"{name} changes inside the stream")
        answer.update({key: value for key, value in chunk.items() if key != "choices" and value is not None})
        for piece in chunk["choices"]:
            _add(choices, piece)
    answer["choices"] = [choices[index] for index in sorted(choices)]
    return answer


def _add(choices: dict[int, Object], piece: Object) -> None:
    index = piece["index"]
    if index > len(choices):
        raise BrokenStream(f"choice {index} starts before choice {len(choices)}")
    choice = choices.setdefault(index, {"index": index, "message": {}, "finish_reason": None, "logprobs": None})
    if choice["finish_reason"] is not None:
        raise BrokenStream(f"choice {index} goes on after its finish reason")
    if bool(choice["message"]) is ("role" in piece["delta"] and piece["delta"]["role"] is not None):
        raise BrokenStream("the role comes once, in the first chunk of a choice")
    merge(choice["message"], piece["delta"])
    choice["finish_reason"] = piece.get("finish_reason")
    if piece.get("logprobs"):
        choice["logprobs"] = merge_logprobs(choice["logprobs"], piece["logprobs"])


def merge_logprobs(total: Object | None, more: Object) -> Object:
    """Log probabilities follow one another."""
    return {key: [*((total or {}).get(key) or []), *(value or [])] or None for key, value in more.items()}
