"""Files of recorded traffic as documents, and documents as requests.

A file is JSON (one document, or a list of them), JSON lines, or YAML. Each document is read by the first reader whose
shape it has. Lines are read one at a time, so that a file may be larger than the memory.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml

from adapter.report.readers import har, helicone, langfuse, langsmith, litellm, plain, spans, vcr
from adapter.report.readers.base import Reader, locate_piece
from adapter.report.records import Location, RecordedPiece, Unreadable

READERS: tuple[Reader, ...] = (
    har.HAR,
    vcr.PYTHON,
    vcr.RUBY,
    spans.SPANS,
    langsmith.LANGSMITH,
    langfuse.LANGFUSE,
    helicone.HELICONE,
    litellm.LITELLM,
    plain.BATCH,
    plain.EXCHANGES,
    plain.STORED,
    plain.BARE,
)
"""Every format, the more telling shape first."""

ENDINGS = (".json", ".jsonl", ".ndjson", ".har", ".yaml", ".yml")
_LISTS = ("data", "runs", "post", "observations", "items", "requests")
"""Keys under which APIs put a page of documents."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def files_below(paths: Iterable[Path]) -> list[Path]:
    """Return the files to read: named ones, and those with a known ending below named folders, sorted."""
    files: list[Path] = []
    for path in paths:
        inner = sorted(one for one in path.rglob("*") if one.is_file() and one.suffix in ENDINGS)
        files += inner if path.is_dir() else [path]
    return files


def read_file(path: Path) -> Iterator[tuple[str, RecordedPiece]]:
    """Yield for each piece of a file its format and request, or the reason why it is no request.

    Raises:
        OSError: The file cannot be read.

    """
    for place, document in _documents(path):
        if isinstance(document, Unreadable):
            yield "", document
        else:
            yield from _read_document(document, place)


def _read_document(document: Any, place: Location) -> Iterator[tuple[str, RecordedPiece]]:
    reader = next((reader for reader in READERS if reader.matches(document)), None)
    if reader is None:
        yield "", Unreadable(place, "no known format")
        return
    for piece in reader.read(document, place):
        yield reader.name, piece


def _documents(path: Path) -> Iterator[tuple[Location, Any]]:
    if path.suffix in (".yaml", ".yml"):
        yield from _yaml(path)
    elif _is_lines(path):
        yield from _lines(path)
    else:
        yield from _whole(path)


def _is_lines(path: Path) -> bool:
    """Return whether the first line that is not blank is a document by itself, and another one follows or could."""
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
    try:
        orjson.loads(_bare(first))
    except orjson.JSONDecodeError:
        return False
    return not first.lstrip().startswith(b"[")


def _bare(line: bytes) -> bytes:
    return line.removeprefix(b"\xef\xbb\xbf").strip()


def _lines(path: Path) -> Iterator[tuple[Location, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            place = Location(str(path), f"line {number}")
            if text := _bare(line):
                yield from _unfold(_json(text, place), place)


def _whole(path: Path) -> Iterator[tuple[Location, Any]]:
    place = Location(str(path), "")
    yield from _unfold(_json(_bare(path.read_bytes()), place), place)


def _json(text: bytes, place: Location) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Unreadable(place, f"not JSON: {error.msg}")


def _yaml(path: Path) -> Iterator[tuple[Location, Any]]:
    place = Location(str(path), "")
    try:
        document = yaml.load(path.read_bytes(), _Loader)
    except yaml.YAMLError as error:
        document = Unreadable(place, f"not YAML: {getattr(error, 'problem', error)}")
    yield from _unfold(document, place)


def _unfold(document: Any, place: Location) -> Iterator[tuple[Location, Any]]:
    """Yield the documents of a list, or of a page of an API; else the document itself."""
    listed = document
    if isinstance(document, dict) and not any(reader.matches(document) for reader in READERS):
        listed = next((document[name] for name in _LISTS if isinstance(document.get(name), list)), document)
    if not isinstance(listed, list):
        yield place, document
        return
    for number, item in enumerate(listed, 1):
        yield locate_piece(place, "item", number), item
