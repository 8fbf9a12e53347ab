"""Function declarations, their schemas, the calling mode, and which tools go together."""

import re
from collections import Counter
from typing import Any

from adapter.emulator.core.conversation import Request, built_in, calling_config, declarations, output_format
from adapter.emulator.core.errors import OPAQUE, bullet
from adapter.emulator.core.models import Model
from adapter.emulator.parsing.field_table import snake
from adapter.emulator.validation.json_schema import misshapen_paths, refusal

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:\-]{0,63}")
MAX_DECLARATIONS = 512
STRING_FORMATS = ("", "enum", "date-time")

BAD_NAME = (
    "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores "
    "(_), dots (.), colons (:), or dashes (-), with a maximum length of 64."
)
NEEDS_INVOCATIONS = (
    "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."
)


def tool_violations(request: Request) -> list[str]:
    """Return every bullet about `tools` and `tool_config`."""
    bullets = []
    for index, tool in enumerate(request.get("tools", [])):
        functions = tool.get("functionDeclarations", [])
        if len(functions) > MAX_DECLARATIONS:
            path = f"tools[{index}].function_declarations"
            bullets.append(bullet(path, f"at most {MAX_DECLARATIONS} function declarations are allowed"))
        for number, function in enumerate(functions):
            bullets += declaration_violations(function, f"tools[{index}].function_declarations[{number}]")
    return bullets + duplicates(request) + allowed_names(request)


def declaration_violations(function: dict[str, Any], path: str) -> list[str]:
    """Check a declaration's name, that it has one kind of schema, and the schema."""
    bullets = []
    if not NAME.fullmatch(function.get("name", "")):
        bullets.append(bullet(f"{path}.name", BAD_NAME))
    for plain, free in (("parameters", "parametersJsonSchema"), ("response", "responseJsonSchema")):
        if plain in function and free in function:
            bullets.append(bullet(f"{path}.{snake(free)}", f"only one of {plain} and {snake(free)} may be set"))
        if plain in function:
            bullets += schema_violations(function[plain], f"{path}.{plain}")
        if free in function:
            bullets += json_schema_violations(function[free], f"{path}.{snake(free)}")
    return bullets


def json_schema_violations(schema: Any, path: str) -> list[str]:
    """Return the server's refusal, else a bullet for each keyword whose value is of another kind than JSON Schema's."""
    if (text := refusal(schema)) is not None:
        return [text]
    return [bullet(f"{path}.{place}".rstrip("."), "is not valid JSON Schema") for place in misshapen_paths(schema)]


def duplicates(request: Request) -> list[str]:
    """Report names that are declared twice."""
    names = Counter(function.get("name", "") for function in declarations(request))
    return [f"Duplicate function declaration found: {name}\n" for name, count in names.items() if count > 1 and name]


def allowed_names(request: Request) -> list[str]:
    """Check allowed names: declared ones, and only where a call is forced (proto comment of FunctionCallingConfig)."""
    config = calling_config(request)
    names = config.get("allowedFunctionNames", [])
    path = "tool_config.function_calling_config.allowed_function_names"
    if names and config.get("mode") not in ("ANY", "VALIDATED"):
        return [bullet(path, "allowed_function_names should be set only when mode is ANY or VALIDATED")]
    declared = {function.get("name") for function in declarations(request)}
    return [
        bullet(f"{path}[{index}]", f"{name} is not a declared function name")
        for index, name in enumerate(names)
        if name not in declared
    ]


def schema_violations(schema: dict[str, Any], path: str) -> list[str]:
    """Check the rules of google.ai.generativelanguage.v1beta.Schema at every level."""
    bullets = [bullet(f"{path}.{field}", text) for field, text in level_violations(schema)]
    for name, child in schema.get("properties", {}).items():
        bullets += schema_violations(child, f"{path}.properties[{name}]")
    for index, child in enumerate(schema.get("anyOf", [])):
        bullets += schema_violations(child, f"{path}.any_of[{index}]")
    if "items" in schema:
        bullets += schema_violations(schema["items"], f"{path}.items")
    return bullets


def level_violations(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Check one level; return (field, text) for each violation."""
    type_ = schema.get("type", "")
    violations = []
    if type_ == "ARRAY" and "items" not in schema:
        violations.append(("items", "missing field."))
    if schema.get("enum") and type_ not in ("STRING", ""):
        violations.append(("enum", "only allowed for STRING type"))
    if type_ == "STRING" and schema.get("format", "") not in STRING_FORMATS:
        violations.append(("format", "only 'enum' and 'date-time' are supported for STRING type"))
    if "anyOf" not in schema:
        properties = schema.get("properties", {})
        undefined = [i for i, name in enumerate(schema.get("required", [])) if name not in properties]
        violations += [(f"required[{index}]", "property is not defined") for index in undefined]
    return violations


def combination_violations(request: Request, model: Model) -> list[str]:
    """Check functions, built-in tools and JSON output together (ai.google.dev tool combination page, 2026-08)."""
    functions, others = bool(declarations(request)), built_in(request)
    mime, _ = output_format(request)
    as_json = mime == "application/json"
    violations = []
    if functions and not model.functions:
        violations.append(f"Function calling is not enabled for models/{model.name}")
    if functions and others:
        violations += mixture_faults(request, model)
    if as_json and functions and not model.tools_with_json:
        violations.append("Function calling with a response mime type: 'application/json' is unsupported")
    elif as_json and others and not model.tools_with_json:
        violations.append("Tool use with a response mime type: 'application/json' is unsupported")
    return violations


def mixture_faults(request: Request, model: Model) -> list[str]:
    """Check functions beside built-in tools."""
    if not model.builtin_with_functions:
        return ["Tool use with function calling is unsupported"]
    if not request.get("toolConfig", {}).get("includeServerSideToolInvocations"):
        return [NEEDS_INVOCATIONS]
    return [OPAQUE] if calling_config(request).get("mode") == "AUTO" else []
