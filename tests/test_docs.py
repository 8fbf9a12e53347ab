"""Documents that are made from the code are what the code says; `python -m tests.test_docs` writes them anew."""

from pathlib import Path

from adapter.settings import SECRETS, all_settings

SETTINGS = Path(__file__).parent.parent / "docs" / "settings.md"

HEAD = """# Settings

Each is a flag of `adapter serve`, a variable in the environment and a key of the TOML file that `--config` names (or
`ADAPTER_CONFIG`), in this order of precedence. Times are in seconds, sizes in bytes. Lists are separated by commas,
maps are written `NAME=VALUE,NAME=VALUE`; in TOML they are arrays and tables. This page is made from
`adapter/settings.py`.

| flag | variable | default | |
|---|---|---|---|
"""


def settings_page() -> str:
    """The table of all settings."""
    rows = []
    for setting in all_settings():
        shown = "" if setting.default in (None, (), {}) or setting.name in SECRETS else f"`{setting.default}`"
        flag = setting.name.replace("_", "-")
        rows.append(f"| `--{flag}` | `ADAPTER_{setting.name.upper()}` | {shown} | {setting.help} |")
    return HEAD + "\n".join(rows) + "\n"


def test_the_page_of_settings_is_what_the_code_says():
    assert SETTINGS.read_text() == settings_page(), "run python -m tests.test_docs"


if __name__ == "__main__":
    SETTINGS.write_text(settings_page())
