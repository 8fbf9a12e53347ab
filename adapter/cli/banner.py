"""The first lines of `adapter serve`: what answers, and its address, in 80 columns."""

import os
from typing import NamedTuple

import click

from adapter import __version__
from adapter.settings import Settings, catalogue, resolve
from adapter.settings.models import utc_day

TRIAL_MODELS = ("gpt-5", "gemini-3.8-flash")
"""The model of the trial request: OpenAI's name if the table of names has it, else Gemini's."""


class Banner(NamedTuple):
    """The banner's contents. `now` is in Unix seconds; `page_token` opens the page from other machines."""

    settings: Settings
    upstream: str
    port: int
    page_token: str
    now: float

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        host = self.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def has_page(self) -> bool:
        """Return whether the page at / is served."""
        shown = self.settings.inspector
        return self.settings.is_loopback_only if shown is None else shown

    def lines(self) -> list[str]:
        """Return the lines; labels and warnings are coloured."""
        rows = [] if self.settings.uses_emulator else [("Upstream", self.settings.upstream_url)]
        rows.append(("Base URL", f"{self.url}/v1"))
        if self.has_page:
            rows.append(("Page", f"{self.url}/{self._token()}"))
        head = f"{click.style('adapter', bold=True)} {__version__}: {self._what_answers()}"
        details = [f"  {click.style(f'{label:<9}', dim=True)} {text}" for label, text in rows]
        warned = [f"{click.style('!', fg='yellow', bold=True)} {text}" for text in self.warnings()]
        return [head, "", *details, "", *self._trial(), "", *warned]

    def warnings(self) -> list[str]:
        """Return warnings for the operator, which matter before the first request."""
        warnings = []
        if self.settings.uses_emulator:
            what = "Start without --emulator" if self.settings.emulator else "Set GEMINI_API_KEY"
            warnings.append(f"Answers are invented. {what} to call Gemini itself.")
        if self.settings.is_exposed and not self.settings.asks_for_key:
            warnings.append("Anybody who reaches this address may call: see --client-keys.")
        return warnings

    def _what_answers(self) -> str:
        if not self.settings.uses_emulator:
            return f"{self.upstream} answers"
        why = "--emulator" if self.settings.emulator else "no key is set"
        return f"the built-in Gemini emulator answers ({why})"

    def _token(self) -> str:
        return "" if self.settings.inspector or self.settings.asks_for_key else f"?token={self.page_token}"

    def _trial(self) -> list[str]:
        """Return a command that tries the server: one line, or two where a key is asked for."""
        names = catalogue(self.settings, utc_day(self.now))
        openai, gemini = TRIAL_MODELS
        model = openai if resolve(openai, names.alias) != openai else gemini
        curl, body = f"curl {self.url}/v1/responses", f"""--json '{{"model":"{model}","input":"Hi"}}'"""
        if self.settings.asks_for_key:
            return [f"{curl} -H 'authorization: Bearer KEY' \\", f"  {body}"]
        return [f"{curl} {body}"]


def print_banner(banner: Banner) -> None:
    """Print it; in colour where the terminal shows colours and NO_COLOR does not forbid them."""
    click.echo("\n".join(banner.lines()).rstrip(), color=False if os.environ.get("NO_COLOR") else None)
