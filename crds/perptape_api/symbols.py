"""Which instruments a CollectionSpec wants: by name, or by what the venues list. Pure."""

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from perptape_api.model import Form, Model, Rule, shown

MAX_NAMES: Final = 1000
Coin = Annotated[str, Form(r"[^\x00-\x20\x7f-\xa0,/:]+", 32, "write a coin's code as the venue does, as in BTC or USDT")]
SymbolName = Annotated[
    str,
    Form(
        r"[^\x00-\x20\x7f-\xa0,]+", 64, "write one symbol without spaces or commas, as in BTCUSDT-PERP, BTC/USDT:USDT or a venue's own id"
    ),
]


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{shown(pattern)} is not a regular expression: {error}") from error
    return pattern


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    twice = [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]
    if twice:
        raise ValueError(f"names {shown(twice[0])} twice: remove one of them")
    return values


SET: Final = {"x-kubernetes-list-type": "set"}


class Select(Model):
    """Instruments chosen by what a venue lists; an instrument is wanted where all that is given here holds."""

    quote: Coin | None = None
    """The quote coin, as in USDT."""
    base: Annotated[tuple[Coin, ...], Field(min_length=1, max_length=200, json_schema_extra=SET), AfterValidator(_different)] | None = None
    """The base coins, as in BTC and ETH."""
    match: Annotated[str, Form(r"[^\x00-\x1f\x7f-\xa0]+", 200, "write a regular expression"), AfterValidator(_compiles)] | None = None
    """A regular expression, looked for in the plain name (BTCUSDT-PERP)."""
    top: Annotated[StrictInt, Field(ge=1, le=MAX_NAMES)] | None = None
    """At most so many per venue: those that come first when ordered by `by`."""
    by: Literal["openInterest", "volume"] = "openInterest"
    """What `top` orders by, greatest first, in USD: openInterest, or volume, which is what was traded in the last 24 hours."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "select needs at least one of quote, base, match and top",
            "has(self.quote) || has(self.base) || has(self.match) || has(self.top)",
            lambda s: any(part is not None for part in (s.quote, s.base, s.match, s.top)),
        ),
    )


class Symbols(Model):
    """The instruments wanted: exactly one of `names` and `select`."""

    names: (
        Annotated[tuple[SymbolName, ...], Field(min_length=1, max_length=MAX_NAMES, json_schema_extra=SET), AfterValidator(_different)]
        | None
    ) = None
    """Symbols, the same for every venue: BTCUSDT-PERP, a CCXT symbol (BTC/USDT:USDT), a Nautilus id (BTCUSDT-LINEAR.BYBIT) or a
    venue's own id."""
    select: Select | None = None
    """A choice by properties, made by each worker at its start and every hour."""
    exact: StrictBool = False
    """When true, a contract that a venue never listed is left out there, and not replaced by the venue's default perpetual of the
    same base."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "give exactly one of names and select",
            "has(self.names) != has(self.select)",
            lambda s: (s.names is None) != (s.select is None),
        ),
    )
