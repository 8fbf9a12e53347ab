"""Content and its parts, in requests and answers (Generative Language API, discovery revision 20260325)."""

import msgspec

from adapter.wire.base import ABSENT, Wire


class Gemini(Wire, rename="camel"):
    """The base of Gemini's messages: lowerCamelCase on the wire."""


class Blob(Gemini):
    """Media in line; `data` is base64, standard or URL-safe."""

    mime_type: str | None = None
    data: str | None = None
    display_name: str | None = None


class FileData(Gemini):
    """Media by URI: Files API, gs://, YouTube, https."""

    mime_type: str | None = None
    file_uri: str | None = None
    display_name: str | None = None


class PartialArg(Gemini):
    """A piece of streamed function call arguments (Vertex AI, `streamFunctionCallArguments`)."""

    json_path: str | None = None
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    null_value: str | int | None = None
    will_continue: bool | None = None


class FunctionCall(Gemini):
    """`args` is a JSON object; absent for a call without arguments."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = ABSENT
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class FunctionResponsePart(Gemini):
    """Media inside a function response (Gemini 3)."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Gemini):
    """`response` is a JSON object; its keys `output` and `error` have a defined meaning."""

    id: str | None = None
    name: str | None = None
    response: msgspec.Raw = ABSENT
    parts: list[FunctionResponsePart] | None = None
    will_continue: bool | None = None
    scheduling: str | None = None


class PartMediaResolution(Gemini):
    """MEDIA_RESOLUTION_LOW, _MEDIUM, _HIGH or _ULTRA_HIGH."""

    level: str | None = None
    num_tokens: int | None = None


class Part(Gemini):
    """Exactly one data member, plus side fields. Members this project only carries are free-form."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: msgspec.Raw = ABSENT
    code_execution_result: msgspec.Raw = ABSENT
    tool_call: msgspec.Raw = ABSENT
    tool_response: msgspec.Raw = ABSENT
    audio_transcription: msgspec.Raw = ABSENT
    thought: bool | None = None
    thought_signature: str | None = None
    video_metadata: msgspec.Raw = ABSENT
    media_resolution: PartMediaResolution | None = None
    media_processing: msgspec.Raw = ABSENT
    part_metadata: msgspec.Raw = ABSENT
    speech_metadata: msgspec.Raw = ABSENT
    document_metadata: msgspec.Raw = ABSENT
    spreadsheet_metadata: msgspec.Raw = ABSENT
    audio_metadata: msgspec.Raw = ABSENT


class Content(Gemini):
    """One turn: role `user` or `model`, and its parts in order."""

    role: str | None = None
    parts: list[Part] | None = None
