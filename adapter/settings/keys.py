"""Client keys as hashes, and keys in files."""

import codecs
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from adapter.settings.fields import Settings, SettingsError

HASHED = "sha256:"


def read_text(path: Path) -> str:
    """Read a text file as UTF-8, or as UTF-16 if it has that byte order mark, as files from Windows may.

    Raises `OSError`, `UnicodeDecodeError`.
    """
    data = path.read_bytes()
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf_16 else "utf-8-sig")


def digest_of(key: str) -> str:
    """Return the SHA-256 of a client key in hexadecimal; a key may be given as `sha256:` and these digits."""
    return key.removeprefix(HASHED).lower() if key.startswith(HASHED) else sha256(key.encode()).hexdigest()


def has_key_files(settings: Settings) -> bool:
    """Return whether any keys are in files, so that a reload makes sense."""
    tables = settings.fallback_upstreams
    own = settings.client_keys_file or settings.upstream_keys_file
    return bool(own) or any(table.get("upstream_keys_file") for table in tables)


def load_key_files(settings: Settings) -> Settings:
    """Return the settings with the keys from their files. Raises `SettingsError`."""
    keys_by_setting: dict[str, Any] = {}
    for name in ("client_keys", "upstream_keys"):
        if (path := getattr(settings, f"{name}_file")) is not None:
            keys_by_setting[name] = _read_key_file(f"{name}_file", path, getattr(settings, name))
    tables = []
    for table in settings.fallback_upstreams:
        path = table.get("upstream_keys_file")
        keys = (
            {}
            if path is None
            else {"upstream_keys": _read_key_file("upstream_keys_file", path, table["upstream_keys"])}
        )
        tables.append({**table, **keys})
    return msgspec.structs.replace(settings, **keys_by_setting, fallback_upstreams=tuple(tables))


def _read_key_file(name: str, path: str, given: Sequence[str]) -> tuple[str, ...]:
    """Read keys, separated by line ends or commas; lines that begin with # are comments. Raises `SettingsError`."""
    if given:
        raise SettingsError(f"{name}: keys are given by {name.removesuffix('_file')} too: use only one of the two")
    try:
        lines = [line.strip() for line in read_text(Path(path)).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: {path} cannot be read: {_describe(error)}") from None
    texts = [text for line in lines if not line.startswith("#") for text in line.split(",")]
    keys = tuple(text.strip() for text in texts if text.strip())
    if not keys:
        raise SettingsError(f"{name}: {path} holds no key")
    return keys


def _describe(error: OSError | UnicodeDecodeError) -> str:
    """Describe an error without quoting the file, which contains keys."""
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__
