"""Reads the figures of /metrics."""

import asyncio

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.support.guards import PATIENCE

Figures = dict[tuple[str | tuple[str, str], ...], float]
"""Name and labels of a sample to its value."""


def figures(text: str) -> Figures:
    """Samples by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: Figures, name: str, **labels: object) -> float:
    """Return the sum of all samples with this name and these labels."""
    wanted = {(label, str(value)) for label, value in labels.items()}
    return sum(value for (sample, *rest), value in found.items() if sample == name and wanted <= set(rest))


async def wait_until_idle(client: httpx2.AsyncClient) -> Figures:
    """Return the metrics once no request runs."""
    async with asyncio.timeout(PATIENCE):
        while (found := figures((await client.get("/metrics")).text))["adapter_running",]:
            await asyncio.sleep(0.01)
    return found
