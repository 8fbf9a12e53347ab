"""`adapter report` from the shell's side: what it prints, writes and answers to a build, by hand-worked counts."""

import json
import re
from xml.etree import ElementTree

import orjson
import pytest
from click.testing import CliRunner

from adapter.cli import main
from adapter.cli.report import MAPPED
from tests.tools import traffic

SECRET = "the launch is on the ninth"
TOOL = {
    "type": "function",
    "function": {"name": "launch", "parameters": {"type": "object", "properties": {"day": {"type": "string"}}}},
}
TRAFFIC = [
    # Lossless everywhere.
    {"model": "gpt-4o", "messages": [{"role": "user", "content": SECRET}]},
    # temperature: Gemini 3.8 ignores sampling parameters, Gemini 2.5 takes them.
    {"model": "gpt-4o", "messages": [{"role": "user", "content": "a"}], "temperature": 0.5},
    # user is a tag for OpenAI's dashboard: cosmetic.
    {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "b"}], "user": "u-1", "tools": [TOOL]},
    # The same conversation's next turn, with the loss once more.
    {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
            {"role": "user", "content": "d"},
        ],
        "user": "u-1",
    },
    # At least one choice must be asked for.
    {"model": "gpt-4o", "messages": [{"role": "user", "content": "e"}], "n": 0},
]


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "traffic.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, TRAFFIC)))
    return path


def report(*arguments):
    options = ["--processes", "1", "--on", "2026-11-30", "--targets", "gemini-3.8-flash,gemini-2.5-flash"]
    return CliRunner().invoke(main, ["report", *options, *map(str, arguments)])


def by_name(document):
    return {target["name"]: target for target in document["targets"]}


def test_requests_and_conversations_are_graded_by_hand_worked_counts(tmp_path, recording):
    result = report(recording, "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    targets = by_name(json.loads((tmp_path / "report.json").read_text()))
    assert targets["gemini-3.8-flash"]["requests"] == {
        "lossless": 1,
        "cosmetic": 2,
        "costs": 0,
        "changes-answers": 1,
        "breaks": 1,
    }
    assert targets["gemini-2.5-flash"]["requests"]["lossless"] == 2
    assert targets["gemini-2.5-flash"]["requests"]["changes-answers"] == 0
    [user] = [one for one in targets["gemini-2.5-flash"]["codes"] if one["code"] == "user-not-sent"]
    assert (user["requests"], user["conversations"], user["fields"]) == (2, 1, {"user": 2})
    assert targets["gemini-2.5-flash"]["ends"] == "2026-12-01"


def test_a_model_that_ends_soon_is_not_proposed(tmp_path, recording):
    report(recording, "--json", tmp_path / "report.json")
    asked = json.loads((tmp_path / "report.json").read_text())["asked"]
    assert {one["name"]: (one["best"], one["shutdown"]) for one in asked} == {
        "gpt-4o": ("gemini-3.8-flash", "2027-01-14"),
        "gpt-4o-mini": ("gemini-3.8-flash", "2027-01-14"),
    }


def test_another_day_has_other_rules(tmp_path, recording):
    result = CliRunner().invoke(
        main,
        [
            *("report", "--processes", "1", "--on", "2026-12-02", "--targets", "gemini-2.5-flash"),
            *(str(recording), "--json", str(tmp_path / "later.json")),
        ],
    )
    assert result.exit_code == 0, result.output
    target = by_name(json.loads((tmp_path / "later.json").read_text()))["gemini-2.5-flash"]
    assert set(target["models"]) - {""} == {"gemini-3.5-flash-lite"}
    assert "model-retired" in {one["code"] for one in target["codes"]}


def test_the_masked_page_says_nothing_of_what_was_said(tmp_path, recording):
    report(recording, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "masked" in page
    for text in (SECRET, "u-1"):
        assert text not in page
    report(recording, "--html", tmp_path / "open.html", "--no-redact")
    assert "u-1" in (tmp_path / "open.html").read_text()


@pytest.mark.parametrize("redact", ["--redact", "--no-redact"])
def test_a_text_cannot_end_the_pages_script(tmp_path, redact):
    evil = {"model": "</script><script>alert(1)</script>", "messages": [{"role": "user", "content": "</script>"}]}
    path = tmp_path / "evil.jsonl"
    path.write_bytes(orjson.dumps(evil | {"user": "<!--<script>"}))
    report(path, "--html", tmp_path / "page.html", redact)
    page = (tmp_path / "page.html").read_text()
    assert page.count("</script>") == 2
    assert "<!--<script>" not in page
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in page.split('<script type="application/json"')[0]


def test_a_build_fails_at_its_threshold_and_says_why(tmp_path, recording):
    old = tmp_path / "old.json"
    assert report(recording, "--json", old, "--fail-on", "breaks").exit_code == 1
    same = report(recording, "--baseline", old, "--fail-on", "new:cosmetic")
    assert same.exit_code == 0, same.output
    body = TRAFFIC[0] | {"logit_bias": {"1": 1}}
    recording.write_bytes(recording.read_bytes() + b"\n" + orjson.dumps(body))
    junit = tmp_path / "losses.xml"
    worse = report(recording, "--baseline", old, "--fail-on", "new:changes-answers", "--junit", junit)
    assert worse.exit_code == 1
    assert "logit-bias" in worse.output.splitlines()[-1]
    suite = ElementTree.parse(junit).getroot()
    failing = [case.get("name") for case in suite if case.find("failure") is not None]
    assert suite.get("failures") == "1" == str(len(failing))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fail-on", "bad"], "is not one of breaks, changes-answers, costs, cosmetic"),
        (["--fail-on", "new:breaks"], "name it with --baseline"),
        (["--on", "tomorrow"], "does not match the format"),
        (["--json", "/no/such/folder/report.json"], "cannot be written: No such file or directory"),
    ],
)
def test_wrong_options_are_told(recording, options, words):
    result = report(recording, *options)
    assert result.exit_code == 2
    assert words in result.output


def test_nothing_to_report_on_is_told(tmp_path):
    (tmp_path / "empty.jsonl").write_text('{"weather": "fine"}\n')
    result = report(tmp_path)
    assert result.exit_code == 2
    assert "There is no request in these files." in result.output
    assert "no known format" in result.output


def test_a_baseline_that_is_no_report_is_told(tmp_path, recording):
    (tmp_path / "old.json").write_text("{}")
    result = report(recording, "--baseline", tmp_path / "old.json", "--fail-on", "new:breaks")
    assert result.exit_code == 2
    assert "is not the JSON of a report" in result.output


def test_code_hosts_get_places_and_pull_requests_get_tables(tmp_path, recording):
    report(recording, "--sarif", tmp_path / "losses.sarif", "--markdown", tmp_path / "losses.md")
    [run] = json.loads((tmp_path / "losses.sarif").read_text())["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    lines = {result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in run["results"]}
    assert lines <= {2, 3, 4, 5}
    text = (tmp_path / "losses.md").read_text()
    assert "## Losses on gemini-3.8-flash" in text
    assert "| `user-not-sent` | cosmetic | 2 | 1 |" in text


def test_the_summary_fits_into_eighty_columns_and_begins_with_what_happens_today(tmp_path, recording):
    result = report(recording, "--targets", "all", "--html", tmp_path / "page.html")
    lines = result.stdout.splitlines()
    assert lines[0] == "Read from 1 file: 5 requests."
    assert "…" not in result.stdout
    assert max(map(len, (line for line in lines if not line.startswith("--models")))) <= 80
    [header] = [number for number, line in enumerate(lines) if line.split()[:2] == ["target", "lossless"]]
    # One is lossless, two cosmetic, one has its temperature ignored, one is refused; no tokens are counted.
    assert lines[header + 2].split() == [*MAPPED.split(), "1", "2", "0", "1", "1", "unknown"]
    assert result.stderr.endswith(f"Wrote {tmp_path / 'page.html'}.\n")


@pytest.mark.parametrize(
    ("targets", "shown"),
    [
        ("gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini-2.5-flash,gemini-3.8-flash", "gemini-2.5-flash"),
        ("gemini-2.5-flash,mapped", MAPPED),
        ("mapped", MAPPED),
        ("all", MAPPED),
    ],
)
def test_losses_and_gate_are_those_of_the_first_target_named(tmp_path, recording, targets, shown):
    # Gemini 2.5 takes the temperature that the mapped Gemini 3.8 ignores; what no model takes is left out.
    recording.write_bytes(b"\n".join(map(orjson.dumps, TRAFFIC[:4])))
    junit, sarif, text = (tmp_path / name for name in ("losses.xml", "losses.sarif", "losses.md"))
    files = ("--junit", junit, "--sarif", sarif, "--markdown", text)
    result = report(recording, "--targets", targets, "--fail-on", "changes-answers", *files)
    is_lost = shown == MAPPED
    assert result.exit_code == is_lost, result.output
    assert f"Losses on {shown}\n" in re.sub(" +\n", "\n", result.stdout)
    assert f"## Losses on {shown}\n" in text.read_text()
    assert shown in ElementTree.parse(junit).getroot().get("name")
    assert ("sampling-ignored" in junit.read_text(), "sampling-ignored" in sarif.read_text()) == (is_lost, is_lost)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gemini-3.8-flsh", "gemini-3.8-flash"),
        ("gemini-2.5-flash-lte", "gemini-2.5-flash-lite"),
        ("gemini-9", "gemini-"),
    ],
)
def test_a_mistyped_target_is_refused_with_the_nearest_name(recording, name, near):
    result = report(recording, "--targets", f"gemini-3.8-flash,{name}")
    assert result.exit_code == 2
    words = " ".join(re.sub("[│╭╮╰╯─]", " ", result.output).split())
    assert f"no model {name} is known; the nearest name is {near}" in words


def test_versions_and_models_of_ones_own_are_no_typing_errors(tmp_path, recording):
    own = tmp_path / "own.toml"
    own.write_text('[[model]]\npattern = "gemini-9*"\nsource = "a test"\ndate = "2026-11-30"\n')
    names = "gemini-2.5-flash-001,models/gemini-3.8-flash,gemini-9"
    result = report(recording, "--targets", names, "--capabilities", own)
    assert result.exit_code == 0, result.output
    assert "The price of gemini-9 is unknown. Its capabilities are those of gemini-9*." in result.stderr


@pytest.mark.parametrize("targets", ["all", "gemini-2.5-flash,gemini-3.1-flash-lite"])
def test_ended_models_are_shown_with_their_day_and_what_answers(tmp_path, recording, targets):
    files = ("--json", tmp_path / "later.json", "--markdown", tmp_path / "later.md")
    result = report(recording, "--targets", targets, "--on", "2027-05-08", *files)
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "later.json").read_text())
    routed, retired = (by_name(document)[name] for name in ("gemini-2.5-flash", "gemini-3.1-flash-lite"))
    assert (routed["ends"], routed["successor"]) == ("2026-12-01", "gemini-3.5-flash-lite")
    assert (retired["ends"], retired["successor"]) == ("2027-05-07", "")
    assert routed["requests"]["breaks"] == 1
    assert retired["requests"]["breaks"] == retired["codes"][0]["requests"] == 5
    assert (retired["codes"][0]["code"], retired["codes"][0]["severity"]) == ("model-ended", "breaks")
    sentences = [
        "gemini-2.5-flash ended on 2026-12-01: judged as gemini-3.5-flash-lite, which answers in its place.",
        "gemini-3.1-flash-lite ended on 2027-05-07: nothing answers in its place.",
    ]
    for shown in (result.stdout, (tmp_path / "later.md").read_text()):
        assert all(sentence in " ".join(shown.split()) for sentence in sentences)
    assert not {one["best"] for one in document["asked"]} & {"gemini-2.5-flash", "gemini-3.1-flash-lite"}


def test_the_day_before_its_end_a_model_is_judged_as_ever(tmp_path, recording):
    report(recording, "--targets", "gemini-3.1-flash-lite", "--on", "2027-05-06", "--json", tmp_path / "before.json")
    target = by_name(json.loads((tmp_path / "before.json").read_text()))["gemini-3.1-flash-lite"]
    assert (target["requests"]["breaks"], target["ends"]) == (1, "2027-05-07")


def test_a_map_to_a_model_that_has_ended_breaks_every_request(tmp_path, recording):
    options = ("--targets", "mapped", "--models", "gpt-4o*=gemini-3.1-flash-lite", "--on", "2027-05-07")
    result = report(recording, *options, "--fail-on", "breaks")
    assert result.exit_code == 1
    assert "model-ended" in result.output.splitlines()[-1]


def test_losses_in_the_terminal_have_their_severity_and_long_lists_say_how_much_more(tmp_path):
    path = tmp_path / "many.jsonl"
    # The same texts each time: one conversation.
    path.write_bytes(b"\n".join(orjson.dumps(TRAFFIC[1] | {"model": f"gpt-4o-{number}"}) for number in range(15)))
    result = report(path)
    assert "3 more: --json or --html has all" in result.stdout
    [row] = [line for line in result.stdout.splitlines() if line.startswith("sampling-ignored")]
    assert row.split()[1:4] == ["changes-answers", "15", "1"]
    assert max(map(len, (line for line in result.stdout.splitlines() if not line.startswith("--models")))) <= 80


def test_a_baseline_says_what_is_new(tmp_path, recording):
    old = tmp_path / "old.json"
    report(recording, "--json", old)
    assert "Nothing is new on gemini-3.8-flash." in report(recording, "--baseline", old).output
    recording.write_bytes(recording.read_bytes() + b"\n" + orjson.dumps(TRAFFIC[0] | {"logit_bias": {"1": 1}}))
    worse = report(recording, "--baseline", old)
    assert "New since the baseline, on gemini-3.8-flash: logit-bias" in worse.output
    other = report(recording, "--baseline", old, "--targets", "gemini-4-argon")
    assert "The baseline has no target gemini-4-argon: all of its losses count as new." in other.output


@pytest.mark.parametrize(
    ("arguments", "words"), [((), "how many requests"), (("5", "x.jsonl"), "a folder of recordings")]
)
def test_traffic_without_a_corpus_is_told_in_a_sentence(tmp_path, monkeypatch, arguments, words):
    monkeypatch.setattr(traffic, "ROOT", None)
    monkeypatch.chdir(tmp_path)
    assert words in traffic.main(arguments)
    assert not list(tmp_path.iterdir())
