"""The page at / in a real browser, driven from an environment of its own: one test for each `browser/check_*.py`."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from openai.resources.chat.completions import Completions
from openai.resources.responses import Responses

from tests.clients.environments import HERE, python_of
from tests.support.guards import PATIENCE
from tests.support.live import adapter
from tests.support.size import IS_LARGE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHECKS = sorted(path.stem for path in (HERE / "browser").glob("check_*.py"))
SNIPPETS = HERE.parent.parent / "adapter" / "server" / "inspector" / "ledger" / "snippets.js"
FLAGS = {
    "check_answers": ("--fallback-models", "gemini-3.8-flash+fault-500=gemini-3.5-flash"),
    "check_workers": ("--workers", "2"),
}
OF_THE_CALL = {"self", "extra_headers", "extra_query", "timeout"}


def drive(name: str, url: str, folder: Path) -> None:
    """Run one check in its environment; it fails with a traceback."""
    if not any(map(shutil.which, BROWSERS)):
        # Where everything is tried, a missing browser is a fault of the machine.
        (pytest.fail if IS_LARGE else pytest.skip)(f"no browser is installed: {', '.join(BROWSERS)}")
    command = [str(python_of("browser")), str(HERE / "browser" / "run.py"), name, url, str(folder)]
    subprocess.run(command, check=True, timeout=PATIENCE)


@pytest.mark.browser
@pytest.mark.parametrize("name", CHECKS)
def test_the_page(name, tmp_path):
    with adapter(tmp_path, "--inspector", *FLAGS.get(name, ())) as live:
        drive(name, live.url, tmp_path)


@pytest.mark.browser
def test_what_the_page_copies_runs(tmp_path):
    with adapter(tmp_path, "--inspector") as live:
        drive("check_snippets", live.url, tmp_path)
        keys = {"GEMINI_API_KEY": "unused", "GOOGLE_GEMINI_BASE_URL": live.url, "OPENAI_API_KEY": "unused"}
        programs = sorted(path for path in tmp_path.iterdir() if path.suffix in (".sh", ".py"))
        assert len(programs) == 8
        for program in programs:
            text = program.read_text().replace("https://generativelanguage.googleapis.com", live.url)
            run = ["sh", "-c", text] if program.suffix == ".sh" else [sys.executable, "-c", text]
            said = subprocess.run(
                run,
                check=True,
                timeout=PATIENCE,
                env=os.environ | keys,
                stdout=subprocess.PIPE,
                text=True,
                cwd=tmp_path / "files",
            )
            word = "Latin" if program.stem.startswith("setup") else "copied it's"
            assert word in said.stdout, (program.name, said.stdout)


@pytest.mark.parametrize(("name", "create"), [("CHAT", Completions.create), ("RESPONSES", Responses.create)])
def test_the_page_knows_the_arguments_of_the_openai_package(name, create):
    found = re.search(rf"{name}_ARGUMENTS = new Set\(\s*`([^`]*)`", SNIPPETS.read_text())
    assert found is not None
    assert sorted(found[1].split()) == sorted(set(inspect.signature(create).parameters) - OF_THE_CALL)
