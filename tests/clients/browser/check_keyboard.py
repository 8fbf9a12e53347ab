"""The page works by keyboard alone: j and k, arrows, enter, the slash, tabs, marks, the line between the panes."""

from driving import Live, expect, line, pane, verdict


def check(live: Live) -> None:
    for number in range(5):
        live.chat(f"r{number}", f"request {number}", temperature=0.5, max_tokens=20)
    with live.page() as page:
        rows = page.locator(".rows li")
        expect(rows).to_have_count(5)
        page.keyboard.press("j")
        expect(rows.nth(0)).to_have_class("complete selected")
        # As fast as a key that is held: the page has no time for anything between them.
        page.evaluate(
            "for (const key of ['j', 'j', 'k'])"
            " document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))"
        )
        expect(rows.nth(1)).to_have_class("complete selected")
        expect(rows.nth(1).locator("a")).to_be_focused()
        expect(rows.nth(1).locator("a")).to_have_attribute("aria-current", "true")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(rows.nth(3).locator("a")).to_be_focused()
        page.keyboard.press("Enter")
        expect(rows.nth(3)).to_have_class("complete selected")
        expect(verdict(page).locator(".facts")).to_contain_text("r1")

        page.keyboard.press("/")
        expect(page.get_by_label("Search requests")).to_be_focused()
        page.keyboard.type("jk")
        expect(page.get_by_label("Search requests")).to_have_value("jk")
        page.keyboard.press("Escape")
        expect(page.get_by_label("Search requests")).not_to_be_focused()
        page.get_by_label("Search requests").fill("")

        page.get_by_role("tab", name="Fields").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Gemini's answer")).to_be_focused()
        expect(page.get_by_role("tab", name="Gemini's answer")).to_have_attribute("aria-selected", "true")

        # From mark to mark; what the mark says is read, and its target is lit.
        pane(page, "OpenAI request").focus()
        for _ in range(3):
            page.keyboard.press("ArrowDown")
        until_focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert ":" in until_focused, until_focused
        expect(page.locator(".hint").locator("visible=true")).to_contain_text(until_focused.partition(":")[0])
        line(page, "OpenAI request", '"temperature"').get_by_role("button").focus()
        expect(page.locator(".hint").locator("visible=true")).to_contain_text("the model ignores sampling parameters")

        between = page.get_by_role("separator", name="Width of the OpenAI request").locator("visible=true")
        between.focus()
        page.keyboard.press("ArrowRight")
        expect(between).to_have_attribute("aria-valuenow", "54")
