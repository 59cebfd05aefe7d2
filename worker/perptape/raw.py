"""What a venue answers, as values: as it sent them (strings where it sent strings); the datasets turn them into rows.

Pure. Times are ms on the venue's clock, `received` on our clock shifted to the venue's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from perptape.instruments import Instrument

Number = str | int | float | None
"""A number as the venue sent it: a string where it sent one."""
LIVE = "live"
"""The origin of what real venues say; a simulator names its own in every answer."""


@dataclass(frozen=True, slots=True)
class RawOpenInterest:
    """Open interest of one instrument at one time: any of contracts, base coin and USD that the answer holds."""

    instrument: Instrument
    time: int | None
    contracts: Number = None
    base: Number = None
    usd: Number = None
    mark: Number = None
    """A mark price that came in the same answer (current open interest only): USD may be derived from it."""


@dataclass(frozen=True, slots=True)
class RawVolume:
    """What was traded of a contract in the last 24 hours, in USD (of a contract in USDT or USDC, in that)."""

    instrument: Instrument
    usd: Number


@dataclass(frozen=True, slots=True)
class RawFunding:
    """One settled rate. `time` as sent (venues jitter by milliseconds)."""

    instrument: Instrument
    time: int | None
    rate: Number


@dataclass(frozen=True, slots=True)
class RawPrediction:
    """The rate that accrues now and when it will be settled (`next_time`, ms)."""

    instrument: Instrument
    time: int | None
    rate: Number
    next_time: int | None
    next_rate: Number = None
    interval_minutes: int | None = None
    mark: Number = None
    index: Number = None


class RawLiquidation(NamedTuple):
    """One liquidation: a tuple, because thousands come in a second and a frozen dataclass takes three times as long to make.

    `side` is the liquidation ORDER's (BUY: a short was liquidated), turned where the venue sends the position's."""

    instrument: Instrument
    time: int | None
    side: str
    price: Number
    average: Number
    quantity: Number
    """As sent, in the unit that the venue's `Feed.quantity_unit` says."""
    venue_id: str | None = None


@dataclass(frozen=True, slots=True)
class RawFill:
    """One entry of a page of the past that holds liquidations: `orders` of it, none of a trade that liquidated nobody, which shows all the
    same how far the page reached."""

    time: int | None
    orders: tuple[RawLiquidation, ...] = ()


RawT = TypeVar("RawT", covariant=True)


@dataclass(frozen=True, slots=True)
class Answer(Generic[RawT]):
    """One or more replies of a venue, whole. `received` is ms on the venue's clock; `origin` is ``live`` or ``simulated:<seed>``."""

    rows: Sequence[RawT]
    received: int
    origin: str = LIVE
    calls: int = 1
    dropped: Sequence[str] = ()
    """One line for each row of the payload that could not be understood (with the payload, shortened)."""
