"""Copied commands and programs, written down for the test that runs them; no key stands in any."""

import json
import subprocess

from driving import Live, expect, tab

NAMES = {
    "curl to this adapter": "adapter.sh",
    "curl to Gemini": "gemini.sh",
    "Python, openai": "openai.py",
    "Python, google-genai": "genai.py",
}
SET_UP = {"curl": "setup.sh", "Python, openai": "setup_openai.py", "Python, google-genai": "setup_genai.py"}
FILE = "hel'lo you.wav"
FORM = ["-H", "x-client-request-id: sent-as-a-form", "--form-string", "model=whisper-1"]
FORM += ["--form-string", "keywords[]=@it's;type=a", "--form-string", "keywords[]=<b", "--form-string", "prompt=a\nb"]
SPEECH = {"model": "gpt-4o-mini-tts", "input": "copied it's", "response_format": "wav"}
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
    sound = live.folder / "files" / FILE
    sound.parent.mkdir()
    audio = f"{live.url}/v1/audio"
    subprocess.run(["curl", "-sf", "--json", json.dumps(SPEECH), "-o", sound, f"{audio}/speech"], check=True)
    subprocess.run(["curl", "-sf", *FORM, "-F", f"file=@{sound}", f"{audio}/transcriptions"], check=True)
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
    with live.page("#/requests/sent-as-a-form") as page:
        part = tab(page, "Copy").locator(".snippet")
        part = part.filter(has=page.get_by_role("heading", name="curl to this adapter", exact=True))
        (live.folder / "form.sh").write_text(part.locator("pre").inner_text())
        page.get_by_role("link", name="Set up").click()
        for name, file in SET_UP.items():
            part = page.locator(".page .snippet").filter(has=page.get_by_role("heading", name=name, exact=True))
            (live.folder / file).write_text(part.locator("pre").inner_text())
