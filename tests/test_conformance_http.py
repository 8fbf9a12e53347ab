"""The same cases over HTTP, against the real process; once for each set of settings that cases ask for."""

import httpx2
import pytest

from conformance.cases import TODAY, all_cases
from conformance.runner import PER_REQUEST, Runner, Server
from conformance.upstream import ScriptedGemini, serving
from tests.support.guards import PATIENCE
from tests.support.live import adapter
from tests.support.size import tenth


def has_token_numbers(case):
    """Return whether texts come as token numbers, which need `tiktoken` (tests/clients/test_frameworks.py)."""
    given = [turn.request.get(name) for turn in case.turns for name in ("input", "prompt")]
    lists = [text for text in given if isinstance(text, list)]
    lists += [text for texts in lists for text in texts if isinstance(text, list)]
    return any(isinstance(one, int) for text in lists for one in text)


# A process has the calendar of the day on which it runs, and a store that is empty.
CASES = tenth([case for case in all_cases() if not (case.signatures or has_token_numbers(case)) and case.day == TODAY])


def started_with(case):
    return tuple(sorted((name, value) for name, value in case.settings.items() if name not in PER_REQUEST))


def uses_up_the_key(case):
    """Return whether the case leaves the key in its cool-down: such a case needs a process of its own."""
    return any(turn.error is not None and turn.error.type == "insufficient_quota" for turn in case.turns)


GROUPS = {
    ",".join(f"{name}={value}" for name, value in group) or "defaults": [
        case for case in CASES if started_with(case) == group and not uses_up_the_key(case)
    ]
    for group in sorted({started_with(case) for case in CASES})
} | {case.id: [case] for case in CASES if uses_up_the_key(case)}


@pytest.mark.parametrize("cases", GROUPS.values(), ids=GROUPS)
def test_cases_hold_over_http(cases, tmp_path):
    group = started_with(cases[0])
    gemini = ScriptedGemini()
    with serving(gemini, 0) as upstream:
        given = {"upstream_url": upstream, "upstream_keys": "k", "upstream_name": "studio", "store": "memory"}
        variables = {f"ADAPTER_{name.upper()}": value for name, value in (given | dict(group)).items()}
        with adapter(tmp_path, settings=variables) as live, httpx2.Client(timeout=PATIENCE) as http:
            runner = Runner(Server(f"{live.url}/v1", settings=dict(group)), gemini, http)
            results = [runner.run(case, client) for case in cases for client in case.clients]
    assert not [result.skipped for result in results if result.skipped]
    faults = {result.case.id: verdict.faults for result in results for verdict in result.verdicts if verdict.faults}
    assert not faults
