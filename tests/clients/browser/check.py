"""The page at / in a real browser: what a person sees of a request that lost something, and of one that failed."""

import json
import shutil
import sys
import urllib.error
import urllib.request

from playwright.sync_api import Page, expect, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def post(url: str, **body: object) -> None:
    data = json.dumps({"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "hi"}], **body}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", data, {"content-type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=10).read()
    except urllib.error.HTTPError as error:
        error.read()


def look(page: Page, url: str) -> None:
    page.goto(url.removesuffix("/v1") + "/")
    expect(page.get_by_text("No requests yet.")).to_be_visible()
    post(url, user="somebody", temperature=0.5, n=2)
    row = page.get_by_role("button").filter(has_text="gemini-3.5-flash")
    expect(row).to_have_count(1)
    row.click()
    table = page.get_by_role("table")
    expect(table.get_by_role("row").filter(has_text="user")).to_contain_text("dropped")
    expect(table.get_by_role("row").filter(has_text="→ temperature")).to_contain_text("exact")
    page.get_by_label("exact").uncheck()
    expect(table.get_by_role("row").filter(has_text="→ temperature")).to_be_hidden()
    expect(table.get_by_role("row").filter(has_text="→ user")).to_be_visible()
    expect(page.locator("#upstream-request")).to_contain_text('"temperature": 0.5')
    expect(page.locator("#answer")).to_contain_text("chat.completion")
    print("a loss is told with its reason, and fates can be hidden")

    page.reload()
    expect(page.locator("#upstream-request")).to_contain_text('"temperature": 0.5')
    print("the address names the exchange: a reload shows it again")

    post(url, stream=True, stream_options={"include_usage": True})
    post(url, temperature=9)
    expect(page.get_by_role("button").filter(has_text="400")).to_have_count(1)
    expect(page.get_by_role("button").filter(has_text="stream")).to_have_count(1)
    page.get_by_role("button").filter(has_text="stream").click()
    expect(page.locator("#answer")).to_contain_text("[DONE]")
    print("streams and failures are listed as they come")

    post(url, messages=[{"role": "user", "content": "<img src=x onerror=document.title='taken'>"}])
    expect(page.get_by_role("listitem")).to_have_count(4)
    page.get_by_role("button").first.click()
    expect(page.locator("#request")).to_contain_text("<img src=x")
    expect(page).to_have_title("What became of each field")
    print("what a request says is shown, never run")


def main(url: str) -> None:
    found = next(path for name in BROWSERS if (path := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        look(page, url)
        browser.close()
    assert not faults, faults


if __name__ == "__main__":
    main(sys.argv[1])
