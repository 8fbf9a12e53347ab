"""The list: empty at first, requests at once, rows that stay what they are while others come."""

from driving import Live, expect, panel, row, until, verdict


def check(live: Live) -> None:
    with live.page() as page:
        expect(page.get_by_text("No requests yet")).to_be_visible()
        expect(page.locator(".welcome .url")).to_have_text(f"{live.url}/v1")
        page.get_by_role("button", name="Send a test request to the emulator").click()
        expect(verdict(page)).to_contain_text("Nothing lost")
        expect(panel(page)).to_contain_text("Say hello in Latin")
        expect(page.get_by_text("No requests yet")).to_be_hidden()

        for number in range(30):
            live.chat(f"old-{number}", f"number {number}")
        live.chat("lossy", "a lossy one", model="gpt-4o-mini", temperature=0.5, n=2, user="u")
        entry = row(page, "a lossy one")
        expect(entry).to_contain_text("gpt-4o-mini → answered by gemini-3.8-flash")
        expect(entry).to_contain_text("1 loss that changes the answer.")
        expect(entry).to_contain_text("1 loss that costs more.")
        expect(entry).to_contain_text("200")
        expect(entry).to_contain_text("tok")

        # Focus, scroll and selection survive what comes.
        row(page, "number 7 ").or_(row(page, "number 7").first).first.locator("a").focus()
        page.evaluate("document.activeElement.mine = true")
        before = page.evaluate("document.querySelector('.rows-box').scrollTop")
        assert before > 0
        top = page.evaluate("document.activeElement.getBoundingClientRect().top")
        live.chat("newest", "the newest")
        expect(row(page, "the newest")).to_have_count(1)
        assert page.evaluate("document.activeElement.mine")
        until(page, "top => Math.abs(document.activeElement.getBoundingClientRect().top - top) < 2", top)

        with live.hanging("hung"):
            entry = row(page, "a long story")
            expect(entry).to_have_class("running")
            expect(entry).to_contain_text("running.")
            entry.click()
            expect(verdict(page).locator(".facts")).to_contain_text("running")
            expect(verdict(page).locator(".trouble")).to_contain_text("Gemini has been silent for")
            expect(entry).to_have_class("running selected quiet")
        expect(entry).to_have_class("gone selected")
        expect(verdict(page).locator(".trouble")).to_contain_text("The client went away")
