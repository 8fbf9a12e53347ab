"""OpenAI's tokens as text, by the package tiktoken where its data are on this machine: nothing is downloaded."""

import hashlib
import os
from functools import cache
from pathlib import Path

from adapter import extras
from adapter.translate.core.token_arrays import Detokenize

_URL = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
_FILE = hashlib.sha1(_URL.encode(), usedforsecurity=False).hexdigest()
"""The name of tiktoken's cache file for this URL (tiktoken 0.12, `load.read_file_cached`)."""

VARIABLE = "TIKTOKEN_CACHE_DIR"


@cache
def detokenizer() -> Detokenize | None:
    """Return a reader of OpenAI's embedding tokens (cl100k_base); None if the package or its data are missing."""
    folder = os.environ.get(VARIABLE)
    if folder is None or not Path(folder, _FILE).is_file() or not extras.has("tokens"):
        return None
    encoding = extras.load("tiktoken", "tokens").get_encoding("cl100k_base")

    def text_of(tokens: list[int]) -> str:
        try:
            return str(encoding.decode(tokens))
        except (KeyError, OverflowError, TypeError) as error:
            raise ValueError(str(error)) from None

    return text_of
