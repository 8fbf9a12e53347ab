"""`$ref`, `$dynamicRef`, `$id` and `$anchor`: where a JSON Schema points, within one document."""

from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

SCHEMA_WORDS = ("$ref", "$dynamicRef", "$recursiveRef")
DATA_WORDS = ("enum", "const", "default", "example", "examples")


class Node(NamedTuple):
    """A schema and the base URI it is read under."""

    schema: Any
    base: str


class LinkedSchema:
    """One JSON Schema, with the parts of it that references can name."""

    def __init__(self, root: Any) -> None:
        self.places: dict[str, Node] = {}
        self.root = Node(root, "")
        self.places[""] = self.root
        self.register(root, "")

    def register(self, schema: Any, base: str) -> None:
        """Note every `$id` and anchor at any depth."""
        if isinstance(schema, list):
            for item in schema:
                self.register(item, base)
        if not isinstance(schema, dict):
            return
        base = own_base(schema, base)
        for word in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(word), str):
                self.places.setdefault(f"{base}#{schema[word]}", Node(schema, base))
        if isinstance(schema.get("$id"), str) and schema["$id"].startswith("#"):
            self.places.setdefault(f"{base}{schema['$id']}", Node(schema, base))
        elif isinstance(schema.get("$id"), str):
            self.places.setdefault(urljoin(base, schema["$id"]), Node(schema, base))
            self.places.setdefault(base, Node(schema, base))
        for name, child in schema.items():
            if name not in DATA_WORDS:
                self.register(child, base)

    def targets(self, node: Node) -> list[Node]:
        """Return the schemas that a schema's references point at, as far as they are in the document."""
        nodes = []
        for word in SCHEMA_WORDS:
            reference = node.schema.get(word)
            target = self.find(reference, own_base(node.schema, node.base)) if isinstance(reference, str) else None
            if target is not None:
                nodes.append(target)
        return nodes

    def find(self, reference: str, base: str) -> Node | None:
        """Find a schema by its whole address, or by document and JSON pointer."""
        address = urljoin(base, reference) if not reference.startswith("#") else base + reference
        if address.removesuffix("#") in self.places:
            return self.places[address.removesuffix("#")]
        document, pointer = urldefrag(address)
        start = self.places.get(document)
        return follow(start, pointer) if start is not None and pointer.startswith("/") else None


def own_base(schema: dict[str, Any], base: str) -> str:
    """Return the base URI inside a schema: its `$id` may change it."""
    identifier = schema.get("$id")
    if not isinstance(identifier, str) or identifier.startswith("#"):
        return base
    return urldefrag(urljoin(base, identifier))[0]


def follow(start: Node, pointer: str) -> Node | None:
    """Follow a JSON pointer step by step; each `$id` on the way counts."""
    here, base = start
    for step in unquote(pointer).split("/")[1:]:
        if isinstance(here, dict):
            base = own_base(here, base)
        key: Any = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, list) and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        elif isinstance(here, dict) and key in here:
            here = here[key]
        else:
            return None
    return Node(here, base)
