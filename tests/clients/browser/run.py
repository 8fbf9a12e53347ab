"""Run one check of the page: `run.py CHECK URL FOLDER`."""

import importlib
import shutil
import sys
from pathlib import Path

from driving import Live
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main(name: str, url: str, folder: str) -> None:
    found = next(path for browser in BROWSERS if (path := shutil.which(browser)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        importlib.import_module(name).check(Live(url, browser, Path(folder)))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
