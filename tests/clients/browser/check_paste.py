"""Paste: chat, Responses, curl, batch lines, while one types; nothing is sent before a click that names who gets it."""

import json
import shlex

from driving import Live, expect, pane, row, tab, verdict
from playwright.sync_api import Page

CHAT = {
    "model": "gpt-4o-mini",
    "temperature": 0.5,
    "messages": [{"role": "user", "content": 'it\'s "quoted"\nand goes on'}],
}
BATCH = "\n".join(
    json.dumps(
        {
            "custom_id": f"job-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {**CHAT, "seed": number},
        }
    )
    for number in (11, 22)
)


def check(live: Live) -> None:
    with live.page("#/paste") as page:
        page.expected.append("status of 400")
        text = page.get_by_label("Paste a request")
        expect(text).to_be_focused()
        gemini = pane(page, "Gemini request")
        text.fill("{")
        expect(verdict(page)).to_contain_text("It would be answered 400")
        says_nothing_but_the_error(page)
        text.fill(json.dumps(CHAT, indent=1))
        expect(verdict(page)).to_contain_text("1 loss that changes the answer (temperature)")
        expect(page.get_by_role("tab", name="Fields")).to_have_text("Fields 2")
        text.fill("client.chat.completions.create()")
        expect(verdict(page)).to_contain_text("It would be answered 400")
        says_nothing_but_the_error(page)
        text.fill(json.dumps(CHAT, indent=1))
        expect(gemini).to_contain_text("it's")
        expect(page.get_by_role("heading", name="Gemini request, not sent")).to_be_visible()

        command = "curl https://api.openai.com/v1/chat/completions -H 'Authorization: Bearer sk-x' \\\n  -d "
        text.fill(command + shlex.quote(json.dumps(CHAT)))
        expect(gemini).to_contain_text("and goes on")
        text.fill("curl https://api.openai.com/v1/responses -d @file")
        expect(page.locator(".message").locator("visible=true")).to_contain_text("a file of yours (@file)")
        text.fill(json.dumps({"model": "gpt-4o", "input": "hello"}))
        expect(verdict(page).locator(".facts")).to_contain_text("/v1/responses")
        text.fill(BATCH)
        expect(pane(page, "OpenAI request")).to_contain_text('"seed": 11')
        page.get_by_label("Line of the batch").select_option(label="line 2: job-22")
        expect(pane(page, "OpenAI request")).to_contain_text('"seed": 22')

        # What the emulator would refuse, and what the adapter does.
        text.fill(json.dumps({**CHAT, "model": "gemini-99-nothing"}))
        expect(verdict(page)).to_contain_text("Gemini would refuse it: models/gemini-99-nothing is not found")
        text.fill(json.dumps({**CHAT, "temperature": 9}))
        expect(verdict(page)).to_contain_text("It would be answered 400")
        expect(page.get_by_role("button", name="temperature: rejected")).to_have_count(1)

        text.fill(json.dumps(CHAT))
        every = tab(page, "Every model")
        names = every.locator("tbody th")
        expect(names.filter(has_text="gemini-2.5-flash").first).to_be_visible()
        assert names.count() > 5
        names.get_by_role("button", name="gemini-2.5-flash", exact=True).click()
        expect(verdict(page).locator(".models")).to_have_text("gemini-2.5-flash")
        expect(verdict(page)).to_contain_text("Nothing lost")

        # Nothing was sent so far.
        page.get_by_role("link", name="Requests").click()
        expect(page.get_by_text("No requests yet")).to_be_visible()
        page.get_by_role("link", name="Paste", exact=True).click()
        tab(page, "Run it").get_by_role("button", name="Send to the emulator").click()
        expect(verdict(page)).to_contain_text("200")
        expect(page.get_by_role("tab", name="OpenAI's answer")).to_have_attribute("aria-selected", "true")
        expect(row(page, "and goes on")).to_have_count(1)

        # Run again on another model and level.
        shown = tab(page, "Run again")
        shown.get_by_label("Model").fill("gemini-3.8-flash")
        shown.get_by_label("Thinking level").select_option("low")
        shown.get_by_role("button", name="Send to the emulator").click()
        expect(row(page, "gemini-3.8-flash")).to_have_count(1)
        expect(pane(page, "Gemini request")).to_contain_text('"thinkingLevel": "low"')


def says_nothing_but_the_error(page: Page) -> None:
    expect(verdict(page)).not_to_contain_text("Nothing lost")
    expect(verdict(page)).not_to_contain_text("no model")
    expect(page.get_by_role("tab", name="Fields")).to_have_text("Fields")
    expect(tab(page, "Run it")).to_contain_text("not JSON")
    tab(page, "Fields")
