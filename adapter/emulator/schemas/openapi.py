"""The Schema message (`parameters`, `responseSchema`) as JSON Schema."""

from typing import Any

PLAIN = (
    "title",
    "description",
    "format",
    "enum",
    "required",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "pattern",
)


def to_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return Gemini's schema as JSON Schema: types in lower case, `nullable` as a type."""
    converted = {name: schema[name] for name in PLAIN if name in schema}
    if schema.get("type", "TYPE_UNSPECIFIED") != "TYPE_UNSPECIFIED":
        converted["type"] = schema["type"].lower()
    if "properties" in schema:
        converted["properties"] = {name: to_json_schema(child) for name, child in schema["properties"].items()}
    if "items" in schema:
        converted["items"] = to_json_schema(schema["items"])
    if "anyOf" in schema:
        converted["anyOf"] = [to_json_schema(child) for child in schema["anyOf"]]
    if schema.get("nullable"):
        return {"anyOf": [converted, {"type": "null"}]}
    return converted
