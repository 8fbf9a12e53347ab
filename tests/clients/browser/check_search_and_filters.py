"""Search, filters by status, model, fate, code and client, pause and clear."""

from driving import Live, expect, row


def check(live: Live) -> None:
    curl = {"user_agent": "curl/8"}
    live.chat("plain", "a plain one", headers=curl)
    live.chat("lossy", "a lossy one", model="gpt-4o-mini", temperature=0.5)
    live.chat("refused", "a refused one", headers={"x_adapter_strict": "all"}, temperature=0.5)
    live.chat("overloaded", "an overloaded one", model="gemini-3.8-flash+fault-503")
    with live.page() as page:
        rows = page.locator(".rows li")
        expect(rows).to_have_count(4)
        page.keyboard.press("/")
        page.keyboard.type("plain")
        expect(rows).to_have_count(1)
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.type("nothing like it")
        expect(page.get_by_text("No request fits the search and the filters.")).to_be_visible()
        page.locator(".empty").get_by_role("button", name="Show all").click()
        expect(rows).to_have_count(4)

        page.get_by_role("button", name="Filters").click()
        for filter_, value, count in (
            ("Status", "ok", 2),
            ("Status", "4xx", 1),
            ("Status", "5xx", 1),
            ("Model", "gpt-4o-mini", 1),
            ("Fate", "dropped", 2),
            ("Code", "sampling-ignored", 2),
            ("Client", "curl/8", 1),
        ):
            page.locator("#filters").get_by_label(filter_, exact=True).select_option(value)
            expect(rows).to_have_count(count)
            expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()
            page.locator(".reset").click()
            expect(rows).to_have_count(4)

        page.get_by_role("button", name="Pause").click()
        live.chat("later", "a later one")
        expect(page.get_by_role("button", name="Go on (1)")).to_be_visible()
        expect(rows).to_have_count(4)
        page.get_by_role("button", name="Go on (1)").click()
        expect(rows).to_have_count(5)

        page.get_by_role("button", name="Clear").click()
        expect(rows).to_have_count(0)
        live.chat("fresh", "a fresh one")
        expect(row(page, "a fresh one")).to_have_count(1)
        expect(rows).to_have_count(1)
        page.get_by_role("button", name="Bring them back").click()
        expect(rows).to_have_count(6)
