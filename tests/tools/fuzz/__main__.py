"""Fuzz for some time: `python -m tests.tools.fuzz --minutes 10`.

Each tool runs for all of it, in a process of its own.
"""

import faulthandler
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

import click
from hypothesis import HealthCheck, Phase, settings

from tests.tools.fuzz import checks
from tests.tools.fuzz.inputs import KINDS

NAMES = {"hypothesis": tuple(checks.DOCUMENTS), "schemathesis": (*checks.LABELS, checks.CHAINS)}
TOOLS = (*NAMES, "atheris")

ROUND = settings(
    max_examples=25,
    deadline=None,
    stateful_step_count=checks.STEPS,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
LONGEST_ROUND = 300.0
"""Seconds after which a round hangs: it is printed where, and the process ends."""

OPTIONS = ("-timeout=30", "-rss_limit_mb=0", "-print_final_stats=1")
UNITS = re.compile(r"stat::number_of_executed_units: (\d+)")


def rounds(names: tuple[str, ...], seconds: float) -> int:
    """Rounds of each check until the time is over, and how many failed; one that failed is left out from then on."""
    ends_at = time.monotonic() + seconds
    failed: set[str] = set()
    with checks.apps() as asked:
        for name in itertools.cycle(names):
            if time.monotonic() > ends_at or len(failed) == len(names):
                break
            if name not in failed and not _run_check(name, asked):
                failed.add(name)
        for name, count in asked.counts.items():
            print(f"{count:>9} {name}")
    return len(failed)


def _run_check(name: str, asked: checks.Apps) -> bool:
    faulthandler.dump_traceback_later(LONGEST_ROUND, exit=True)
    try:
        checks.check(name, asked, ROUND)
    except Exception as error:  # noqa: BLE001 - whatever happens is what is looked for
        print(f"--- {name}")
        traceback.print_exception(error, limit=-6, file=sys.stdout)
        return False
    finally:
        faulthandler.cancel_dump_traceback_later()
    return True


def run_guided(seconds: float) -> int:
    """One kind after the other, and how many failed; the input of a failure is kept.

    Each is a process of its own: atheris must be there before the adapter, and ends with its process.
    """
    return sum(_run_guided(kind, seconds / len(KINDS)) for kind in KINDS)


def _run_guided(kind: str, seconds: float) -> bool:
    kept = Path(tempfile.mkdtemp(prefix=f"fuzz-{kind}-"))
    corpus = kept / "corpus"
    corpus.mkdir()
    limits = (f"-max_total_time={max(1, round(seconds))}", f"-artifact_prefix={kept}/", *OPTIONS)
    command = [sys.executable, "-m", "tests.tools.fuzz.guided", kind, *limits, str(corpus)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode:
        print(f"--- {kind}, see {kept}\n{done.stdout[-20_000:]}\n{done.stderr[-5_000:]}")
    else:
        shutil.rmtree(kept)
    found = UNITS.search(done.stderr)
    print(f"{found[1] if found else '?':>9} {kind}, guided")
    return done.returncode != 0


def together(tools: tuple[str, ...], minutes: float) -> int:
    """Each tool at once; how many failed."""
    command = [sys.executable, "-u", "-m", "tests.tools.fuzz", "--minutes", str(minutes), "--with"]
    started = {tool: subprocess.Popen([*command, tool]) for tool in tools}
    codes = {tool: process.wait() for tool, process in started.items()}
    for tool, code in codes.items():
        print(f"{tool}: {'failed' if code else 'passed'}")
    return sum(code != 0 for code in codes.values())


def _find_tools() -> tuple[str, ...]:
    found = tuple(tool for tool in TOOLS if find_spec(tool) is not None)
    for tool in TOOLS:
        if tool not in found:
            print(f"without {tool}, which is not installed")
    return found


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="How long.")
@click.option("--with", "tools", multiple=True, type=click.Choice(TOOLS), help="This tool; default: all that are here.")
def main(minutes: float, tools: tuple[str, ...]) -> None:
    """Look for what gets a 500, hangs, or has an invalid answer; ends with 1 if there is anything."""
    tools = tools or _find_tools()
    if len(tools) > 1:
        failed = together(tools, minutes)
    elif tools == ("atheris",):
        failed = run_guided(60 * minutes)
    else:
        failed = rounds(NAMES[tools[0]], 60 * minutes)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
