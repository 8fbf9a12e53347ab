"""Copied commands and programs, written down for the test that runs them; no key stands in any."""

from driving import Live, expect, tab

NAMES = {
    "curl to this adapter": "adapter.sh",
    "curl to Gemini": "gemini.sh",
    "Python, openai": "openai.py",
    "Python, google-genai": "genai.py",
}
SET_UP = {"curl": "setup.sh", "Python, openai": "setup_openai.py", "Python, google-genai": "setup_genai.py"}
BODY = {
    "temperature": 0.5,
    "reasoning_effort": "low",
    "google": {"safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}]},
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": 'it\'s "quoted"\n😀',
                "parameters": {"type": "object", "properties": {"all": {"type": "boolean", "default": True}}},
            },
        }
    ],
}


def check(live: Live) -> None:
    live.chat("copied", 'say "copied it\'s"', **BODY, headers={"authorization": "Bearer sk-secret"})
    with live.page("#/requests/copied") as page:
        shown = tab(page, "Copy")
        for name, file in NAMES.items():
            part = shown.locator(".snippet").filter(has=page.get_by_role("heading", name=name, exact=True))
            part.get_by_role("button", name="Copy").click()
            expect(part.get_by_role("button")).to_have_text("Copied")
            text = page.evaluate("navigator.clipboard.readText()")
            assert "secret" not in text
            (live.folder / file).write_text(text)
        page.get_by_role("link", name="Set up").click()
        for name, file in SET_UP.items():
            part = page.locator(".page .snippet").filter(has=page.get_by_role("heading", name=name, exact=True))
            (live.folder / file).write_text(part.locator("pre").inner_text())
