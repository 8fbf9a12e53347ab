"""The output that an operator reads in a terminal: help, the doctor, settings, and errors of one sentence."""

import errno
import json
import os
import socket
import tomllib
from itertools import chain

import pytest
from click.testing import CliRunner

from adapter.cli import COMMANDS, main
from adapter.cli.install import install_command
from adapter.cli.serve import _explain
from adapter.settings import all_settings
from adapter.settings.groups import GROUPS, USUAL
from tests.support.paths import REPOSITORY


def run(*arguments, **environment):
    return CliRunner().invoke(main, list(arguments), env=environment)


def test_every_setting_is_in_exactly_one_group():
    grouped = list(chain(*GROUPS.values()))
    assert sorted(grouped) == sorted(setting.name for setting in all_settings())
    assert set(USUAL) <= set(grouped)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_a_sentence(name):
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert name in run("--help").output


def test_the_usual_help_fits_a_screen_and_the_whole_one_has_everything():
    usual = run("serve", "--help").output
    assert len(usual.splitlines()) <= 24
    assert all(len(line) <= 80 for line in usual.splitlines())
    whole = run("serve", "--help-all").output
    for setting in all_settings():
        assert f"--{setting.name.replace('_', '-')}" in whole
    for heading in GROUPS:
        assert f"{heading}:" in whole
    assert "ADAPTER_UPSTREAM_URL" in whole


def test_a_taken_address_is_one_sentence_that_says_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run("serve", "--port", port, "--store", "memory")
        doctor = run("doctor", "--port", port, "--store", "memory", "--json")
    assert result.exit_code == 3
    assert result.output.endswith(
        f"Error: 127.0.0.1:{port} is in use by another program: stop it, or choose another with --port "
        "(0 takes any that is free). See docs/settings.md#port\n"
    )
    assert doctor.exit_code == 1
    assert {one["name"]: one["state"] for one in json.loads(doctor.output)}["address"] == "error"


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EACCES, "a port above 1023"), (errno.EADDRNOTAVAIL, "look at --host and --port")],
)
def test_other_addresses_that_cannot_be_had_are_told(code, words):
    assert words in _explain("::1", 80, OSError(code, os.strerror(code)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = ", "settings.toml"),
        ("prot = 1", "no such setting: prot"),
        ("port = 99999", "99999"),
        ('strict = "very"', "strict"),
    ],
)
def test_a_wrong_file_is_one_sentence_without_a_traceback(tmp_path, text, words):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    result = run("config", "check", "--config", str(path))
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output


def test_the_example_names_every_setting_and_is_toml():
    text = run("config", "example").output
    uncommented = "\n".join(
        line.removeprefix("#") for line in text.splitlines() if line.startswith("#") and line[1:2].isalpha()
    )
    assert set(tomllib.loads(uncommented)) == {setting.name for setting in all_settings()}


def test_values_are_shown_with_where_they_come_from_and_secrets_are_not(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('retries = 3\nclient_keys = ["very-secret"]\n')
    result = run(
        "config", "show", "--config", str(path), "--port", "9", ADAPTER_STRICT="costs", GEMINI_API_KEY="AIza-secret"
    )
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "port = 9  (--port)" in lines
    assert "strict = costs  (ADAPTER_STRICT)" in lines
    assert f"retries = 3  ({path})" in lines
    assert "upstream_keys = 1 set  (GEMINI_API_KEY)" in lines
    assert "secret" not in result.output.replace(str(path), "")


def test_the_doctor_asks_the_upstream_and_says_what_to_do():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = run("doctor", "--store", "memory", "--port", "0", "--upstream-url", url, "--upstream-keys", "k")
    assert result.exit_code == 1
    assert "look at the network, --upstream-proxy and --upstream-url" in result.output
    fine = run("doctor", "--store", "memory", "--port", "0")
    assert fine.exit_code == 0
    assert "its answers are invented" in fine.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_a_completion(shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_ADAPTER_COMPLETE" in result.output


def test_an_extra_is_installed_by_a_command_for_this_environment():
    command = install_command("redis")
    assert "install" in command
    assert "redis" in command


@pytest.mark.parametrize(
    ("arguments", "environment", "place"),
    [
        (["--max-body", "much"], {}, "settings.md#max-body"),
        ([], {"ADAPTER_MAX_BODIES": "1"}, "settings.md#max-bodies"),
        ([], {"ADAPTER_NO_SUCH": "1"}, "settings.md"),
        (["--host", "0.0.0.0", "--emulator"], {}, "settings.md#allow-anonymous"),
        (["--notes", "no-such-code=allow"], {}, "settings.md#notes"),
        (["--workers", "2", "--store", "memory"], {}, "settings.md#store"),
    ],
)
def test_an_error_names_the_place_in_the_documentation_that_tells_more(arguments, environment, place):
    result = run("serve", *arguments, **environment)
    assert result.exit_code != 0
    assert "Traceback" not in result.output
    assert result.output.rstrip("\n).").endswith(f"docs/{place}"), result.output
    page, _, anchor = place.partition("#")
    text = (REPOSITORY / "docs" / page).read_text()
    assert not anchor or f'<a id="{anchor}"></a>' in text
