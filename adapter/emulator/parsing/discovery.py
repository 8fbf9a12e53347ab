"""Makes `fields.json`: Google's discovery document, reduced to what a request parser needs.

The discovery document of the Gemini Developer API names every message, field and enum, but not the enums' own names,
which appear in the server's error texts; `ENUM_NAMES` supplies those (from the public protos in googleapis). To make
the file again from a newer document: `orjson.dumps(derive(document), option=orjson.OPT_INDENT_2)`.

A field's type is one word: a scalar (`string`, `bool`, `int32`, `int64`, `float`, `double`, `bytes`, `duration`,
`timestamp`), `any` (a google.protobuf.Value), `struct` (a google.protobuf.Struct), `enum NAME`, or a message's name;
`[T]` is a list and `{T}` a map from strings.
"""

from typing import Any

SOURCE = "Google API discovery document generativelanguage v1beta"

ROOTS = ("GenerateContentRequest", "CountTokensRequest", "EmbedContentRequest", "BatchEmbedContentsRequest")
"""The request messages whose fields, at any depth, are kept."""

ENUM_NAMES = {
    "Schema.type": "Type",
    "SafetySetting.category": "HarmCategory",
    "SafetySetting.threshold": "SafetySetting.HarmBlockThreshold",
    "GenerationConfig.responseModalities": "GenerationConfig.Modality",
    "EmbedContentRequest.taskType": "TaskType",
    "GenerateContentRequest.serviceTier": "ServiceTier",
    "ToolCall.toolType": "ToolType",
    "ToolResponse.toolType": "ToolType",
}
"""Enums that are not named after their message and field."""

FORMATS = {"byte": "bytes", "google-duration": "duration", "google-datetime": "timestamp"}


def derive(document: dict[str, Any]) -> dict[str, Any]:
    """Return the compact field table of a discovery document."""
    schemas: dict[str, Any] = document["schemas"]
    messages: dict[str, dict[str, str]] = {}
    enums: dict[str, list[str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in messages:
            continue
        properties: dict[str, Any] = schemas[name].get("properties", {})
        messages[name] = {key: kind(name, key, value, enums) for key, value in properties.items()}
        waiting.extend(type_.strip("[]{}") for type_ in messages[name].values() if type_.strip("[]{}") in schemas)
    return {
        "source": SOURCE,
        "revision": document["revision"],
        "messages": dict(sorted(messages.items())),
        "enums": dict(sorted(enums.items())),
    }


def kind(message: str, field: str, value: dict[str, Any], enums: dict[str, list[str]]) -> str:
    """Return the type word of one field; enums met on the way are added to `enums`."""
    if "$ref" in value:
        return str(value["$ref"])
    if "enum" in value:
        name = ENUM_NAMES.get(f"{message}.{field}", f"{message}.{field[0].upper()}{field[1:]}")
        enums[name] = value["enum"]
        return f"enum {name}"
    if value["type"] == "array":
        return f"[{kind(message, field, value['items'], enums)}]"
    if value["type"] == "object":
        return describe_object(message, field, value.get("additionalProperties", {}), enums)
    return scalar(value)


def describe_object(message: str, field: str, values: dict[str, Any], enums: dict[str, list[str]]) -> str:
    """Return the type word of an object; a map of anything is a Struct on the wire."""
    if values.get("type", "any") == "any" and "$ref" not in values:
        return "struct"
    return f"{{{kind(message, field, values, enums)}}}"


def scalar(value: dict[str, Any]) -> str:
    """Return the type word of a scalar: `string` with a format, a sized number, `bool` or `any`."""
    form = value.get("format")
    if form:
        return str(FORMATS.get(form, form))
    return "bool" if value["type"] == "boolean" else str(value["type"])
