"""Strategies of hypothesis that make documents from the wire's types, with the values that the cases have there.

A type alone says little: most of its fields are free texts or free-form JSON. So half of the values are what the seeds
have under the same name, from a word to a whole list of messages.
"""

from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET, inspect

from tests.tools.fuzz import mutations

Document = st.SearchStrategy[Any]

SCALARS = st.sampled_from([one for one in mutations.SCALARS if not str(one).startswith("@")])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(mutations.NAMES), inner, max_size=3),
    max_leaves=6,
)
MOST = 5
"""Fields that are chosen beside the required ones, and items of a list."""


class Documents:
    """Makes strategies; `seen` are the values that the seeds have under a name."""

    def __init__(self, seen: dict[str, list[Any]]) -> None:
        self._seen = seen
        self._structs: dict[type, Document] = {}

    def of(self, type_: Any) -> Document:
        """JSON documents of a type."""
        return self._of(inspect.type_info(type_))

    def _of(self, info: inspect.Type) -> Document:
        match info:
            case inspect.StructType():
                return self._struct(info)
            case inspect.UnionType():
                return st.one_of([self._of(one) for one in info.types])
            case inspect.ListType():
                return st.lists(self._of(info.item_type), min_size=info.min_length or 0, max_size=MOST)
            case inspect.DictType():
                return st.dictionaries(st.sampled_from(mutations.NAMES), self._of(info.value_type), max_size=MOST)
            case inspect.Metadata():
                return self._of(info.type)
            case _:
                return _plain(info)

    def _struct(self, info: inspect.StructType) -> Document:
        if info.cls not in self._structs:
            # Known before its fields are looked at: a type may contain itself.
            self._structs[info.cls] = st.deferred(lambda: made)
            fields = {field.encode_name: self._field(field) for field in info.fields}
            required = [field.encode_name for field in info.fields if field.required]
            made = _members(fields, required, [name for name in fields if name in self._seen and name not in required])
        return self._structs[info.cls]

    def _field(self, field: inspect.Field) -> Document:
        made = self._of(field.type)
        seen = self._seen.get(field.encode_name)
        return st.sampled_from(seen) | made if seen else made


@st.composite
def _members(draw: Any, fields: dict[str, Document], required: list[str], usual: list[str]) -> Any:
    """An object with all required members, some of those that the seeds have, and rarely another one."""
    chosen = [*required]
    if usual:
        chosen += draw(st.lists(st.sampled_from(usual), max_size=MOST, unique=True))
    if draw(st.integers(0, 3)) == 0:
        chosen.append(draw(st.sampled_from(sorted(fields))))
    return {name: draw(fields[name]) for name in dict.fromkeys(chosen)}


def _plain(info: inspect.Type) -> Document:
    match info:
        case inspect.StrType():
            return st.sampled_from([one for one in mutations.SCALARS if isinstance(one, str)]) | st.text(max_size=20)
        case inspect.IntType():
            return st.integers(_limit(info.ge), _limit(info.le))
        case inspect.FloatType():
            return st.floats(_limit(info.ge), _limit(info.le), allow_nan=False, allow_infinity=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.AnyType() | inspect.RawType():
            return ANYTHING
        case _:
            raise TypeError(f"no documents of {info!r}")


def _limit(value: Any) -> Any:
    return None if value in (None, UNSET) else value
