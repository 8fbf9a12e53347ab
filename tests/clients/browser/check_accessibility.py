"""axe finds nothing in any view, light and dark, wide and narrow; nothing is wider than a phone; no motion unasked."""

from axe_playwright_python.sync_playwright import Axe
from driving import Live, expect, panel, row, verdict
from playwright.sync_api import Page

SIZES = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}
TABS = ("lossy", "lossy/openai", "stream/gemini", "stream/openai", "results/signatures", "busy/attempts")
LINKS = (
    "",
    *(f"#/requests/{tab}" for tab in (*TABS, "lossy/copy", "lossy/again")),
    "#/paste",
    "#/models",
    "#/codes",
    "#/setup",
)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def check(live: Live) -> None:
    live.chat("lossy", "a lossy one", model="gpt-4o-mini", temperature=0.5, n=2, user="u", logprobs=True)
    live.chat("stream", stream=True)
    live.chat("busy", model="gemini-3.8-flash+fault-503")
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "b"},
    ]
    live.post({"model": "gemini-3.8-flash", "messages": history, "tools": [TOOL]}, x_client_request_id="results")
    for scheme in ("light", "dark"):
        for size, viewport in SIZES.items():
            with (
                live.hanging(f"hung-{scheme}-{size}"),
                live.page(color_scheme=scheme, viewport=viewport, reduced_motion="reduce") as page,
            ):
                for link in LINKS:
                    look(page, f"{live.url}/{link}", f"{scheme} {size} {link}")


def look(page: Page, url: str, what: str) -> None:
    page.goto(url)
    page.wait_for_load_state()
    if url.endswith("#/paste"):
        page.get_by_role("button", name="Try an example").click()
        expect(verdict(page)).to_contain_text("temperature")
        page.get_by_role("tab", name="Every model").click()
        expect(panel(page).locator("tbody tr").first).to_be_visible()
    elif "/requests/" in url:
        expect(verdict(page)).to_be_visible()
    elif url.endswith("/"):
        expect(row(page, "a lossy one")).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, f"{what}: {found.generate_report()}"
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{what}: {wide} pixels wider than the screen"
    turning = page.evaluate("document.getAnimations().length")
    assert turning == 0, what
