"""How many bytes of requests are held at once."""


class Overloaded(Exception):
    """As many requests run and wait as may."""


class ByteBudget:
    """Bytes of requests that are held at once, until they are answered: memory is what large requests run out of."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, size: int) -> None:
        """Hold so many more bytes. Raises `Overloaded`."""
        if size > self._left:
            raise Overloaded
        self._left -= size

    def give(self, size: int) -> None:
        """Hold them no longer."""
        self._left += size
