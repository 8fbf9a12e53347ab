"""Errors of the command line that name the page of the documentation that tells more."""

import re

import click

from adapter.settings import all_settings

_NAMED = re.compile(r"[a-z_]{3,}|--[a-z-]+")


class DocumentedError(click.ClickException):
    """An error of one sentence, and where the documentation tells more."""

    def __init__(self, message: str, doc: str) -> None:
        super().__init__(message)
        self.doc = doc

    def format_message(self) -> str:
        """Return the sentence and the link."""
        return (
            f"{self.message} See docs/{self.doc}" if self.message.endswith(".") else f"{self.message} (docs/{self.doc})"
        )


def find_settings_doc(message: str) -> str:
    """Return the place on the page of settings for the first setting that a message names, else the page."""
    names = {setting.name for setting in all_settings()}
    found = (word.lstrip("-").replace("-", "_") for word in _NAMED.findall(message))
    first = next((name for name in found if name in names), None)
    return "settings.md" if first is None else f"settings.md#{first.replace('_', '-')}"
