"""The page at / in a real browser, driven from an environment of its own."""

import shutil

import pytest

from tests.clients.environments import check
from tests.support.live import adapter
from tests.support.size import IS_LARGE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.mark.browser
def test_the_page_shows_what_became_of_each_field(tmp_path):
    if not any(map(shutil.which, BROWSERS)):
        # Where everything is tried, a missing browser is a fault of the machine.
        (pytest.fail if IS_LARGE else pytest.skip)(f"no browser is installed: {', '.join(BROWSERS)}")
    with adapter(tmp_path, "--inspector") as live:
        check("browser", f"{live.url}/v1")
