"""What really happened: every request with its cost, and what was sent on every connection.

A record, kept for tests and benchmarks. Times are the venue's clock in ms; `at_mono` and its like are this process' monotonic clock in s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from perptape.simulation.contract import Contract, Liquidation, Settlement, Trade
from perptape.simulation.market import Market

KEPT = 500_000
"""How many records of a kind are kept; older ones go, and `forgotten` counts them."""
STALLED_S = 0.02
"""A wait that ends so much later than meant is a stall of this process."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, answered or not."""

    venue: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    address: str
    """Whose limits it counted under."""
    peer: str
    """The IP it came from."""
    at: int
    at_mono: float
    done_mono: float
    status: int
    """0 when no answer was given."""
    costs: dict[str, int]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """One push on one topic of one connection."""

    topic: str
    at: int
    at_mono: float
    frames: int
    liquidations: tuple[Liquidation, ...] = ()
    trades: tuple[Trade, ...] = ()


@dataclass(slots=True)
class Subscription:
    """One subscription as it was made, and when it ended."""

    topic: str
    since: int
    since_mono: float
    silent: bool
    ended: int | None = None


@dataclass(slots=True)
class Session:
    """One WebSocket connection."""

    id: int
    venue: str
    path: str
    address: str
    opened: int
    opened_mono: float
    subscriptions: list[Subscription] = field(default_factory=list)
    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=KEPT))
    forgotten: int = 0
    control: dict[str, list[int]] = field(default_factory=dict)
    """By control topic: how many messages, the first's time, the last's time."""
    closed: int | None = None
    closed_mono: float | None = None
    reason: str = ""

    def remember(self, push: Sent) -> None:
        """Adds a push to the record."""
        self.forgotten += len(self.sent) == KEPT
        self.sent.append(push)

    def spoke(self, topic: str, at: int) -> None:
        """Counts a control message."""
        seen = self.control.setdefault(topic, [0, at, at])
        seen[0] += 1
        seen[2] = at

    def liquidations(self, contract: str | None = None) -> list[Liquidation]:
        """Every liquidation sent on this connection, in the order of sending, repeats included."""
        return [event for push in self.sent for event in push.liquidations if contract in (None, event.contract)]


@dataclass(slots=True)
class Truth:
    """All records of a simulation."""

    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=KEPT))
    stalls: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=10_000))
    """(`mono` at its end, seconds) of the times in which this process read nothing: what came in them was seen so much later at most."""
    sessions: list[Session] = field(default_factory=list)

    def of(self, venue: str) -> list[Session]:
        """A venue's connections, oldest first, those that are over included."""
        return [session for session in self.sessions if session.venue == venue]

    def requests(self, venue: str | None = None, since: int = 0, path: str = "") -> list[Call]:
        """The requests of a venue since a time whose path begins with `path`."""
        return [call for call in self.calls if venue in (None, call.venue) and call.at >= since and call.path.startswith(path)]

    def waited(self, mono: float, late: float) -> None:
        """A wait of this process ended at `mono`, `late` seconds later than meant."""
        if late > STALLED_S:
            self.stalls.append((mono, late))

    def forget(self) -> None:
        """Forgets what is over: requests and closed connections."""
        self.calls.clear()
        self.sessions = [session for session in self.sessions if session.closed is None]


def open_interest(market: Market, venue: str, id: str, start: int, end: int, period: int) -> list[tuple[int, Decimal, Decimal]]:
    """(stamp, base coin, contracts) for every slot of a period (ms) that is stamped in [start, end), published or not."""
    return [
        (stamp, market.open_interest(contract, seen), market.open_contracts(contract, seen))
        for contract, stamp in _stamps(market.lifetimes(venue, id), start, end, period)
        for seen in [market.figure_of(venue, stamp, period)]
    ]


def funding(market: Market, venue: str, id: str, start: int, end: int) -> list[Settlement]:
    """Every settlement in [start, end)."""
    return [one for contract in market.lifetimes(venue, id) for one in market.settlements(contract, start, end)]


def liquidations(market: Market, venue: str, id: str, start: int, end: int) -> list[Liquidation]:
    """Every liquidation in [start, end), before any sampling."""
    return [one for contract in market.lifetimes(venue, id) for one in market.liquidations(contract, start, end)]


def _stamps(lifetimes: tuple[Contract, ...], start: int, end: int, period: int) -> Iterator[tuple[Contract, int]]:
    for contract in lifetimes:
        until = end if contract.delisted is None else min(end, contract.delisted)
        for stamp in range(-(-max(start, contract.listed) // period) * period, until, period):
            yield contract, stamp
