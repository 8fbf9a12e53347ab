"""The page of `adapter report` in a real browser: `python report_page.py PAGE FOLDER` opens it from the disk.

Screenshots go into FOLDER. Nothing here starts a server, and the page must not ask for anything but itself.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}
SECTIONS = ("models", "days", "map", "losses", "schemas", "examples", "sources")


class Report:
    """The page on the disk, opened in fresh tabs; a request for anything else, or an error, fails the check."""

    def __init__(self, browser: Browser, path: Path, folder: Path) -> None:
        self.browser = browser
        self.url = path.resolve().as_uri()
        self.folder = folder

    @contextmanager
    def page(self, **options: object) -> Iterator[Page]:
        context = self.browser.new_context(**options)  # type: ignore[arg-type]
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: faults.append(request.url) if request.url != self.url else None)
        page.goto(self.url)
        yield page
        context.close()
        assert not faults, faults


def losses(page: Page) -> Locator:
    return page.locator("#loss-list > li")


def notes(page: Page, path: str) -> Locator:
    return page.locator("#notes li").filter(has=page.get_by_text(path, exact=True))


def lit(page: Page, side: str) -> Locator:
    return page.locator(f"#{side} .line.lit")


def check_head(report: Report) -> None:
    with report.page() as page:
        expect(page.locator("#privacy")).to_contain_text("Masked: texts and values")
        expect(page.locator("#summary")).to_contain_text("6 requests in 5 conversations")
        expect(page.locator(".card").nth(1)).to_contain_text("Would fail2")
        expect(page.locator("#legend li").filter(has_text="breaks")).to_contain_text("2 breaks")
        expect(page.locator("#calendar")).to_contain_text("OpenAI ends gpt-4o (5 requests)")
        expect(page.locator("#map-text")).to_have_text(re.compile(r"--models gpt-4o=gemini-"))
        expect(page.locator("#read")).to_contain_text("not JSON")
        assert "the ninth of May" not in page.content()
    print("the head, the days, the map and the sources say what is in the report, and nothing that was masked")


def check_targets(report: Report) -> None:
    with report.page() as page:
        row = page.locator("#target-table tbody tr").filter(has_text="gemini-2.5-flash")
        row.get_by_role("button").click()
        expect(page.locator("#target")).to_have_value("gemini-2.5-flash")
        expect(row).to_have_class(re.compile("chosen"))
        expect(losses(page).filter(has_text="sampling-ignored")).to_have_count(0)
        page.locator("#target").select_option("as mapped")
        expect(losses(page).filter(has_text="sampling-ignored")).to_have_count(1)
        first = page.locator("#target-table tbody tr").first.locator("td")
        expect(first.nth(2)).to_have_text("1")
        page.get_by_role("button", name="conversations").click()
        expect(page.get_by_role("button", name="conversations")).to_have_attribute("aria-pressed", "true")
        expect(first.nth(2)).to_have_text("0")
    print("a target is chosen in the table or the list; requests and conversations are counted by hand")


def check_filters(report: Report) -> None:
    with report.page() as page:
        every = losses(page).count()
        assert every >= 5, every
        page.locator("#search").fill("temperature")
        expect(losses(page)).to_have_count(1)
        expect(losses(page)).to_contain_text("sampling-ignored")
        expect(page.locator("#shown")).to_have_text(f"1 of {every} kinds of loss")
        page.locator("#search").fill("no such thing")
        expect(losses(page)).to_have_count(0)
        page.locator("#search").fill("")
        for button in page.locator("#severities button").all()[1:]:
            button.click()
        expect(losses(page).first).to_contain_text("(breaks)")
        assert losses(page).count() < every
    print("losses are searched by field, and shown by severity")


def check_keys(report: Report) -> None:
    with report.page() as page:
        page.keyboard.press("/")
        expect(page.locator("#search")).to_be_focused()
        page.keyboard.type("user-not")
        expect(losses(page)).to_have_count(1)
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        expect(losses(page).locator("summary")).to_be_focused()
        page.keyboard.press("Enter")
        expect(losses(page).locator(".detail")).to_be_visible()
        page.keyboard.press("e")
        expect(notes(page, "user")).to_have_class(re.compile("lit"))
        before = page.locator("#example").input_value()
        page.keyboard.press("n")
        assert page.locator("#example").input_value() != before
        page.keyboard.press("p")
        expect(page.locator("#example")).to_have_value(before)
    print("keys alone: search, the next loss, its detail, its example, the next example")


def check_links_between_bodies(report: Report) -> None:
    with report.page() as page:
        losses(page).filter(has_text="sampling-ignored").locator("summary").click()
        losses(page).filter(has_text="sampling-ignored").get_by_role("button", name="Show an example").click()
        expect(lit(page, "openai")).to_contain_text(['"temperature"'])
        line = page.locator("#openai .line").filter(has_text='"temperature"')
        expect(line).to_have_attribute("data-glyph", "≠")
        page.locator("#openai .line").filter(has_text='"max_tokens"').hover()
        expect(lit(page, "gemini")).to_contain_text(['"maxOutputTokens": 24'])
        page.locator("#gemini .line").filter(has_text='"maxOutputTokens"').hover()
        expect(lit(page, "openai")).to_contain_text(['"max_tokens": 24'])
        page.locator("#openai").focus()
        names = []
        for _ in range(page.locator("#openai .line").count()):
            page.keyboard.press("ArrowDown")
            names += page.locator("#openai .line.current .key").all_inner_texts()
            if '"max_tokens": ' in names:
                break
        expect(lit(page, "gemini")).to_contain_text(['"maxOutputTokens": 24'])
        expect(notes(page, "max_tokens")).to_have_class(re.compile("lit"))
    print("a field lights up on the other side: pointed at from either, and by arrow keys")


def check_schemas(report: Report) -> None:
    with report.page() as page:
        item = page.locator("#schema-list > li")
        expect(item).to_have_count(1)
        item.locator("summary").click()
        expect(item.locator(".body").first.locator("[data-glyph]")).to_contain_text('"pattern": "<9 characters>"')
        expect(item.locator(".body").last).to_contain_text('"description": "(pattern: ')
        expect(item.locator(".body").last).not_to_contain_text('"pattern":')
    print("a schema that loses something stands beside the one to send")


def check_refused(report: Report) -> None:
    with report.page() as page:
        losses(page).filter(has_text="out-of-range").locator("summary").click()
        losses(page).filter(has_text="out-of-range").get_by_role("button", name="Show an example").click()
        expect(page.locator("#gemini")).to_contain_text("Nothing is sent")
        expect(lit(page, "openai")).to_contain_text(['"n": 0'])
    print("a request that is refused says so, at its field")


def check_accessibility(report: Report) -> None:
    for scheme in ("light", "dark"):
        for size, viewport in SIZES.items():
            with report.page(color_scheme=scheme, viewport=viewport, reduced_motion="reduce") as page:
                for summary in page.locator("summary").all():
                    summary.click()
                page.locator("#notes button").first.focus()
                found = Axe().run(page)
                assert found.violations_count == 0, f"{scheme} {size}: {found.generate_report()}"
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, f"{scheme} {size}: {wide} pixels wider than the screen"
                for section in SECTIONS:
                    page.locator(f"#{section}").scroll_into_view_if_needed()
                page.screenshot(path=report.folder / f"report-{scheme}-{size}.png", full_page=True)
    print("axe finds nothing, and nothing is wider than the screen: light and dark, wide and 390 pixels")


def main(path: str, folder: str) -> None:
    found = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        report = Report(browser, Path(path), Path(folder))
        for check in (
            check_head,
            check_targets,
            check_filters,
            check_keys,
            check_links_between_bodies,
            check_schemas,
            check_refused,
            check_accessibility,
        ):
            check(report)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
