"""The repository's path."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
