"""Prices of models, and the days on which OpenAI switches them off: a dated table in the package (`prices.toml`)."""

import datetime
import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from adapter.report.records import RecordedUsage

_MILLION = 1_000_000


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars for a million tokens. `long_*` holds for prompts that are longer than `long_from` tokens."""

    model: str
    input: float
    output: float
    cached: float | None = None
    long_from: int | None = None
    long_input: float | None = None
    long_output: float | None = None

    def cost(self, usage: RecordedUsage) -> float:
        """Return the cost of one call in US dollars. Thoughts are part of the output, cached tokens of the input."""
        is_long = self.long_from is not None and usage.input > self.long_from
        input_price = self.long_input if is_long and self.long_input is not None else self.input
        output_price = self.long_output if is_long and self.long_output is not None else self.output
        cached = self.cached if self.cached is not None else input_price
        return (
            (usage.input - usage.cached) * input_price + usage.cached * cached + usage.output * output_price
        ) / _MILLION


class Shutdown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first day, in UTC, on which OpenAI no longer serves a model."""

    model: str
    day: datetime.date


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All prices, with the table's source and the day on which it was read."""

    source: str
    date: datetime.date
    price: list[Price]
    shutdown: list[Shutdown]

    def price_of(self, model: str) -> Price | None:
        """Return the price of a model, by its exact name; None where it is unknown."""
        return next((one for one in self.price if one.model == model), None)

    def shutdown_of(self, model: str) -> datetime.date | None:
        """Return the day on which OpenAI switches a model off; None where no day is known."""
        return next((one.day for one in self.shutdown if one.model == model), None)


@cache
def price_table() -> PriceTable:
    """Return the table that ships with the package."""
    text = files("adapter.report").joinpath("prices.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), PriceTable)
