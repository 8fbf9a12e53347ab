"""Batches are looked at more often than outside of tests."""

import pytest

from adapter.server.batches import asking, context, jobs


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    monkeypatch.setattr(jobs, "FIRST_POLL", 0.02)
    monkeypatch.setattr(jobs, "LAST_POLL", 0.05)
    monkeypatch.setattr(context, "RETRY_FIRST", 0.02)
    monkeypatch.setattr(asking, "RETRY_FIRST", 0.02)
    monkeypatch.setattr(context, "STORE_PAUSE", 0.05)
