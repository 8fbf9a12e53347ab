"""Goals for the adapter's cost, as a multiple of another gateway's: the goal, and the least acceptable value."""

from collections.abc import Callable
from statistics import median

Samples = dict[tuple[str, str], list[dict[str, float]]]
"""The figures of each round, by workload and gateway."""

RATIOS = {
    "small chat, 16": {
        "nginx": (6, 10),
        "httpx2": (0.2, 0.33),
        "aiohttp": (0.77, 1.0),
        "Portkey": (0.1, 0.17),
        "LiteLLM": (0.0125, 0.017),
    },
    "20 KB, 10 tools, 16": {
        "nginx": (9, 9),
        "httpx2": (0.3, 0.3),
        "Portkey": (0.125, 0.125),
        "LiteLLM": (0.017, 0.017),
    },
    "1 MB image, 8": {"nginx": (3.5, 3.5), "httpx2": (1.1, 1.1), "Portkey": (0.17, 0.17), "LiteLLM": (0.1, 0.1)},
    "native call of 1.2 MB, 8": {"aiohttp": (1.3, 1.3)},
    "100 embeddings, 8": {"aiohttp": (1.5, 1.5)},
    "100 embeddings as numbers, 8": {"aiohttp": (1.5, 1.5)},
    "streams, 50, unpaced": {"nginx": (3, 4), "Portkey": (0.4, 0.4), "LiteLLM": (0.04, 0.04)},
    "agent, 1 call, repeated": {"httpx2": (0.4, 0.6)},
    "agent, 1 call, appended": {"httpx2": (0.4, 0.6)},
    "agent, 100 calls, repeated": {"httpx2": (0.8, 1.5)},
    "agent, 100 calls, appended": {"httpx2": (0.8, 1.5)},
    "agent, 400 calls, appended": {"httpx2": (1.0, 2.0), "LiteLLM": (0.025, 0.025)},
    "agent, 100 calls, never seen": {"httpx2": (2.0, 3.0)},
    "agent, 400 calls, never seen": {"httpx2": (2.0, 3.0), "LiteLLM": (0.025, 0.025)},
    "agent, 800 calls, never seen": {"httpx2": (2.0, 3.0)},
}

FIRST_EVENT_MS = 1.2
"""The longest that the first event of one stream may come after nginx's."""

STREAM_KB = 38
"""The most that an open stream may hold."""

GROWTH = 1.5
"""The most that 800 calls may cost more than an aiohttp pass-through, as a multiple of 50 calls..."""

GROWTH_MS_PER_MB = 1.0
"""... and for each megabyte that has to be passed on."""


def median_of(samples: Samples, workload: str, name: str, key: str) -> float:
    """Return the median of the rounds."""
    return median(sample[key] for sample in samples[workload, name])


def grade(value: float, goal: float, least: float) -> str:
    """Return how a value compares with its goal."""
    return "(goal)" if value <= goal else "(least)" if value <= least else f"(**missed**: {least:.3g})"


def grade_ratio(workload: str, name: str, ratio: float) -> str:
    """Return how a ratio compares with its goal; nothing if there is none."""
    goal = RATIOS.get(workload, {}).get(name)
    return "" if goal is None else grade(ratio, *goal)


def differences(samples: Samples) -> list[str]:
    """Goals that are no ratios of two gateways, for what was measured."""
    lines: list[str] = []
    for compare in _DIFFERENCES:
        lines += compare(samples)
    return lines


def _first_event(samples: Samples) -> list[str]:
    name = "stream, 1, paced"
    if not {(name, "adapter"), (name, "nginx")} <= samples.keys():
        return []
    later = median_of(samples, name, "adapter", "first_p50") - median_of(samples, name, "nginx", "first_p50")
    said = grade(later, FIRST_EVENT_MS, FIRST_EVENT_MS)
    return [f"{name}: the first event comes {later:.2f} ms after nginx's {said}"]


def _growth(samples: Samples) -> list[str]:
    small, large = "agent, 50 calls, appended", "agent, 800 calls, appended"
    if not {(one, name) for one in (small, large) for name in ("adapter", "aiohttp")} <= samples.keys():
        return []
    more = [
        (median_of(samples, one, "adapter", "cpu") - median_of(samples, one, "aiohttp", "cpu")) / 1000
        for one in (small, large)
    ]
    allowed = GROWTH * more[0] + GROWTH_MS_PER_MB * median_of(samples, large, "adapter", "size") / 1e6
    said = grade(more[1], allowed, allowed)
    text = f"{more[0]:.2f} ms more than an aiohttp pass-through at 50 calls, {more[1]:.2f} ms at 800"
    return [f"appended turns: {text}; {allowed:.2f} ms are allowed {said}"]


_DIFFERENCES: tuple[Callable[[Samples], list[str]], ...] = (_first_event, _growth)
