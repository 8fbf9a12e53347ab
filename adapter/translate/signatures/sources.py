"""Where a thought signature was found."""

from enum import StrEnum


class SignatureSource(StrEnum):
    """Where the thought signature of a part of the history came from."""

    CLIENT = "client"
    ID = "id"
    HASH = "hash"
    STAND_IN = "stand-in"
