"""Sources of thought signatures."""

from enum import StrEnum


class SignatureSource(StrEnum):
    """The source of a thought signature of a part of the history."""

    CLIENT = "client"
    ID = "id"
    HASH = "hash"
    STAND_IN = "stand-in"
