"""Several processes, each with exchanges of its own: the page asks again and again, and collects what they have."""

from driving import Live, expect, pane, row


def check(live: Live) -> None:
    for number in range(8):
        live.chat(f"n{number}", f"number {number} of eight")
    with live.page() as page:
        page.expected += ["status of 503", "status of 404"]
        expect(page.locator("#state")).to_have_text("Asks every 2 s")
        expect(row(page, "of eight")).to_have_count(8)
        for number in (1, 6):
            row(page, f"number {number} of eight").click()
            expect(pane(page, "OpenAI request")).to_contain_text(f"number {number} of eight")
