"""Protobuf JSON, read as Google's front end reads it: every violation of a body is found, and all go into one 400.

Accepted, as by the server: both spellings of a field, one object where a list is expected, enums by name in any case or
by number, numbers as strings and strings as numbers where the type is numeric, base64 in both alphabets with or without
padding, `null` for "not set". Texts follow publicly reported answers of the server (for instance
github.com/google-gemini/gemini-cli/issues/14368 for bytes).
"""

import base64
import binascii
import math
import re
from typing import Any

import orjson

from adapter.emulator.core.errors import TYPE_URL, Refusal
from adapter.emulator.parsing.field_table import PACKAGE, FieldType, snake, table

MAX_DEPTH = 100
"""Protobuf's JSON parser gives up below this nesting."""

ONEOFS = {
    "Part": (
        "data",
        (
            "text",
            "inlineData",
            "fileData",
            "functionCall",
            "functionResponse",
            "executableCode",
            "codeExecutionResult",
            "toolCall",
            "toolResponse",
            "audioTranscription",
        ),
    ),
    "FunctionResponsePart": ("data", ("inlineData", "fileData")),
}

INTEGER_BITS = {"int32": 31, "int64": 63}
DURATION = re.compile(r"-?\d{1,12}(\.\d{1,9})?s")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class BadValue(ValueError):
    """A scalar that its field cannot hold, with the server's words after the value, if any."""


class Violations:
    """Collects one line and one google.rpc.BadRequest.FieldViolation per fault."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fields: list[dict[str, str]] = []

    def report_unknown(self, name: str, path: str, why: str) -> None:
        """Report a name that the message does not have, or that cannot start such a value."""
        place = f" at '{path}'" if path else ""
        self.add(path, f'Invalid JSON payload received. Unknown name "{name}"{place}: {why}')

    def value(self, path: str, type_: str, quote_value: str) -> None:
        """Report a value that its field cannot hold."""
        self.add(path, f"Invalid value at '{path}' ({type_}), {quote_value}")

    def add(self, path: str, line: str) -> None:
        """Add one violation in both forms."""
        self.lines.append(line)
        self.fields.append({"field": path, "description": line} if path else {"description": line})

    def refusal(self) -> Refusal:
        """Return one 400 with all violations."""
        details = [{"@type": f"{TYPE_URL}BadRequest", "fieldViolations": self.fields}]
        return Refusal(400, "\n".join(self.lines), details)


def read_json(body: bytes) -> Any:
    """Read the body as JSON; an empty body is an empty message."""
    if not body.strip():
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed_json(error) from None


def malformed_json(error: orjson.JSONDecodeError) -> Refusal:
    """Return the error for malformed JSON: the line, and a caret under the place."""
    start = max(0, error.pos - 20)
    excerpt = error.doc[start : error.pos + 20].replace("\n", " ")
    caret = " " * (error.pos - start) + "^"
    return Refusal(400, f"Invalid JSON payload received. Unexpected token.\n{excerpt}\n{caret}")


def parse(body: Any, message: str) -> dict[str, Any]:
    """Parse a body into a message with JSON names, canonical enums, decoded bytes and no nulls; raises `Refusal`."""
    violations = Violations()
    if depth_exceeds(body, MAX_DEPTH):
        violations.add("", "Invalid JSON payload received. Message too deep. Max recursion depth reached.")
        raise violations.refusal()
    if not isinstance(body, dict):
        violations.add("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')
        raise violations.refusal()
    parsed = read_message(body, message, "", violations)
    if violations.lines:
        raise violations.refusal()
    return parsed


def depth_exceeds(value: Any, limit: int) -> bool:
    """Return whether lists and objects nest deeper than `limit`; level by level, so no recursion of ours."""
    level = [value]
    for _ in range(limit + 1):
        level = [child for item in level for child in children(item)]
        if not level:
            return False
    return True


def children(value: Any) -> list[Any]:
    """Return the containers directly inside a container."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in inside if isinstance(child, dict | list)]


def read_message(body: dict[str, Any], message: str, path: str, violations: Violations) -> dict[str, Any]:
    """Read every field of one message."""
    fields = table().messages[message]
    parsed: dict[str, Any] = {}
    for name, value in body.items():
        field = fields.get(name)
        if field is None:
            violations.report_unknown(name, path, "Cannot find field.")
        elif value is not None and not report_second_member(field, message, parsed, path, violations):
            parsed[field.name] = read_field(field, value, join(path, snake(field.name)), (name, path), violations)
    return parsed


def report_second_member(
    field: FieldType, message: str, parsed: dict[str, Any], path: str, violations: Violations
) -> bool:
    """Return whether this is a second member of a oneof, and report it; the first stays."""
    oneof, members = ONEOFS.get(message, ("", ()))
    if field.name not in members or not any(member in parsed for member in members):
        return False
    violations.value(path, "oneof", f"oneof field '{oneof}' is already set. Cannot set '{field.name}'")
    return True


def read_field(field: FieldType, value: Any, path: str, where: tuple[str, str], violations: Violations) -> Any:
    """Read one field that is known and set; `where` is its name as sent and its parent's path."""
    if field.wrap == "list":
        items = value if isinstance(value, list) else [value]
        numbered = isinstance(value, list)
        return [
            read_one(field, item, f"{path}[{index}]" if numbered else path, (where[0], path), violations)
            for index, item in enumerate(items)
            if item is not None
        ]
    if isinstance(value, list) and field.type != "any":
        return violations.report_unknown(*where, "Proto field is not repeating, cannot start list.")
    if field.wrap == "map":
        return read_map(field, value, path, violations)
    return read_one(field, value, path, where, violations)


def read_map(field: FieldType, value: Any, path: str, violations: Violations) -> dict[str, Any]:
    """Read a map's values; the server counts its entries and calls each value `value`."""
    if not isinstance(value, dict):
        violations.value(path, "Map", quote_value(value))
        return {}
    return {
        key: read_one(field, item, f"{path}[{index}].value", (key, path), violations)
        for index, (key, item) in enumerate(value.items())
        if item is not None
    }


def read_one(field: FieldType, value: Any, path: str, where: tuple[str, str], violations: Violations) -> Any:
    """Read a value that is neither a list nor a map."""
    if field.type == "any":
        return value
    if field.type[0].isupper() or field.type == "struct":
        return read_object(field.type, value, path, violations)
    if isinstance(value, dict):
        return violations.report_unknown(*where, "Starting an object on a scalar field.")
    if isinstance(value, list):
        return violations.report_unknown(*where, "Proto field is not repeating, cannot start list.")
    try:
        return read_enum(field.enum, value) if field.enum else SCALARS[field.type](value)
    except BadValue as error:
        violations.value(path, type_name(field), f"{error}{quote_value(value)}")
        return None


def read_object(type_: str, value: Any, path: str, violations: Violations) -> dict[str, Any]:
    """Read a message or a Struct; what is inside a Struct is free."""
    if not isinstance(value, dict):
        url = "google.protobuf.Struct" if type_ == "struct" else f"{PACKAGE}.{type_}"
        violations.value(path, f"type.googleapis.com/{url}", quote_value(value))
        return {}
    return value if type_ == "struct" else read_message(value, type_, path, violations)


def read_enum(name: str, value: Any) -> str:
    """Read an enum by name in any case, or by number."""
    values = table().enums[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return values[value] if 0 <= value < len(values) else f"UNKNOWN_{value}"
    for enum_name in values:
        if isinstance(value, str) and enum_name.lower() == value.lower():
            return enum_name
    raise BadValue


def read_string(value: Any) -> str:
    """Read a string. Raises `BadValue`."""
    if not isinstance(value, str):
        raise BadValue
    return value


def read_bool(value: Any) -> bool:
    """Read a boolean, also as a string, as protobuf's JSON may write it. Raises `BadValue`."""
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise BadValue
    return value


def read_number(value: Any) -> float:
    """Read a number, or one written as a string."""
    if isinstance(value, bool):
        raise BadValue
    try:
        return float(value)
    except ValueError:
        raise BadValue from None


def read_integer(value: Any, bits: int) -> int:
    """Read a whole number in range; `40.0` and `"40"` are whole numbers too."""
    number = value if isinstance(value, int) and not isinstance(value, bool) else read_number(value)
    if not math.isfinite(number) or number != int(number) or not -(2**bits) <= number < 2**bits:
        raise BadValue
    return int(number)


def read_bytes(value: Any) -> bytes:
    """Read base64 of either alphabet, padded or not."""
    text = read_string(value).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=usable(text))
    except binascii.Error:
        raise BadValue("Base64 decoding failed for ") from None


def usable(text: str) -> bool:
    """Check that a text is more than padding. Raises `BadValue`: padding alone decodes to nothing, a failure there."""
    if text and not text.rstrip("="):
        raise BadValue("Base64 decoding failed for ")
    return True


def read_matching(value: Any, pattern: re.Pattern[str]) -> str:
    """Read a duration or a timestamp."""
    if not pattern.fullmatch(read_string(value)):
        raise BadValue
    return str(value)


SCALARS: dict[str, Any] = {
    "string": read_string,
    "bool": read_bool,
    "float": read_number,
    "double": read_number,
    "int32": lambda value: read_integer(value, INTEGER_BITS["int32"]),
    "int64": lambda value: read_integer(value, INTEGER_BITS["int64"]),
    "bytes": read_bytes,
    "duration": lambda value: read_matching(value, DURATION),
    "timestamp": lambda value: read_matching(value, TIMESTAMP),
}


def type_name(field: FieldType) -> str:
    """Return a scalar or enum as the server names it in an error."""
    if field.enum:
        return f"type.googleapis.com/{PACKAGE}.{field.enum}"
    if field.type in ("duration", "timestamp"):
        return f"type.googleapis.com/google.protobuf.{field.type.capitalize()}"
    return f"TYPE_{field.type.upper()}"


def quote_value(value: Any) -> str:
    """Quote a value as the server quotes it."""
    return orjson.dumps(value).decode()


def join(path: str, name: str) -> str:
    """Join a path and a name: `contents[0]` and `parts` are `contents[0].parts`."""
    return f"{path}.{name}" if path else name
