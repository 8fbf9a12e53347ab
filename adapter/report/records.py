"""Records that a reader makes of a file of recorded traffic."""

import msgspec


class Location(msgspec.Struct, frozen=True, order=True):
    """A place in a file ("line 3", "entry 7")."""

    file: str
    position: str


class RecordedUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that the recorded answer counted. `output` includes `thoughts`, `input` includes `cached`."""

    input: int = 0
    output: int = 0
    thoughts: int = 0
    cached: int = 0


class RecordedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded call of OpenAI's API.

    `path` is OpenAI's ("/v1/chat/completions"), `body` the request's JSON. `answer_id` is the id of the answer, by
    which a later request may refer to it; `session` is what the recording tool says belongs together (a trace, a
    thread), or "". `status` is 0 where the recording has none.
    """

    path: str
    body: bytes
    place: Location
    session: str = ""
    answer_id: str = ""
    status: int = 0
    usage: RecordedUsage | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """A piece of a file that is no request, and why."""

    place: Location
    reason: str


RecordedPiece = RecordedRequest | Unreadable
