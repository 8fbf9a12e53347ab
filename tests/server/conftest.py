"""Fixtures that several tests of this folder use."""

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adapter.server.observe import tracing
from tests.support.google_cloud import credentials, tokens

__all__ = ["credentials", "tokens"]


@pytest.fixture
def spans(monkeypatch):
    """Read the spans that have ended, of one adapter."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "build_processor", lambda: SimpleSpanProcessor(exporter))
    return exporter.get_finished_spans
