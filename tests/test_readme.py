"""The README's commands, run as written in a fresh clone; its snippets, run against a live adapter."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from contextlib import suppress

import pytest

from adapter.server.endpoints.inspector import TYPES
from tests.support.environment import downloading
from tests.support.guards import PATIENCE
from tests.support.live import bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
CLIENTS = (REPOSITORY / "docs" / "clients.md").read_text()
INSTALLATION = (REPOSITORY / "docs" / "installation.md").read_text()


def blocks_of(page, language):
    """The code of one language on a page."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


SHELL = blocks_of(README, "sh")
PYTHON = blocks_of(CLIENTS, "python")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A folder with the files that git tracks, and no others."""
    target = tmp_path_factory.mktemp("clone") / "adapter"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in filter(None, files.decode().split("\0")):
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, destination)
    return target


@pytest.fixture(scope="module")
def served(clone, tmp_path_factory):
    """The adapter as the README's first command starts it, on a port that is free."""
    port = free_port()
    home = bare_environment(tmp_path_factory.mktemp("home"))
    environment = {**downloading(home), "ADAPTER_PORT": str(port)}
    process = subprocess.Popen(["bash", "-c", SHELL[0]], cwd=clone, env=environment, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}", wait_for(f"http://127.0.0.1:{port}/healthz", process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)


@pytest.mark.install
def test_the_first_command_installs_and_starts_the_adapter_with_its_emulator(served):
    _, health = served
    assert "emulator" in json.dumps(health)


@pytest.mark.install
def test_the_curl_command_gets_an_answer(served):
    url, _ = served
    command = next(text for text in SHELL if text.startswith("curl")).replace("http://127.0.0.1:8080", url)
    answer = json.loads(subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout)
    assert answer["choices"][0]["message"]["content"]


@pytest.mark.install
@pytest.mark.parametrize(
    "number",
    [0, 1, 2, 3, 6, 7],
    ids=[
        "the openai package",
        "responses",
        "images and sounds",
        "files and batches",
        "Google's own settings",
        "Gemini's own tools",
    ],
)
def test_snippets_with_the_openai_package_run(served, number):
    url, _ = served
    text = PYTHON[number] if number == 0 else PYTHON[0] + PYTHON[number]
    code = text.replace("http://127.0.0.1:8080", url)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


def test_the_readme_fits_a_sitting_and_begins_with_a_picture():
    assert len(README.splitlines()) < 150
    picture = REPOSITORY / re.search(r"!\[[^]]+\]\(([^)]+)\)", README)[1]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 200_000
    assert blocks_of(README, "python") == PYTHON[:1]


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(f"docs/{file.name}" for file in (REPOSITORY / "docs").glob("*.md"))]
)
def test_links_lead_to_files_that_are_there(page):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", (REPOSITORY / page).read_text())
    missing = [target for target in targets if not ((REPOSITORY / page).parent / target).exists()]
    assert missing == []


@pytest.mark.install
def test_the_command_for_a_wheel_and_an_sdist_builds_both_with_the_page(clone):
    command = next(text for text in blocks_of(INSTALLATION, "sh") if "hatchling build" in text)
    subprocess.run(["bash", "-c", command], cwd=clone, check=True, env=downloading(os.environ))
    [wheel] = (clone / "dist").glob("*.whl")
    [sdist] = (clone / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed, tarfile.open(sdist) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
        assert {f"adapter/server/inspector/{name}" for name in TYPES} <= set(packed.namelist()) & {
            name for name in names if name.startswith("adapter/")
        }


def test_every_setting_flag_that_the_readme_names_exists():
    flags = set(re.findall(r"(--[a-z][a-z-]+)", README + CLIENTS))
    of_pip = {"--without-pip", "--python", "--no-deps", "--no-build-isolation"}
    known = help_of("adapter", "serve") + help_of("conformance")
    assert {flag for flag in flags - of_pip if flag not in known} == set()


def help_of(*command):
    ran = subprocess.run(
        [sys.executable, "-m", *command, "--help-all" if "serve" in command else "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    return ran.stdout


def test_the_promised_pythons_are_the_same_everywhere():
    """The metadata, the two pages, the workflow; `.ci/run` reads them from the metadata."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: "
    versions = [one.removeprefix(prefix) for one in project["classifiers"] if re.fullmatch(rf"{prefix}3\.\d+", one)]
    assert project["requires-python"] == f">={versions[0]}"
    sentence = f"Python {versions[0]} or newer (tested: {', '.join(versions)})"
    assert sentence in README
    assert sentence in INSTALLATION
    workflow = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()
    assert re.findall(r"^ +(3\.\d+)$", workflow, re.MULTILINE) == versions[::-1]
