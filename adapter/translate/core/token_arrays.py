"""Inputs as token numbers, as LangChain's `OpenAIEmbeddings` sends them: Gemini takes texts."""

from collections.abc import Callable

from adapter.translate.core.notes import Rejected

Detokenize = Callable[[list[int]], str]
"""The text of tokens. Raises `ValueError` for invalid token numbers."""

HOW = (
    "arrays of tokens need the package tiktoken and its data (TIKTOKEN_CACHE_DIR) on the server: "
    "send texts (LangChain: check_embedding_ctx_length=False)"
)


def text_of_tokens(tokens: list[int], path: str, detokenize: Detokenize | None) -> str:
    """Return the text that OpenAI's tokens stand for. Raises `Rejected`."""
    if detokenize is None:
        raise Rejected(path, "tokens-unreadable", HOW)
    try:
        return detokenize(tokens)
    except ValueError as error:
        raise Rejected(path, "malformed-value", f"these are no tokens of OpenAI's: {error}") from None
