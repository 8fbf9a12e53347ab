"""JSON Schemas (2020-12) of the wire's Structs, as OpenAPI wants them.

msgspec's own generator cannot describe the default of a `msgspec.Raw`, and would close every object, which the decoder
does not. This one reads the same `msgspec.inspect`.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET, inspect

_BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}


class Schemas:
    """Makes schemas; a named one goes to `components`, once."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._names: dict[type, str] = {}

    def of(self, type_: Any) -> dict[str, Any]:
        """Return the schema of a type. Raises `TypeError` for types that no Struct of the wire has."""
        return self._of(inspect.type_info(type_))

    def _of(self, info: inspect.Type) -> dict[str, Any]:
        match info:
            case inspect.StructType():
                return self._struct(info)
            case inspect.UnionType():
                return {"anyOf": [self._of(one) for one in info.types]}
            case inspect.ListType():
                return {"type": "array", "items": self._of(info.item_type), **_length(info, "Items")}
            case inspect.DictType():
                return {"type": "object", "additionalProperties": self._of(info.value_type)}
            case inspect.Metadata():
                return {**self._of(info.type), **(info.extra_json_schema or {})}
            case _:
                return _plain(info)

    def _struct(self, info: inspect.StructType) -> dict[str, Any]:
        if info.cls not in self._names:
            # Known before its fields are looked at: a schema may contain itself.
            name = self._names[info.cls] = self._free_name(info.cls)
            described = self.components[name] = {"type": "object", "title": name}
            if text := _first_line(info.cls):
                described["description"] = text
            tag = {info.tag_field: {"enum": [info.tag]}} if info.tag_field is not None else {}
            described["properties"] = tag | {field.encode_name: self._of(field.type) for field in info.fields}
            required = [*tag, *(field.encode_name for field in info.fields if field.required)]
            if required:
                described["required"] = required
        return {"$ref": f"#/components/schemas/{self._names[info.cls]}"}

    def _free_name(self, cls: type) -> str:
        """Return the name of a Struct, with its module's in front if another has it already."""
        module = cls.__module__.rpartition(".")[2]
        return cls.__name__ if cls.__name__ not in self.components else f"{module}.{cls.__name__}"


_FIXED: dict[type, dict[str, Any]] = {
    inspect.AnyType: {},
    inspect.RawType: {},
    inspect.BoolType: {"type": "boolean"},
    inspect.NoneType: {"type": "null"},
    inspect.BytesType: {"type": "string", "contentEncoding": "base64"},
}
"""Types whose schema is always the same."""


def _plain(info: inspect.Type) -> dict[str, Any]:
    match info:
        case inspect.StrType():
            return {"type": "string", **_bounds(info), **_length(info, "Length")}
        case inspect.IntType():
            return {"type": "integer", **_bounds(info)}
        case inspect.FloatType():
            return {"type": "number", **_bounds(info)}
        case inspect.LiteralType():
            return {"enum": list(info.values)}
        case inspect.EnumType():
            return {"enum": [one.value for one in info.cls]}
        case _ if type(info) in _FIXED:
            return dict(_FIXED[type(info)])
        case _:
            raise TypeError(f"no schema for {info!r}")


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


def _bounds(info: Any) -> dict[str, Any]:
    return _present_members(info, _BOUNDS.items())


def _length(info: Any, what: str) -> dict[str, Any]:
    return _present_members(info, (("min_length", f"min{what}"), ("max_length", f"max{what}")))


def _present_members(info: Any, names: Iterable[tuple[str, str]]) -> dict[str, Any]:
    found = {word: getattr(info, name, None) for name, word in names}
    return {word: value for word, value in found.items() if value not in (None, UNSET)}
