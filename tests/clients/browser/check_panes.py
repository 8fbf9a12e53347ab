"""Both requests: marks by fate, pointing lights targets, one verdict, equal notes in one row."""

from driving import Live, expect, line, pane, row, tab, verdict

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": f"tool_{number}",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "string", "pattern": "^a", "minLength": number + 1}},
            },
        },
    }
    for number in range(30)
]


def check(live: Live) -> None:
    live.chat("first", model="gpt-4o-mini", temperature=0.5, n=2, user="u", seed=7, max_tokens=10**2)
    live.chat("big", model="gpt-4o-mini", temperature=0.5, tools=TOOLS)
    live.chat("markup", "<img src=x onerror=document.title='taken'>")
    live.chat("long number", seed=2**31 - 1, metadata={"id": "12345678901234567890"})
    with live.page("#/requests/first") as page:
        expect(verdict(page).locator(".models")).to_have_text("gpt-4o-mini →  answered by gemini-3.8-flash")
        expect(verdict(page).locator(".sentence")).to_contain_text("1 loss that changes the answer (temperature)")
        expect(verdict(page).locator(".sentence")).to_contain_text("1 loss that costs more (n)")
        expect(verdict(page).locator(".sentence")).to_contain_text("cosmetic")
        expect(page.get_by_text("sent 2 times")).to_be_visible()

        dropped = line(page, "OpenAI request", '"temperature"')
        expect(dropped.locator(".gutter")).to_have_text("✕")
        expect(
            dropped.get_by_role("button", name="temperature: dropped. the model ignores sampling parameters")
        ).to_have_count(1)
        dropped.hover()
        hint = page.locator(".hint").locator("visible=true")
        expect(hint).to_contain_text("the model ignores sampling parameters")
        expect(page.locator(".lit")).to_have_count(1)

        line(page, "OpenAI request", '"max_tokens"').hover()
        target = line(page, "Gemini request", '"maxOutputTokens"')
        expect(target).to_have_class("line under exact lit")
        expect(hint).to_contain_text("/generationConfig/maxOutputTokens")
        target.hover()
        expect(line(page, "OpenAI request", '"max_tokens"')).to_have_class("line under exact lit")

        # A click holds it.
        line(page, "OpenAI request", '"max_tokens"').click()
        verdict(page).hover()
        expect(target).to_have_class("line under exact lit")

        # A far row is shown from its top; its ledger is no wall, and its fields unfold.
        row(page, "tool_").or_(page.locator(".rows li").nth(2)).first.click()
        expect(verdict(page).locator(".sentence")).to_contain_text("and 57 more")
        fields = tab(page, "Fields")
        expect(fields.locator("tbody tr")).to_have_count(4)
        described = fields.locator("tbody tr").filter(has_text="schema-constraint-described")
        expect(described).to_contain_text("60 fields")
        expect(described.locator(".path")).to_have_count(3)
        described.get_by_role("button", name="57 more").click()
        expect(described.locator(".path")).to_have_count(60)
        described.locator(".path").last.click()
        lit = pane(page, "OpenAI request").locator(".lit")
        expect(lit).to_contain_text('"minLength": 30')
        expect(lit).to_be_in_viewport()
        fields.get_by_role("button", name="dropped 1").click()
        expect(fields.locator("tbody tr")).to_have_count(1)
        described = page.get_by_role("link", name="sampling-ignored")
        described.click()
        expect(page.locator(".code-entry.chosen")).to_contain_text("sampling-ignored")
        expect(page.locator(".code-entry.chosen")).to_be_in_viewport()

    with live.page("#/requests/markup") as page:
        expect(pane(page, "OpenAI request")).to_contain_text("<img src=x")
        expect(page).to_have_title("What became of each field")
    with live.page("#/requests/long%20number") as page:
        expect(page.get_by_role("status").filter(has_text="There is no request long number")).to_be_visible()
        page.expected.append("404")
