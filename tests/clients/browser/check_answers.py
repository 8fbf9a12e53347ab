"""Answers as they came and as they left, signatures, attempts, and what was never sent."""

import json

from driving import Live, expect, panel, tab, verdict

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def check(live: Live) -> None:
    live.chat("twice", n=2)
    live.chat("stream", 'say "one two three four five"', stream=True, stream_options={"include_usage": True})
    live.chat("busy", model="gemini-3.8-flash+fault-503")
    live.chat("elsewhere", model="gemini-3.8-flash+fault-500")
    live.chat("never", temperature=0.5, headers={"x_adapter_strict": "all"})
    call = live.chat("calls", "get_weather in Paris", tools=[WEATHER])["choices"][0]["message"]["tool_calls"][0]
    del call["extra_content"]
    history = [
        {"role": "user", "content": "get_weather in Paris"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "20"},
    ]
    live.post({"model": "gemini-3.8-flash", "messages": history, "tools": [WEATHER]}, x_client_request_id="results")
    live.post(
        {"model": "gemini-3.8-flash", "input": 'say "six seven"', "stream": True},
        "/v1/responses",
        x_client_request_id="response",
    )

    with live.page("#/requests/twice") as page:
        shown = tab(page, "Gemini's answer")
        expect(shown.get_by_role("heading", name="Call 1 of 2")).to_be_visible()
        expect(shown.get_by_role("heading", name="Call 2 of 2")).to_have_count(1)
        expect(shown).to_contain_text('"modelVersion"')
        expect(tab(page, "Attempts").locator("tbody tr")).to_have_count(2)

    with live.page("#/requests/stream/openai") as page:
        shown = panel(page)
        expect(shown).to_contain_text('"one two three four five"')
        expect(shown).to_contain_text('"chat.completion"')
        expect(shown).to_contain_text('"finish_reason": "stop"')
        shown.get_by_role("button", name="Copy").click()
        joined = json.loads(page.evaluate("navigator.clipboard.readText()"))
        assert joined["choices"][0]["message"]["content"] == "one two three four five"
        assert joined["usage"]["prompt_tokens"] > 0
        shown.get_by_role("button", name="Events").click()
        rows = shown.locator("tbody tr")
        expect(rows.last).to_contain_text("[DONE]")
        expect(rows.nth(1).locator(".figure").nth(1)).to_contain_text("ms")
        rows.nth(1).locator("summary").click()
        expect(rows.nth(1).locator("pre")).to_contain_text('data: {"id":')
        shown = tab(page, "Gemini's answer")
        expect(shown.locator("tbody tr").last).to_contain_text("finish: STOP")

    with live.page("#/requests/busy/attempts") as page:
        expect(verdict(page).locator(".trouble")).to_contain_text("Answered 503 server_is_overloaded")
        shown = panel(page)
        assert shown.locator("tbody tr").count() > 1
        expect(shown.locator("tbody tr").first).to_contain_text("503")
        expect(page.get_by_role("heading", name="Gemini request, as it went")).to_be_visible()
        expect(tab(page, "Gemini's answer")).to_contain_text("No answer: the last attempt ended with 503")

    with live.page("#/requests/elsewhere/attempts") as page:
        expect(panel(page)).to_contain_text("fell back to gemini-3.5-flash after")
        expect(panel(page).locator("tbody tr").last).to_contain_text("gemini-3.5-flash")
        expect(panel(page).locator("tbody tr").last).to_contain_text("ok")
        expect(verdict(page).locator(".models")).to_contain_text("answered by gemini-3.5-flash")

    with live.page("#/requests/never") as page:
        expect(verdict(page).locator(".trouble")).to_contain_text("It never went to Gemini.")
        expect(page.get_by_role("heading", name="Gemini request, never sent")).to_be_visible()
        expect(tab(page, "Gemini's answer")).to_contain_text("This request never went to Gemini.")

    with live.page("#/requests/results/signatures") as page:
        signature = panel(page).locator("tbody tr")
        expect(signature).to_have_count(1)
        expect(signature).to_contain_text(call["id"])
        expect(signature).to_contain_text("get_weather")
        expect(signature).to_contain_text("the store, by the call's id")
        expect(signature).to_contain_text("emulator")
        expect(signature.locator("td").last).to_contain_text("second")

    with live.page("#/requests/response/openai") as page:
        shown = panel(page)
        expect(shown).to_contain_text('"six seven"')
        expect(shown).to_contain_text('"status": "completed"')
