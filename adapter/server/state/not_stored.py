"""The error of a request that names what is not stored."""


class NotStored(Exception):
    """What the request names is not kept here, or not in a state that allows it."""

    def __init__(self, message: str, *, status: int = 404, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


def item_not_stored(item_id: str, path: str) -> NotStored:
    """Return the error for a reference to an item that is not there, as OpenAI words it."""
    text = f"Item with id '{item_id[:100]}' not found. Items of responses with store: false are not stored."
    return NotStored(text, param=path)
