"""Byte budget: bounds the bytes of requests in memory."""


class Overloaded(Exception):
    """The server is at one of its limits: running requests, waiting requests, bytes in memory."""


class ByteBudget:
    """Bounds the bytes that are held at once, since many large requests would use up the memory."""

    def __init__(self, most: int) -> None:
        self._left = most

    def reserve(self, size: int) -> None:
        """Reserve `size` bytes. Raises `Overloaded` if fewer are left."""
        if size > self._left:
            raise Overloaded
        self._left -= size

    def release(self, size: int) -> None:
        """Give `size` reserved bytes back."""
        self._left += size
