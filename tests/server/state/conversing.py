"""Conversations whose every answer is marked, for tests of isolation.

The upstream answers from a small set of colliding texts, calls, code and images; each part that it issues carries a
mark, its signature or its id, that names the answer and the part. A conversation knows which answer each turn of its
history came from. What Gemini gets must be the client's history and nothing else, but marks of those very parts.
"""

import base64
import copy
import itertools
import json

from tests.support.scripted import answer

MODEL = "gemini-3.5-flash"
STAND_IN = "skip_thought_signature_validator"
PIXELS = ("AAAA", "BBBB")
WORDS = ("Check my balance", "ok?", "Draw a cat")

SCHEMA = {"type": "object", "properties": {"a": {}}}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("f", "g")]
RESPONSE_TOOLS = [{"type": "function", "name": name, "parameters": SCHEMA} for name in ("f", "g")]


def text(said):
    return {"text": said}


def call(name, argument):
    return {"functionCall": {"name": name, "args": {"a": argument}}}


def code(who):
    return {"executableCode": {"language": "PYTHON", "code": f"balance('{who}')"}}


def code_result(who):
    return {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": f"{who} 100\n"}}


def image(pixels):
    return {"inlineData": {"mimeType": "image/png", "data": pixels}}


def search_part(kind):
    return {kind: {"toolType": "GOOGLE_SEARCH_WEB", **({"args": {}} if kind == "toolCall" else {"response": {}})}}


ANSWERS = {
    "text": ([text("Done.")], ()),
    "signed text": ([text("Done.")], (0,)),
    "ann's code": ([code("ann"), code_result("ann"), text("Done.")], (0, 2)),
    "eve's code": ([code("eve"), code_result("eve"), text("Done.")], (0, 2)),
    "one image": ([image("AAAA"), text("Done.")], (0,)),
    "other image": ([image("BBBB"), text("Done.")], (0,)),
    "call": ([call("f", 1)], (0,)),
    "two calls": ([call("f", 1), call("g", 1)], (0,)),
    "text and call": ([text("Done."), call("f", 1)], (0, 1)),
    "search and call": (
        [search_part("toolCall"), search_part("toolResponse"), text("Done. "), call("f", 1)],
        (0, 1, 3),
    ),
}
"""Parts, and which of them are signed."""


class Marking:
    """Gemini, as far as it issues: `next` says what comes, `issued` has every marked part."""

    def __init__(self):
        self.next = "text"
        self.issued = {}
        self.ids = {}
        self._serial = itertools.count(1)
        self.last = None
        self.histories = {}

    async def script(self, request):
        parts = self.parts()
        if "stream" in request.request.path:
            await request.stream(answer(*parts))
        else:
            await request.json(answer(*parts))

    def with_words(self, left):
        """The answers whose history says this, whatever a client shows of images."""
        histories = self.histories.items() if left is not None else ()
        return [serial for serial, told in histories if any(could_be(left, one) for one in told)]

    def parts(self):
        """The next answer, marked."""
        serial = next(self._serial)
        plain, signed = ANSWERS[self.next]
        parts = copy.deepcopy(plain)
        for number, part in enumerate(parts):
            for kind in ("functionCall", "toolCall", "toolResponse", "executableCode"):
                if kind in part:
                    part[kind]["id"] = f"g{serial}.{number}"
                    self.ids[f"g{serial}.{number}"] = (serial, plain[number])
            if number in signed:
                mark = base64.b64encode(f"mark {serial}.{number} of one part".encode()).decode()
                part["thoughtSignature"] = mark
                self.issued[mark] = (serial, plain[number])
        self.last = serial
        return parts


def bare(part):
    """A part without what Gemini alone gives it."""
    plain = {key: copy.deepcopy(value) for key, value in part.items() if key != "thoughtSignature"}
    for value in plain.values():
        if isinstance(value, dict):
            value.pop("id", None)
    return {"text": plain["text"].strip()} if "text" in plain else plain


def kinds(parts, kind):
    return [bare(part) for part in parts if kind in part]


class Turn:
    """One turn of a history: what the user said, and the answer as Gemini gave it.

    `serial` is the answer's; `carried` are the client's own messages or items for it; `results` those of its calls.
    """

    def __init__(self, said):
        self.said = said
        self.serial = None
        self.kind = None
        self.carried = []
        self.results = []
        self.edited = False

    @property
    def parts(self):
        return ANSWERS[self.kind][0]


def words(turns, *, shows_images):
    """The words and calls of a client's history, as far as it shows them."""
    shown = ("text", "functionCall", "inlineData") if shows_images else ("text", "functionCall")
    return [(turn.said, turn.edited, [kinds(turn.parts, kind) for kind in shown]) for turn in turns]


def could_be(left, told):
    """Return whether two histories may be equal: a client may leave out the text beside calls."""
    said, calls, *_ = left[-1][2]
    trimmed = [*told[:-1], (*told[-1][:2], [said, *told[-1][2][1:]])] if calls and not said else told
    return left in (told, trimmed)


def check(marking, turns, body, *, shows_code, shows_images, is_cut=False):
    """Raise unless what Gemini got is these turns, and every mark belongs to its very part.

    `shows_code` and `shows_images`: whether this client's history can have these. `is_cut`: it was trimmed or edited;
    what is left may be word for word the history of another answer, which nobody could tell from it.
    """
    got = [content for content in body["contents"] if content["role"] == "model"]
    answered = [turn for turn in turns if turn.kind is not None]
    assert len(got) == len(answered), "one model turn per answer"
    for number, (content, turn) in enumerate(zip(got, answered, strict=True), 1):
        left = words(answered[:number], shows_images=shows_images) if is_cut else None
        check_marks(marking, content["parts"], turn.serial, marking.with_words(left))
        check_visible(content["parts"], turn, shows_code=shows_code, shows_images=shows_images)


HIDDEN = ("toolCall", "toolResponse", "executableCode", "codeExecutionResult")
"""Parts that only Gemini saw: no other answer may have them, not even one with the same words."""


def check_marks(marking, parts, own, alike):
    for part in parts:
        serials = {own} if any(kind in part for kind in HIDDEN) else {own, *alike}
        mark = part.get("thoughtSignature")
        if mark not in (None, STAND_IN):
            serial, plain = marking.issued[mark]
            assert serial in serials, "a signature of another answer"
            assert bare(part) == bare(plain), "a signature of another part"
        for value in part.values():
            if isinstance(value, dict) and str(value.get("id")).startswith("g"):
                serial, plain = marking.ids[value["id"]]
                assert serial in serials, "an id of another answer"
                assert bare(part) == bare(plain), "an id of another part"


def check_visible(parts, turn, *, shows_code, shows_images):
    own = turn.parts
    said = "".join(part.get("text", "") for part in parts).strip()
    assert said == ("Edited." if turn.edited else "".join(part.get("text", "") for part in own).strip())
    assert sorted(map(json.dumps, kinds(parts, "functionCall"))) == sorted(map(json.dumps, kinds(own, "functionCall")))
    images = kinds(own, "inlineData") if shows_images else []
    assert kinds(parts, "inlineData") == images, "the client's images, and no others"
    for kind in ("executableCode", "codeExecutionResult"):
        sent = kinds(parts, kind)
        assert sent == kinds(own, kind) or (sent == [] and not shows_code), "the client's code, and no other"
