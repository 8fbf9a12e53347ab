"""One function or custom tool of a client as a function declaration of Gemini's."""

from typing import Literal, NamedTuple

import msgspec

from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.schema import json_schema as schema
from adapter.translate.schema import openapi as schema_openapi
from adapter.translate.tools.names import upstream_name
from adapter.wire.base import encode, present
from adapter.wire.gemini.generate import FunctionDeclaration
from adapter.wire.openai.chat_request import Tool


class Declared(NamedTuple):
    """One tool that the client declared, as its answers need it."""

    name: str
    kind: Literal["function", "custom", "legacy"]
    parameters: msgspec.Raw


def declare(
    tool: Tool, path: str, dialect: Literal["json", "openapi"]
) -> tuple[FunctionDeclaration, Declared, list[Note]]:
    """Return a tool's declaration, what its answers need, and notes. Raises `Rejected` for one that cannot be used."""
    if tool.type == "custom":
        return _custom(tool, path, dialect)
    function = tool.function
    if function is None or not function.name:
        raise Rejected(f"tools{path}.function.name", "value-missing", "a function needs a name")
    notes: list[Note] = []
    parameters = function.parameters
    declaration = FunctionDeclaration(name=upstream_name(function.name), description=function.description)
    if present(parameters):
        at = f"{path}.function.parameters"
        converted = convert_schema(parameters, f"tools{at}", dialect)
        notes += [note.below(at) for note in converted.notes]
        set_schema(declaration, converted.schema, dialect)
    return declaration, Declared(function.name, "function", parameters), notes


def _custom(
    tool: Tool, path: str, dialect: Literal["json", "openapi"]
) -> tuple[FunctionDeclaration, Declared, list[Note]]:
    custom = tool.custom
    if custom is None or not custom.name:
        raise Rejected(f"tools{path}.custom.name", "value-missing", "a custom tool needs a name")
    text = "The whole input, as plain text."
    notes = [
        Note(
            f"{path}.custom",
            Fate.APPROXIMATED,
            "custom-tool-as-function",
            "sent as a function with one string parameter, input",
        )
    ]
    if custom.format and custom.format.grammar:
        grammar = custom.format.grammar
        text = f"The whole input, as plain text that follows this {grammar.syntax} grammar:\n{grammar.definition}"
        reason = "Gemini does not enforce grammars: the model sees it as a description"
        notes.append(Note(f"{path}.custom.format.grammar", Fate.APPROXIMATED, "grammar-not-enforced", reason))
    parameters = {
        "type": "object",
        "properties": {"input": {"type": "string", "description": text}},
        "required": ["input"],
    }
    declaration = FunctionDeclaration(name=upstream_name(custom.name), description=custom.description)
    raw = msgspec.Raw(encode(parameters))
    set_schema(declaration, convert_schema(raw, f"tools{path}.custom", dialect).schema, dialect)
    return declaration, Declared(custom.name, "custom", raw), notes


def set_schema(declaration: FunctionDeclaration, value: msgspec.Raw, dialect: Literal["json", "openapi"]) -> None:
    """Put the parameters where the upstream reads them."""
    if dialect == "json":
        declaration.parameters_json_schema = value
    elif bytes(value) != b'{"type":"OBJECT"}':
        declaration.parameters = value


def convert_schema(
    raw: msgspec.Raw, path: str, dialect: Literal["json", "openapi"], *, restored: bool = True
) -> schema.ConvertedSchema:
    """Convert a schema to the upstream's dialect. Raises `Rejected` at `path` for one that cannot be used.

    `restored` is true for the schema of arguments: in OpenAPI's dialect enums hold texts alone, so numbers travel as
    texts, and the arguments of calls are restored.
    """
    try:
        if dialect == "json":
            return schema.to_json_schema(raw)
        return schema_openapi.to_openapi_schema(raw, restored=restored)
    except schema.UnusableSchema as error:
        raise Rejected(f"{path}.{error.path}" if error.path else path, "schema-unusable", error.reason) from None
