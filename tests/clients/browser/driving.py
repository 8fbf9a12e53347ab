"""Helpers of the page's checks: requests to look at, and a page that reports every fault of its own."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

PATIENCE = 300_000
"""Milliseconds after which what never comes is given up."""

expect.set_options(timeout=PATIENCE)


class Live(NamedTuple):
    """A running adapter with a page, a browser, and a folder for what a check finds."""

    url: str
    browser: Browser
    folder: Path

    def post(self, body: object, path: str = "/v1/chat/completions", **headers: str) -> str:
        """Send a request as a client does; errors are answers too."""
        named = {
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), named)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE / 1000) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def chat(
        self,
        id_: str,
        text: str = "hi",
        *,
        model: str = "gemini-3.8-flash",
        headers: dict[str, str] | None = None,
        **body: object,
    ) -> Any:
        """A chat request with an id of its own."""
        sent = {"model": model, "messages": [{"role": "user", "content": text}], **body}
        answer = self.post(sent, x_client_request_id=id_, **(headers or {}))
        return answer if body.get("stream") else json.loads(answer)

    @contextmanager
    def hanging(self, id_: str) -> Iterator[None]:
        """A stream that hangs after its first event; its client leaves at the end."""
        body = {
            "model": "gemini-3.8-flash+fault-hang",
            "stream": True,
            "messages": [{"role": "user", "content": "a long story"}],
        }
        request = urllib.request.Request(
            self.url + "/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "x-client-request-id": id_},
        )
        opened = threading.Event()
        ended = threading.Event()

        def listen() -> None:
            with urllib.request.urlopen(request, timeout=PATIENCE / 1000) as answer:
                answer.readline()
                opened.set()
                ended.wait()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            assert opened.wait(PATIENCE / 1000)
            yield
        finally:
            ended.set()
            thread.join()

    @contextmanager
    def page(self, link: str = "", **options: Any) -> Iterator[Page]:
        """The page at a deep link. At the end it must have had no fault, and asked no other server for anything."""
        context = self.browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.url)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        faults: list[str] = []
        expected: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: faults.extend(foreign(request.url, self.url)))
        page.expected = expected  # type: ignore[attr-defined]
        page.goto(f"{self.url}/{link}")
        try:
            yield page
        finally:
            context.close()
        unexpected = [fault for fault in faults if not any(word in fault for word in expected)]
        assert not unexpected, unexpected


def foreign(url: str, own: str) -> list[str]:
    """The fault of a request to another server."""
    parts = urlsplit(url)
    return (
        [] if parts.scheme in ("data", "blob") or parts.netloc == urlsplit(own).netloc else [f"another server: {url}"]
    )


def row(page: Page, text: str) -> Any:
    """A row of the list."""
    return page.locator(".rows li").filter(has_text=text)


def verdict(page: Page) -> Any:
    """The sentence about the request that is shown."""
    return page.locator(".verdict").locator("visible=true")


def pane(page: Page, name: str) -> Any:
    """One of both requests."""
    return page.get_by_role("group", name=name, exact=True).locator("visible=true")


def panel(page: Page) -> Any:
    """The text of the chosen tab."""
    return page.locator("[role=tabpanel]").locator("visible=true")


def tab(page: Page, name: str) -> Any:
    """Open a tab; its panel."""
    shown = page.get_by_role("tab", name=name).locator("visible=true")
    shown.click()
    return page.locator(f"#{shown.get_attribute('aria-controls')}")


def line(page: Page, where: str, text: str) -> Any:
    """A line of a request's pane."""
    return pane(page, where).locator(".line").filter(has_text=text).first


def until(page: Page, expression: str, argument: object = None) -> None:
    """Wait until an expression of the page is true; `wait_for_function` needs `eval`, which the policy forbids."""
    waited = 0
    while not page.evaluate(expression, argument):
        waited += 50
        assert waited < PATIENCE, expression
        page.wait_for_timeout(50)
