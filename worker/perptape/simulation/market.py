"""The market that the simulated venues sell: a pure function of a seed and the time.

Every answer is computed from hashes of (seed, contract, slot), so history asked in pieces equals history asked whole, history and
live agree, and a test can ask for the truth. Nothing is stored but what a control put there (`with_liquidations`, `relisted`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Literal, get_args

from perptape.simulation import listing
from perptape.simulation.chance import bits, uniform
from perptape.simulation.contract import Contract, Flag, Liquidation, Settlement, Side, Trade
from perptape.simulation.course import level, open_size, rounded
from perptape.simulation.events import liquidated, traded

__all__ = ["SLOT", "Contract", "Flag", "Liquidation", "Market", "Settlement", "Side", "Stamp", "Trade"]

SLOT = 300_000
"""Open interest takes a new course every five minutes, the finest slot that venues publish."""
_MINUTE = 60_000
Stamp = Literal["start", "instant", "end"]
"""A figure is of the end of the bucket that its stamp starts, of its stamp, or of the start of the bucket that its stamp ends."""
STAMPED_BY: Mapping[str, Stamp] = {"binance": "instant", "bybit": "start", "okx": "start"}


@dataclass(frozen=True)
class Market:
    """All venues' contracts and everything that happens on them."""

    seed: int
    listings: Mapping[str, tuple[Contract, ...]]
    publication_delay_ms: int = 120_000
    publication_jitter_ms: int = 180_000
    published_later: Mapping[str, int] = field(default_factory=dict)
    """By venue, how much later than `publication_delay_ms`, ms."""
    stamped_by: Mapping[str, Stamp] = field(default_factory=lambda: STAMPED_BY)
    """By venue, of what moment the figures of its history are."""
    liquidation_rates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Liquidations per second by (venue, contract id); others have a rate by their base."""
    injected: Mapping[tuple[str, str], tuple[Liquidation, ...]] = field(default_factory=dict)

    @classmethod
    def standard(cls, seed: int, symbols: int = 12) -> Market:
        """The same list of bases on all five venues."""
        return cls(seed, listing.standard(seed, symbols))

    # -- contracts

    def contracts(self, venue: str, now: int | None = None) -> tuple[Contract, ...]:
        """What the venue lists at `now` (not the delisted), or every lifetime that there ever was."""
        every = self.listings.get(venue, ())
        return every if now is None else tuple(contract for contract in every if contract.trades_at(now))

    def contract(self, venue: str, id: str, now: int | None = None) -> Contract | None:
        """The lifetime under this id that trades at `now`, else the newest one."""
        lifetimes = self.lifetimes(venue, id)
        if now is not None:
            for lifetime in lifetimes:
                if lifetime.trades_at(now):
                    return lifetime
        return lifetimes[-1] if lifetimes else None

    def lifetimes(self, venue: str, id: str) -> tuple[Contract, ...]:
        """All lifetimes under an id, oldest first."""
        return self._by_id.get((venue, id), ())

    @cached_property
    def _by_id(self) -> Mapping[tuple[str, str], tuple[Contract, ...]]:
        found: dict[tuple[str, str], tuple[Contract, ...]] = {}
        for venue, contracts in self.listings.items():
            for contract in contracts:
                found[venue, contract.id] = (*found.get((venue, contract.id), ()), contract)
        return found

    def delisted(self, venue: str, id: str, at: int) -> Market:
        """The same market where this contract ends at `at`."""
        changed = tuple(replace(c, delisted=at) if c.id == id and c.delisted is None else c for c in self.listings[venue])
        return replace(self, listings={**self.listings, venue: changed})

    def relisted(self, venue: str, id: str, at: int, contract_size: Decimal) -> Market:
        """The same market where the ticker begins a new lifetime with another contract size at `at`."""
        last = self.contract(venue, id)
        if last is None:
            raise KeyError(f"{venue} has no {id}")
        again = replace(last, contract_size=contract_size, listed=at, delisted=None)
        ended = self if last.delisted is not None else self.delisted(venue, id, at)
        return replace(ended, listings={**ended.listings, venue: (*ended.listings[venue], again)})

    # -- prices

    def price(self, base: str, t: int) -> Decimal:
        """The last price in USD, eight significant digits."""
        return rounded(level(self.seed, base, t))

    def index(self, base: str, t: int) -> Decimal:
        """The index price: the last price without its fastest wobble."""
        return rounded(level(self.seed, base, t) * (1 + 0.00008 * math.sin(t / 41_000)))

    def mark(self, base: str, t: int) -> Decimal:
        """The mark price: the index with a slow premium."""
        return rounded(level(self.seed, base, t) * (1 + 0.0002 * math.sin(t / 1_700_000)))

    def on_tick(self, contract: Contract, value: Decimal) -> Decimal:
        """A price on the contract's grid of ticks."""
        return (value / contract.tick).to_integral_value() * contract.tick

    # -- open interest

    def open_interest(self, contract: Contract, t: int) -> Decimal:
        """Open interest in base coin."""
        held = self.open_contracts(contract, t)
        return held * contract.contract_size if contract.linear else self.base_amount(contract, held, self.index(contract.base, t))

    def open_contracts(self, contract: Contract, t: int) -> Decimal:
        """Open interest in contracts: a hashed level at every slot's start, a straight line in between."""
        slot, within = divmod(t, SLOT)
        level = self._open_level(contract, slot)
        if within:
            level += (self._open_level(contract, slot + 1) - level) * within / SLOT
        anchor = listing.anchor_price(self.seed, contract.base)
        unit = float(contract.contract_size) * (anchor if contract.linear else 1.0)
        return round(level / unit / float(contract.lot)) * contract.lot

    def _open_level(self, contract: Contract, slot: int) -> float:
        """USD held at a slot's start."""
        size, phase = open_size(self.seed, contract.venue, contract.id)
        wave = 0.25 * math.sin(slot / 3000 + phase) + 0.06 * math.sin(slot / 131 + 2 * phase)
        return size * (1 + wave + 0.02 * (uniform(self.seed, contract.venue, contract.id, "oi", slot) - 0.5))

    def base_amount(self, contract: Contract, contracts: Decimal, price: Decimal) -> Decimal:
        """Contracts in base coin; an inverse contract needs the price for it."""
        if contract.linear:
            return contracts * contract.contract_size
        return (contracts * contract.contract_size / price).quantize(Decimal("1e-8"))

    # -- volume

    def volume(self, contract: Contract, t: int) -> Decimal:
        """What was traded in the day before `t`, in base coin."""
        traded = self.traded_contracts(contract, t)
        return self.base_amount(contract, traded, self.price(contract.base, t))

    def traded_contracts(self, contract: Contract, t: int) -> Decimal:
        """The same in contracts: a third to thirty times what is held, so that the order by volume is not that by open interest."""
        turnover = 10 ** (2 * uniform(self.seed, contract.venue, contract.id, "turnover") - 0.5)
        return round(float(self.open_contracts(contract, t) / contract.lot) * turnover) * contract.lot

    def figure_of(self, venue: str, stamp: int, period: int) -> int:
        """The moment of which the figure stamped `stamp` is in the venue's history of this period (ms), or, where it has none, would be."""
        return stamp + {"start": period, "instant": 0, "end": -period}[self.stamped_by.get(venue, "instant")]

    def restamped(self, venue: str, by: str) -> Market:
        """The same market where the venue stamps its history so. Raises KeyError where it has none, ValueError for no such way."""
        ways = {name: name for name in get_args(Stamp)}
        if by not in ways:
            raise ValueError(f"history is not stamped by {by!r}: one of {', '.join(ways)}")
        self.stamped_by[venue]
        return replace(self, stamped_by={**self.stamped_by, venue: ways[by]})

    def published(self, contract: Contract, stamp: int, period: int = SLOT) -> int:
        """When the open interest stamped `stamp` shows up in the venue's history of this period: late, by a delay of its own."""
        extra = bits(self.seed, contract.venue, contract.id, "late", stamp) % (self.publication_jitter_ms + 1)
        ends = period if self.stamped_by.get(contract.venue) == "start" else SLOT
        return stamp + ends + self.publication_delay(contract.venue) + extra

    def publication_delay(self, venue: str) -> int:
        """The least time from a slot's end to its row in the venue's history, ms."""
        return self.publication_delay_ms + self.published_later.get(venue, 0)

    # -- funding

    def settlements(self, contract: Contract, start: int, end: int) -> list[Settlement]:
        """Settled rates in [start, end), ascending, with their exact boundaries."""
        return [Settlement(time, self.settled_rate(contract, time)) for time in self._boundaries(contract, start, end)]

    def settled_rate(self, contract: Contract, boundary: int) -> Decimal:
        """The rate settled at a boundary."""
        draw = uniform(self.seed, contract.venue, contract.id, "rate", boundary)
        drift = 0.0001 * math.sin(boundary / (9 * listing.DAY))
        return Decimal(round((drift + 0.0003 * (draw - 0.45)) * 1e8)).scaleb(-8)

    def next_settlement(self, contract: Contract, t: int) -> int:
        """The first boundary after `t` (as if the contract went on for ever)."""
        endless = contract if contract.delisted is None else replace(contract, delisted=None)
        longest = max(minutes for _, minutes in contract.funding_minutes) * _MINUTE
        return next(self._boundaries(endless, max(t, contract.listed) + 1, max(t, contract.listed) + 2 * longest))

    def predicted(self, contract: Contract, t: int) -> Decimal:
        """The rate that the venue expects at `t` for the next settlement: it drifts from the last one to what will be settled."""
        coming = self.next_settlement(contract, t)
        period = contract.funding_interval(t) * _MINUTE
        share = min(1.0, max(0.0, 1 - (coming - t) / period))
        last, final = self.settled_rate(contract, coming - period), self.settled_rate(contract, coming)
        return (last + (final - last) * Decimal(round(share, 6))).quantize(Decimal("1e-8"))

    def _boundaries(self, contract: Contract, start: int, end: int) -> Iterator[int]:
        terms = contract.funding_minutes
        first = max(start, contract.listed)
        last = end if contract.delisted is None else min(end, contract.delisted)
        for position, (since, minutes) in enumerate(terms):
            until = terms[position + 1][0] if position + 1 < len(terms) else last
            step = minutes * _MINUTE
            begin = max(first, since if position else first)
            yield from range(-(-begin // step) * step, min(until, last), step)

    def jitter(self, contract: Contract, time: int, bound: int) -> int:
        """0 to `bound` - 1 ms by which a venue stamps this boundary late."""
        return bits(self.seed, contract.venue, contract.id, "jitter", time) % bound

    # -- liquidations and trades

    def liquidations(self, contract: Contract, start: int, end: int) -> list[Liquidation]:
        """What was liquidated in [start, end), by time; two may be equal in every sent value and differ in id only."""
        happened = [event for second in _seconds(start, end) for event in liquidated(self, contract, second) if start <= event.time < end]
        extra = self._injected(contract, start, end)
        return sorted(happened + extra, key=lambda event: (event.time, event.seq)) if extra else happened

    def trades(self, contract: Contract, start: int, end: int) -> list[Trade]:
        """Fills in [start, end), one or two a second and the liquidations among them, flagged."""
        happened = [trade for second in _seconds(start, end) for trade in traded(self, contract, second) if start <= trade.time < end]
        extra = [
            Trade(event.id, event.seq, event.time, event.side, event.average_price, event.contracts, "T")
            for event in self._injected(contract, start, end)
        ]
        return sorted(happened + extra, key=lambda trade: (trade.time, trade.seq)) if extra else happened

    def _injected(self, contract: Contract, start: int, end: int) -> list[Liquidation]:
        events = self.injected.get((contract.venue, contract.id), ())
        return [event for event in events if start <= event.time < end and contract.trades_at(event.time)]

    def with_liquidations(self, venue: str, id: str, events: Iterable[Liquidation]) -> Market:
        """The same market with these events besides its own."""
        key = (venue, id)
        return replace(self, injected={**self.injected, key: (*self.injected.get(key, ()), *events)})


def _seconds(start: int, end: int) -> range:
    return range(start // 1000, -(-end // 1000))
