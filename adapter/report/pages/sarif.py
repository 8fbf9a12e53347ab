"""The report as SARIF 2.1.0 (OASIS standard), which code hosts show beside the files."""

import re
from typing import Any

from adapter.report.document import CodeReport, Report, TargetReport

_LEVELS = {"breaks": "error", "changes-answers": "warning", "costs": "warning", "cosmetic": "note"}
_LINE = re.compile(r"line (\d+)")


def document(report: Report, target: TargetReport, version: str) -> dict[str, Any]:
    """Return one run: a rule per code, a result for each example of it. `version` is the adapter's."""
    driver = {
        "name": "gemini-openai-adapter",
        "version": version,
        "rules": [_rule(code) for code in target.codes],
    }
    results = [result for index, code in enumerate(target.codes) for result in _results(index, code, target.name)]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "properties": {"day": str(report.day)}}],
    }


def _rule(code: CodeReport) -> dict[str, Any]:
    return {
        "id": code.code,
        "shortDescription": {"text": code.meaning},
        "help": {"text": code.advice or code.meaning},
        "defaultConfiguration": {"level": _LEVELS[code.severity]},
    }


def _results(index: int, code: CodeReport, target: str) -> list[dict[str, Any]]:
    text = f"{code.meaning} On {target}: {code.requests} requests, {code.conversations} conversations."
    return [
        {
            "ruleId": code.code,
            "ruleIndex": index,
            "level": _LEVELS[code.severity],
            "message": {"text": text},
            "locations": [{"physicalLocation": _location(example.file, example.position)}],
        }
        for example in code.examples
    ]


def _location(file: str, position: str) -> dict[str, Any]:
    located: dict[str, Any] = {"artifactLocation": {"uri": file.replace("\\", "/")}}
    line = _LINE.match(position)
    return located | ({"region": {"startLine": int(line[1])}} if line else {})
