"""The report as one HTML file that needs nothing else: no server, no network, no other file."""

from importlib.resources import files
from typing import Any

import msgspec

from adapter.report.document import Lint, Report, model_map
from adapter.report.examples import ShownExample, masked_report


def render(report: Report, target: str, examples: list[ShownExample], *, lint: Lint, is_masked: bool) -> str:
    """Render the page. With `is_masked` no text of a request is in it: examples must have been masked by then."""
    if is_masked:
        report = masked_report(report, lint)
    data = {
        "report": report,
        "target": target,
        "map": model_map(report),
        "masked": is_masked,
        "examples": examples,
    }
    page = _resource("page.html").replace("/*style*/", _resource("page.css"), 1)
    page = page.replace("/*script*/", _resource("page.js"), 1)
    return page.replace("/*data*/", _in_script(data), 1)


def _resource(name: str) -> str:
    return files("adapter.report.pages").joinpath(name).read_text(encoding="utf-8")


def _in_script(data: Any) -> str:
    """Write JSON that cannot end its script element, whatever its texts say."""
    return msgspec.json.encode(data).decode().replace("<", "\\u003c")
