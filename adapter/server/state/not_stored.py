"""The error of a request that names what is not stored."""


class NotStored(Exception):
    """What the request names is not kept here, or not in a state that allows it."""

    def __init__(self, message: str, *, status: int = 404, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
