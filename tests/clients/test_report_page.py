"""The page of `adapter report` in a real browser, driven from its own environment by `browser/report_page.py`."""

import shutil
import subprocess
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from adapter.cli import main
from tests.clients.environments import HERE, python_of
from tests.support.guards import PATIENCE
from tests.support.size import IS_LARGE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

PLAN = {
    "type": "object",
    "properties": {"day": {"type": "string", "pattern": "^[0-9-]+$"}, "place": {"type": "string"}},
    "required": ["day"],
}


def chat(text: str, **fields: object) -> dict[str, object]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}


TRAFFIC = [
    # Lossless by itself; its conversation is not.
    chat("the launch is on the ninth of May"),
    # The same conversation's next turn: user is cosmetic.
    chat("the launch is on the ninth of May", user="u-1")
    | {
        "messages": [
            {"role": "user", "content": "the launch is on the ninth of May"},
            {"role": "assistant", "content": "Noted."},
            {"role": "user", "content": "Thanks."},
        ]
    },
    # Gemini 3.8 ignores sampling parameters; the length arrives.
    chat("b", temperature=0.5, max_tokens=24),
    # The pattern is told in words.
    chat("c", tools=[{"type": "function", "function": {"name": "plan", "parameters": PLAN}}]),
    # Refused.
    chat("d", n=0),
    # Of another model, and refused to those who rely on log probabilities.
    chat("e", logprobs=True, seed=4, metadata={"a": "b"}) | {"model": "gpt-5.4"},
]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A masked page on six requests, made by the command."""
    recording, path = tmp_path / "traffic.jsonl", tmp_path / "report.html"
    recording.write_bytes(b"\n".join([*map(orjson.dumps, TRAFFIC), b"{broken"]))
    options = ["--processes", "1", "--on", "2026-11-30", "--targets", "gemini-3.8-flash,gemini-2.5-flash"]
    result = CliRunner().invoke(main, ["report", str(recording), *options, "--html", str(path)])
    assert result.exit_code == 0, result.output
    return path


@pytest.mark.browser
def test_the_page_of_a_report(page, tmp_path):
    if not any(map(shutil.which, BROWSERS)):
        # Where everything is tried, a missing browser is a fault of the machine.
        (pytest.fail if IS_LARGE else pytest.skip)(f"no browser is installed: {', '.join(BROWSERS)}")
    command = [str(python_of("browser")), str(HERE / "browser" / "report_page.py"), str(page), str(tmp_path)]
    subprocess.run(command, check=True, timeout=PATIENCE)
