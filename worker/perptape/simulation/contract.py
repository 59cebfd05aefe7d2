"""What the market consists of, as values: contracts and the events on them.

Pure. Times are ms of the venue's clock; spans are half-open.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Side = Literal["BUY", "SELL"]
Flag = Literal["M", "T", "MT"]


@dataclass(frozen=True, slots=True)
class Contract:
    """One lifetime of a perpetual: a ticker listed again with other terms is another contract of the same id."""

    venue: str
    id: str
    base: str
    quote: str
    settle: str
    contract_size: Decimal
    """Base coin per contract when linear, USD per contract when inverse."""
    linear: bool
    tick: Decimal
    lot: Decimal
    """Order size step, in contracts."""
    listed: int
    delisted: int | None
    funding_minutes: tuple[tuple[int, int], ...]
    """(from, minutes), ascending: the funding interval since each time."""

    def trades_at(self, now: int) -> bool:
        """Whether it is listed and not yet delisted."""
        return self.listed <= now and (self.delisted is None or now < self.delisted)

    def funding_interval(self, now: int) -> int:
        """The funding interval in minutes in force at that time."""
        current = self.funding_minutes[0][1]
        for since, minutes in self.funding_minutes:
            if since <= now:
                current = minutes
        return current


@dataclass(frozen=True, slots=True)
class Settlement:
    """A settled funding rate; `time` is the exact boundary, jitter is the venue's doing."""

    time: int
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One liquidation order as it truly was; venues send parts of it."""

    id: str
    seq: int
    time: int
    contract: str
    side: Side
    """The order's: SELL closes a long."""
    price: Decimal
    average_price: Decimal
    bankruptcy_price: Decimal
    base: Decimal
    contracts: Decimal


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill; `side` is the taker's. `liquidation` says which side was being liquidated, the maker's, the taker's or both."""

    id: str
    seq: int
    time: int
    side: Side
    price: Decimal
    contracts: Decimal
    liquidation: Flag | None
