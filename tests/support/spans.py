"""Spans that ended."""

import asyncio

from opentelemetry.trace import SpanKind

from tests.support.guards import PATIENCE


async def ended(spans, name):
    """A request's span by its name, once it has ended: that is after its answer."""
    async with asyncio.timeout(PATIENCE):
        while not (found := [span for span in spans() if span.name == name and span.kind is SpanKind.SERVER]):
            await asyncio.sleep(0.01)
    [span] = found
    return span


def below(spans, parent):
    """The spans right below one, in their order."""
    children = [span for span in spans() if span.parent is not None and span.parent.span_id == parent.context.span_id]
    return sorted(children, key=lambda span: span.start_time)
