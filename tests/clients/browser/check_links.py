"""Deep links, and a server that is lost and comes back."""

from driving import Live, expect, row, verdict
from proxy import Proxy


def check(live: Live) -> None:
    live.chat("one", "the first", temperature=0.5)
    with live.page("#/requests/one/attempts") as page:
        expect(page.get_by_role("tab", name="Attempts")).to_have_attribute("aria-selected", "true")
        page.get_by_role("tab", name="OpenAI's answer").click()
        page.reload()
        expect(page.get_by_role("tab", name="OpenAI's answer")).to_have_attribute("aria-selected", "true")
        expect(verdict(page).locator(".facts")).to_contain_text("one")
        page.get_by_role("link", name="Models").click()
        expect(page.get_by_role("row").filter(has_text="gemini-2.5-pro").first).to_contain_text("20")
        page.go_back()
        expect(verdict(page).locator(".facts")).to_contain_text("one")

    # A link of version 0.1.
    with live.page("#one") as page:
        expect(verdict(page).locator(".facts")).to_contain_text("one")

    with live.page("#/requests/none") as page:
        page.expected.append("404")
        expect(page.locator(".message").locator("visible=true")).to_contain_text("There is no request none")

    proxy = Proxy(live.url)
    with live._replace(url=proxy.url).page() as page:
        page.expected += ["ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED", "network error"]
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("#lost")).to_be_hidden()
        proxy.break_off()
        expect(page.locator("#state")).to_have_text("Server lost: trying again")
        expect(page.locator("#lost")).to_contain_text("The server does not answer.")
        expect(row(page, "the first")).to_have_count(1)
        live.chat("two", "the second")
        proxy.mend()
        expect(row(page, "the second")).to_have_count(1)
        expect(row(page, "the first")).to_have_count(1)
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator("#state")).to_have_text("Live")
    later = [head for head in proxy.heads if head.startswith("GET /inspector/changes")]
    assert "last-event-id: " not in later[0].lower()
    assert "last-event-id: " in later[-1].lower()
    proxy.break_off()
