"""Spans that ended."""

import asyncio
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from tests.support.guards import PATIENCE

Spans = Callable[[], Sequence[ReadableSpan]]
"""Reads the spans that ended."""


async def wait_for_span(spans: Spans, name: str) -> ReadableSpan:
    """Wait until a request's span has ended, after its answer; return it by its name."""
    async with asyncio.timeout(PATIENCE):
        while not (found := [span for span in spans() if span.name == name and span.kind is SpanKind.SERVER]):
            await asyncio.sleep(0.01)
    [span] = found
    return span


def children_of(spans: Spans, parent: ReadableSpan) -> list[ReadableSpan]:
    """Return the spans right below one, in their order."""
    children = [span for span in spans() if span.parent is not None and span.parent.span_id == parent.context.span_id]
    return sorted(children, key=lambda span: span.start_time or 0)
