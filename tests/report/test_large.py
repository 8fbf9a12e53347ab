"""A large recording: memory is bounded, on every process, and a killed run goes on from what it saved."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.guards import wait_until
from tests.support.live import bare_environment
from tests.support.recordings import ROOT
from tests.support.size import IS_LARGE
from tests.tools.traffic import write

REQUESTS = 100_000 if IS_LARGE else 120
MOST_MEGABYTES = 500
PROCESSES = 2

MEASURED = """
import resource, sys
from adapter.cli import main
main(sys.argv[1:], standalone_mode=False)
lines = open("/proc/self/status").read().splitlines()
own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(own + int(sys.argv[sys.argv.index("--processes") + 1]) * workers, file=sys.stderr)
"""
"""Prints the kilobytes that all processes had at most, as if each worker had been as large as the largest.

`ru_maxrss` of the first one would count the process of the tests too, from which it was made.
"""

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(ROOT is None, reason="ADAPTER_CORPUS is not set: no recorded traffic"),
]


def command(recording: Path, report: Path, *options: str) -> list[str]:
    asked = ["--on", "2026-11-30", "--targets", "gemini-3.8-flash", "--processes", str(PROCESSES)]
    return ["report", str(recording), *asked, "--json", str(report), *options]


def test_memory_is_bounded_however_large_a_recording_is(tmp_path):
    recording, report = tmp_path / "traffic.jsonl", tmp_path / "report.json"
    write(REQUESTS, recording)
    run = [sys.executable, "-c", MEASURED, *command(recording, report, "--html", str(tmp_path / "report.html"))]
    done = subprocess.run(run, check=True, capture_output=True, text=True, env=bare_environment(tmp_path))
    assert int(done.stderr.split()[-1]) / 1024 < MOST_MEGABYTES
    document = json.loads(report.read_text())
    assert document["requests"] + sum(document["others"].values()) + sum(document["unreadable"].values()) == REQUESTS


KILLED = """
import os, signal, sys
from pathlib import Path
from adapter.cli import main
from adapter.report import run

def save_and_die(self, path, save=run.ReportRun._save):
    save(self, path)
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    print(*[(task / "children").read_text() for task in tasks], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

run.SAVED_EVERY = 2
run.ReportRun._save = save_and_die
main(sys.argv[1:])
"""
"""Prints its children and kills itself once something is saved."""


def test_a_killed_run_goes_on_from_what_it_saved_and_leaves_no_process(tmp_path):
    recording, whole, resumed = tmp_path / "traffic.jsonl", tmp_path / "whole.json", tmp_path / "resumed.json"
    write(REQUESTS, recording)
    program, saved = [sys.executable, "-m", "adapter"], tmp_path / "saved"
    environment = bare_environment(tmp_path)
    alone = command(recording, whole, "--processes", "1")
    subprocess.run([*program, *alone], check=True, capture_output=True, env=environment)
    again = command(recording, resumed, "--saved", str(saved))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *again], check=False, capture_output=True, env=environment, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert saved.exists()
    assert not resumed.exists()
    workers = list(map(int, killed.stdout.split()))
    assert len(workers) >= PROCESSES
    wait_until(lambda: not any(map(is_alive, workers)), "the workers' end")
    subprocess.run([*program, *again], check=True, capture_output=True, env=environment)
    assert json.loads(resumed.read_text()) == json.loads(whole.read_text())
    assert not saved.exists()


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
