"""The commands of docs/migration.md, run in their order as they stand there."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.support.live import bare_environment
from tests.support.paths import REPOSITORY

GUIDE = (REPOSITORY / "docs" / "migration.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.mark.install
def test_the_guide_goes_through(tmp_path):
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, program in (("adapter", "-m adapter"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n')
        (programs / name).chmod(0o755)
    environment = bare_environment(tmp_path) | {"PYTHONPATH": os.fspath(REPOSITORY)}
    outputs = []
    for block in BLOCKS:
        done = subprocess.run(
            ["sh", "-e", "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        outputs.append(done.stdout)
    assert len(BLOCKS) == 5
    written = {path.name for path in tmp_path.iterdir()}
    assert {"report.html", "report.json", "losses.xml", "losses.sarif", "losses.md"} <= written
    assert "3 requests in 3 conversations" in outputs[1]
    assert json.loads(outputs[2])["endpoint"] == "/v1/chat/completions"
    assert json.loads(outputs[3])["properties"]["start"]["description"] == '(pattern: "^[0-9:]+$")'


def test_the_guide_names_every_exit_code():
    assert re.findall(r"^\| (\d) \|", GUIDE, re.MULTILINE) == ["0", "1", "2"]
