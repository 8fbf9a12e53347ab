"""The function calls of an answer; the rules are in the package's docstring."""

import re
from collections import Counter
from typing import Any, NamedTuple

from adapter.emulator.core.conversation import EXACTLY, Request, calling_config, declarations, steps_done, task
from adapter.emulator.schemas.hints import Hints, hints
from adapter.emulator.schemas.openapi import to_json_schema
from adapter.emulator.schemas.sample import sample

NUMBER_WORDS = "one two three four five six seven eight nine ten eleven twelve"
WORDS = {word: number for number, word in enumerate(NUMBER_WORDS.split(), start=1)}
NUMBER = rf"(\d{{1,3}}|{'|'.join(WORDS)})"
STEPS = re.compile(rf"\b{NUMBER}\s+steps?\b", re.IGNORECASE)
AT_ONCE = re.compile(rf"\b{NUMBER}\s+at\s+once\b", re.IGNORECASE)
MAX_CALLS = 128

COMMON_TEXT = """
    about after also another based been before call current data does each exactly exist find first following from
    function given have here information into just like list make more must need needs only other over please provided
    request required result results return returned returns shall should some such that their them then there these
    they this those tool tools used user uses using value values what when where which while will with would your
"""
COMMON_WORDS = frozenset(COMMON_TEXT.split())
"""Words that say nothing about what a function is for."""


class PlannedCall(NamedTuple):
    """One call with generated arguments."""

    name: str
    args: dict[str, Any]


def next_calls(request: Request) -> list[PlannedCall]:
    """Return the calls of this answer; none means that the model answers."""
    text = task(request["contents"])
    done = steps_done(request["contents"])
    steps, at_once = read_count(STEPS, text), read_count(AT_ONCE, text)
    chosen = choose(request, text, counting=bool(steps or at_once))
    if not chosen or (mode(request) != "ANY" and done >= (steps or 1)):
        return []
    if at_once or steps:
        width = at_once or 1
        offset = done * width
        chosen = [chosen[(offset + number) % len(chosen)] for number in range(width)]
    return with_arguments(chosen, hints(AT_ONCE.sub("", STEPS.sub("", text))), done * len(chosen))


def mode(request: Request) -> str:
    """Return the calling mode, AUTO unless set."""
    found = calling_config(request).get("mode", "AUTO")
    return "AUTO" if found == "MODE_UNSPECIFIED" else str(found)


def read_count(pattern: re.Pattern[str], text: str) -> int:
    """Read the number in `3 steps` or `two at once`; 0 when the text says nothing of the kind."""
    match = pattern.search(text)
    if not match:
        return 0
    word = match[1].lower()
    return min(WORDS.get(word) or int(word), MAX_CALLS)


def choose(request: Request, text: str, *, counting: bool) -> list[dict[str, Any]]:
    """Choose the functions to call: the named ones, else the best by its words, else the first if a call is forced.

    Words alone say less than `say "X"`, which asks for an answer.
    """
    functions = callable_functions(request)
    chosen = find_named(functions, text)
    if not chosen and (counting or mode(request) == "ANY" or not EXACTLY.search(text)):
        chosen = find_named_in_part(functions, text) or find_best_described(functions, text)
    if chosen or not (counting or mode(request) == "ANY"):
        return chosen
    return functions if counting else functions[:1]


def callable_functions(request: Request) -> list[dict[str, Any]]:
    """Return the declared functions that the mode leaves."""
    if mode(request) == "NONE":
        return []
    allowed = calling_config(request).get("allowedFunctionNames", [])
    return [function for function in declarations(request) if not allowed or function["name"] in allowed]


def find_named(functions: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Find the functions whose names are in the text, in its order; `get time` is `get_time`, too."""
    lowered = text.lower()
    places = ((position(function["name"].lower(), lowered), function) for function in functions)
    placed = [(place, index, function) for index, (place, function) in enumerate(places) if place >= 0]
    return [function for _, _, function in sorted(placed, key=lambda item: item[:2])]


def position(name: str, text: str) -> int:
    """Return where the text has the name as a word of its own; -1 when nowhere."""
    for form in (name, re.sub(r"[_.:\-]+", " ", name).strip()):
        match = re.search(rf"(?<![\w-]){re.escape(form)}(?![\w-])", text)
        if match:
            return match.start()
    return -1


OWN_WORD = re.compile(r"(?<![\w-])[^\W\d_]+(?![\w-])")
"""A word that is no part of an identifier."""

NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def find_named_in_part(functions: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Return the function of whose name the text has most words; the first declared wins a tie."""
    words = singular(content_words(" ".join(OWN_WORD.findall(text))))
    return best_by([len(words & name_words(function["name"])) for function in functions], functions)


def name_words(name: str) -> set[str]:
    """Return the words of a name in snake case or camel case that mean something."""
    return singular(content_words(" ".join(NAME_WORD.findall(name))))


def singular(words: set[str]) -> set[str]:
    """Remove the plural's s from words."""
    return {word.removesuffix("s") for word in words}


def find_best_described(functions: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Return the function whose description shares most words with the text; the first declared wins a tie."""
    words = content_words(text)
    return best_by([len(words & content_words(function.get("description", ""))) for function in functions], functions)


def best_by(scores: list[int], functions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the function with the highest score; none where all are zero."""
    best = max(scores, default=0)
    return [functions[scores.index(best)]] if best else []


def content_words(text: str) -> set[str]:
    """Return the words with at least four letters that mean something."""
    return {word for word in re.findall(r"[^\W\d_]{4,}", text.lower()) if word not in COMMON_WORDS}


def with_arguments(functions: list[dict[str, Any]], mentioned: Hints, offset: int) -> list[PlannedCall]:
    """Give each call arguments; calls of one function differ where the schema allows it."""
    seen: Counter[str] = Counter()
    planned = []
    for function in functions:
        name = function["name"]
        planned.append(PlannedCall(name, arguments(function, mentioned, offset + seen[name])))
        seen[name] += 1
    return planned


def arguments(function: dict[str, Any], mentioned: Hints, variant: int) -> dict[str, Any]:
    """Return an object that validates against the function's parameters."""
    schema = function.get("parametersJsonSchema")
    if schema is None:
        schema = to_json_schema(function.get("parameters", {"type": "OBJECT"}))
    value = sample(schema, mentioned, variant)
    return value if isinstance(value, dict) else {}
