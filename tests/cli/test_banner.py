"""The first lines of the server: 80 columns, colour where it is wanted, what answers and what to try."""

import json

import click
import pytest

from adapter.cli.banner import Banner, print_banner
from adapter.settings import Settings
from tests.support.live import adapter

NOW = 1_796_000_000.0
TOKEN = "t" * 32
RELAY = {"upstream_url": "https://relay.example", "upstream_keys": ("k",)}


def lines(port=8080, upstream="emulator", **settings):
    return [click.unstyle(line) for line in Banner(Settings(**settings), upstream, port, TOKEN, NOW).lines()]


def test_without_a_key_the_emulator_answers_and_that_is_said():
    assert lines() == [
        lines()[0],
        "",
        "  Base URL  http://127.0.0.1:8080/v1",
        f"  Page      http://127.0.0.1:8080/?token={TOKEN}",
        "",
        """curl http://127.0.0.1:8080/v1/responses --json '{"model":"gpt-5","input":"Hi"}'""",
        "",
        "! Answers are invented. Set GEMINI_API_KEY to call Gemini itself.",
    ]
    assert lines()[0].endswith("the built-in Gemini emulator answers (no key is set)")


@pytest.mark.parametrize("port", [80, 8080, 65_535])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"emulator": True, "host": "0.0.0.0"},
        {"upstream_keys": ("k",)},
        {"upstream_keys": ("k",), "client_keys": ("c",)},
        {"host": "0.0.0.0", "inspector": True, **RELAY},
    ],
    ids=["emulator", "exposed emulator", "google", "client keys", "exposed relay"],
)
def test_no_line_is_longer_than_80_columns(port, settings):
    shown = lines(port, "a relay", **settings)
    assert max(map(len, shown)) <= 80, shown


def test_a_key_is_named_where_one_is_asked_for_and_the_page_needs_no_token_then():
    shown = lines(upstream="studio", upstream_keys=("k",), client_keys=("c",))
    assert shown[-3].endswith("/v1/responses -H 'authorization: Bearer KEY' \\")
    assert "  Page      http://127.0.0.1:8080/" in shown


def test_there_is_no_page_where_others_reach_the_server_and_that_they_may_call_is_said():
    shown = lines(upstream="relay.example", host="0.0.0.0", **RELAY)
    assert not any("Page" in line for line in shown)
    assert shown[-1] == "! Anybody who reaches this address may call: see --client-keys."


def test_without_the_table_of_names_a_model_of_geminis_is_tried():
    assert '"model":"gemini-3.8-flash"' in lines(default_models=False)[5]


def test_an_address_of_ipv6_stands_in_brackets():
    assert lines(host="::1")[2] == "  Base URL  http://[::1]:8080/v1"


@pytest.mark.parametrize(("forbidden", "is_coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_and_not_where_no_color_is_set(monkeypatch, capfd, forbidden, is_coloured):
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda stream=None, color=None: color is False)
    monkeypatch.setenv("NO_COLOR", forbidden)
    print_banner(Banner(Settings(), "emulator", 8080, TOKEN, NOW))
    assert ("\x1b[" in capfd.readouterr().out) is is_coloured


def test_the_warnings_are_in_json_logs_too(tmp_path):
    with (tmp_path / "log").open("w") as log, adapter(tmp_path, "--log-format", "json", stderr=log):
        pass
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert any(line.get("message", "").startswith("Answers are invented.") for line in told), told
