"""The report as JUnit XML: a test case per code of the ledger that occurs; it fails where the threshold is reached."""

from collections.abc import Collection
from xml.etree import ElementTree

from adapter.report.document import CodeReport, Report, TargetReport


def render(report: Report, target: TargetReport, refused: Collection[CodeReport]) -> str:
    """Render a test suite for one target."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"OpenAI traffic on {target.name}, {report.day}",
        tests=str(len(target.codes)),
        failures=str(len(refused)),
        errors="0",
        skipped="0",
    )
    for code in target.codes:
        case = ElementTree.SubElement(suite, "testcase", classname=f"{target.name}.{code.severity}", name=code.code)
        if code in refused:
            failure = ElementTree.SubElement(case, "failure", type=code.severity, message=code.meaning)
            failure.text = _detail(code)
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _detail(code: CodeReport) -> str:
    places = "\n".join(f"  {example.file} {example.position}" for example in code.examples)
    fields = ", ".join(code.fields)
    return f"{code.requests} requests, {code.conversations} conversations\nfields: {fields}\n{code.advice}\n{places}"
