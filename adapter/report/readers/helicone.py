"""Requests as Helicone exports them (`npx @helicone/export --include-body`, `/v1/request/query`).

Bodies are in the row, or in `signed_body_content` where the export fetched them from their own address.
"""

from collections.abc import Iterator
from typing import Any

from adapter.report.readers.base import Reader, has, request, value_below
from adapter.report.records import Location, RecordedPiece


def _matches(document: Any) -> bool:
    return has(document, "request_id", "request_body")


def _read(document: Any, place: Location) -> Iterator[RecordedPiece]:
    status = document.get("response_status")
    properties = document.get("request_properties") or {}
    session = properties.get("Helicone-Session-Id", "") if isinstance(properties, dict) else ""
    yield request(
        value_below(document, "signed_body_content", "request") or document["request_body"],
        place,
        str(document.get("request_path") or ""),
        answer=value_below(document, "signed_body_content", "response") or document.get("response_body"),
        status=status if isinstance(status, int) else 0,
        session=str(session),
    )


HELICONE = Reader("Helicone requests", _matches, _read)
