"""The one error body of OpenAI's API: all four keys, always."""

from adapter.wire.base import Wire


class Error(Wire):
    """`param` is a path such as `messages[2].content`."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Wire):
    """The body of an error answer."""

    error: Error
