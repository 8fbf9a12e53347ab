"""The error of a request that names an object that is not stored."""


class NotStored(Exception):
    """The request names an object that is not stored here, or is in a state that does not allow it."""

    def __init__(self, message: str, *, status: int = 404, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


def item_not_stored(item_id: str, path: str) -> NotStored:
    """Return the error for a reference to a missing item, in OpenAI's words."""
    text = f"Item with id '{item_id[:100]}' not found. Items of responses with store: false are not stored."
    return NotStored(text, param=path)
