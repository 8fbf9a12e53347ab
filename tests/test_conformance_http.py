"""The same cases over HTTP, against the real process; once for each set of settings that cases ask for."""

import httpx2
import pytest

from conformance.cases import TODAY, all_cases
from conformance.runner import PER_REQUEST, Runner, Server
from conformance.upstream import ScriptedGemini, serving
from tests.support.guards import PATIENCE
from tests.support.live import adapter
from tests.support.size import tenth

# A process has the calendar of the day on which it runs, and a store that is empty.
CASES = tenth([case for case in all_cases() if not case.signatures and case.day == TODAY])


def started_with(case):
    return tuple(sorted((name, value) for name, value in case.settings.items() if name not in PER_REQUEST))


GROUPS = sorted({started_with(case) for case in CASES})


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: ",".join(f"{k}={v}" for k, v in group) or "defaults")
def test_cases_hold_over_http(group, tmp_path):
    cases = [case for case in CASES if started_with(case) == group]
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
