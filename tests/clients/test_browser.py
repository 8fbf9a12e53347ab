"""The page at / in a real browser, driven from an environment of its own."""

import shutil

import pytest

from tests.clients.environments import check
from tests.live import adapter

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.mark.browser
@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason=f"no browser is installed: {', '.join(BROWSERS)}")
def test_the_page_shows_what_became_of_each_field(tmp_path):
    with adapter(tmp_path, "--inspector") as live:
        check("browser", f"{live.url}/v1")
