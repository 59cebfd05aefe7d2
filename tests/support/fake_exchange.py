"""A venue in memory that passes the same contract as the real ones: history is a pure function of time, paged by the traits.

`FakeExchange(traits, instruments)` answers invented, deterministic figures; hand in other functions for other truths. Its clock is
yours (`FakeClock`), its failures are queued (`will_raise`), its calls are logged (`calls`), its stream is pushed by hand (`push`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from perptape.errors import PerptapeError, Skip
from perptape.exchanges.base import History, Sink, Traits
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, Interval, ceil
from perptape.raw import LIVE, Answer, RawFill, RawFunding, RawLiquidation, RawOpenInterest, RawPrediction, RawVolume

T = TypeVar("T")

START = 1_750_000_000_000 // DAY * DAY + 12 * HOUR
"""A noon in June 2025, where fake clocks start."""


@dataclass
class FakeClock:
    """A clock that stands until it is moved. Called, it gives ns (like `time.time_ns`); `ms` is the same in ms."""

    ms: int = START

    def __call__(self) -> int:
        return self.ms * 1_000_000

    def forward(self, ms: int) -> None:
        self.ms += ms


def perpetual(traits: Traits, base: str = "BTC", *, listed: int | None = None, delisted: int | None = None) -> Instrument:
    """A linear USDT perpetual of the venue, one coin a contract."""
    return Instrument(
        venue=traits.venue, id=f"{base}USDT-PERP.{traits.nautilus_venue}", symbol=f"{base}/USDT:USDT", venue_id=f"{base}USDT",
        base=base, quote="USDT", settle="USDT", linear=True, contract_size=Decimal(1), tick=Decimal("0.1"), lot=Decimal("0.001"),
        funding_minutes=480, listed=listed, delisted=delisted,
    )  # fmt: skip


def _wave(one: Instrument, time: int, low: int, width: int) -> str:
    return str(low + (time // MINUTE * 7919 + len(one.id) * 104729 + sum(map(ord, one.id))) % width)


def open_interest_of(one: Instrument, time: int) -> str:
    """The default truth: base coins held at a time."""
    return _wave(one, time, 50_000, 10_000)


def rate_of(one: Instrument, time: int) -> str:
    """The default truth: the rate settled at a time, of either sign."""
    return str((Decimal(_wave(one, time, 0, 2001)) - 1000) / 10_000_000)


def settlements_every(period: int = 8 * HOUR) -> Callable[[Instrument, Interval], Iterable[int]]:
    """Settlements at every multiple of `period`."""
    return lambda one, window: range(ceil(window.start, period), window.end, period)


@dataclass
class FakeExchange:
    """Implements `Exchange`. `published_after` is how late a bucket or a settlement appears (ms after its end)."""

    traits: Traits
    listing: Sequence[Instrument]
    clock: FakeClock = field(default_factory=FakeClock)
    origin: str | None = "live"
    offset: int = 0
    published_after: int = 3 * MINUTE
    holes: Callable[[Instrument, int], bool] = lambda one, time: False
    """Whether the venue never has a row at this time."""
    open_interest_at: Callable[[Instrument, int], str | None] = open_interest_of
    volume_at: Callable[[Instrument, int], str | None] = lambda one, time: _wave(one, time, 1_000_000, 9_000_000)
    """USD traded in the day before a time."""
    rate_at: Callable[[Instrument, int], str | None] = rate_of
    settlements: Callable[[Instrument, Interval], Iterable[int]] = field(default_factory=settlements_every)
    jitter: Callable[[int], int] = lambda time: 0
    """ms that a settlement is stamped late."""
    keeps: int | None = None
    """ms of history that the venue serves in truth, where that is less than its traits say."""
    mark: str | None = "60000"
    calls: list[tuple[object, ...]] = field(default_factory=list)
    """(method, instrument id or ids, …) of everything that was asked, refused or not."""
    past: list[tuple[str, RawFill]] = field(default_factory=list)
    """(instrument id, what happened) that the venue shows where it shows past liquidations."""
    refused_past: str = ""
    """Why it answers nothing of the past of liquidations."""
    closed: bool = False
    _failures: deque[PerptapeError | None] = field(default_factory=deque)
    _connections: dict[str, tuple[Sink, frozenset[str], asyncio.Future[str]]] = field(default_factory=dict)
    _subscriptions: int = 0

    # -- control

    def will_raise(self, failures: Iterable[PerptapeError | None]) -> None:
        """The next calls (of any kind but `close`) raise these, one each, in order; None lets one call through."""
        self._failures.extend(failures)

    @property
    def connections(self) -> tuple[str, ...]:
        """The ids of the streams that are open."""
        return tuple(self._connections)

    def push(self, *events: RawLiquidation, connection: str | None = None) -> None:
        """Sends events to all open streams (or one), as one frame of the feed of each event's topic."""
        if connection is None:
            self.happen(*events)
        for name, (sink, wanted, _) in self._streams(connection):
            for event in events:
                topic = None if self.traits.feed is None or self.traits.feed.scope == "market" else event.instrument.id
                sink.feed(name, topic, self.clock())
                if event.instrument.id in wanted:
                    sink.liquidation(name, event, self.clock())

    def happen(self, *events: RawLiquidation) -> None:
        """Liquidations that nobody is told of: the venue shows them later, where it shows any past ones."""
        self.past += [(one.instrument.id, RawFill(one.time, (one,))) for one in events]

    def trade(self, instrument: Instrument, time: int) -> None:
        """A trade that liquidated nobody, in the past that a venue shows."""
        self.past.append((instrument.id, RawFill(time)))

    def speak(self, instrument: str | None = None, connection: str | None = None) -> None:
        """A message of the feed that holds no wanted event."""
        for name, (sink, _, _) in self._streams(connection):
            sink.feed(name, instrument, self.clock())

    def tick(self, connection: str | None = None) -> None:
        """A message of the control topic."""
        for name, (sink, _, _) in self._streams(connection):
            sink.control(name, self.clock.ms, self.clock())

    def garble(self, frame: str = "{", connection: str | None = None) -> None:
        """A malformed frame."""
        for name, (sink, _, _) in self._streams(connection):
            sink.malformed(name, f"not JSON: {frame}", self.clock())

    def drop(self, reason: str = "closed by the venue (1006)", connection: str | None = None) -> None:
        """Ends all open streams, or one."""
        for _, (_, _, ended) in list(self._streams(connection)):
            if not ended.done():
                ended.set_result(reason)

    def _streams(self, connection: str | None) -> Iterable[tuple[str, tuple[Sink, frozenset[str], asyncio.Future[str]]]]:
        return [(name, stream) for name, stream in self._connections.items() if connection in (None, name)]

    # -- the port

    async def now(self) -> int:
        self._asked("now")
        return self.clock.ms

    async def instruments(self) -> tuple[Instrument, ...]:
        self._asked("instruments")
        return tuple(self.listing)

    listed_whole = True

    async def open_interest(self, instruments: Sequence[Instrument]) -> Answer[RawOpenInterest]:
        self._asked("open_interest", tuple(one.id for one in instruments))
        now = self.clock.ms
        rows = [RawOpenInterest(one, now, base=self.open_interest_at(one, now), mark=self.mark) for one in map(self._known, instruments)]
        return self._answer(rows, len(rows) if self.traits.open_interest_calls == "each" else 1)

    async def volume(self, instruments: Sequence[Instrument]) -> Answer[RawVolume]:
        self._asked("volume", tuple(one.id for one in instruments))
        return self._answer([RawVolume(one, self.volume_at(one, self.clock.ms)) for one in map(self._known, instruments)])

    async def open_interest_page(self, instrument: Instrument, period: int, window: Interval) -> Answer[RawOpenInterest]:
        self._asked("open_interest_page", instrument.id, period, window)
        history, one = self.traits.open_interest_history, self._known(instrument)
        if history is None or period not in history.periods:
            raise Skip(f"{self.traits.venue} serves no history of open interest every {period // MINUTE} min")
        self._kept(history, period, window)
        end = min(window.end, self.clock.ms - self.published_after + 1 - (period if history.stamp == "start" else 0))
        times = [t for t in range(ceil(window.start, period), end, period) if self._listed(one, t) and not self.holes(one, t)]
        return self._answer([RawOpenInterest(one, t, base=self.open_interest_at(one, t)) for t in self._page(history, times)])

    async def funding(self, instruments: Sequence[Instrument]) -> Answer[RawPrediction]:
        self._asked("funding", tuple(one.id for one in instruments))
        now = self.clock.ms
        rows = []
        for one in map(self._known, instruments):
            coming = next(iter(self.settlements(one, Interval(now + 1, now + 1 + DAY))), None)
            rows.append(RawPrediction(one, now, self.rate_at(one, now), coming, interval_minutes=one.funding_minutes, mark=self.mark))
        return self._answer(rows)

    async def funding_page(self, instrument: Instrument, window: Interval) -> Answer[RawFunding]:
        self._asked("funding_page", instrument.id, window)
        history, one = self.traits.funding_history, self._known(instrument)
        self._kept(history, None, window)
        due = self.clock.ms - self.published_after
        wider = Interval(window.start - MINUTE, window.end)
        times = [t for t in self.settlements(one, wider) if t <= due and self._listed(one, t) and not self.holes(one, t)]
        times = [t for t in times if t + self.jitter(t) in window]
        return self._answer([RawFunding(one, t + self.jitter(t), self.rate_at(one, t)) for t in self._page(history, times)])

    async def liquidations_page(self, instrument: Instrument, window: Interval) -> Answer[RawFill]:
        self._asked("liquidations_page", instrument.id, window)
        feed, one = self.traits.feed, self._known(instrument)
        if feed is None or feed.repair_page is None:
            raise Skip(f"{self.traits.venue} serves no past liquidations")
        if self.refused_past:
            raise Skip(self.refused_past)
        rule, kept = feed.repair_page, self.clock.ms - (feed.repair_retention or self.clock.ms)
        fills = [fill for name, fill in self.past if name == one.id and fill.time is not None]
        inside = sorted((fill for fill in fills if kept <= fill.time in window), key=lambda fill: fill.time)
        return self._answer(inside[: rule.limit] if rule.order == "forward" else inside[-rule.limit :][::-1])

    async def liquidations(self, instruments: Sequence[Instrument], sink: Sink) -> None:
        self._asked("liquidations", tuple(one.id for one in instruments))
        if self.traits.feed is None:
            raise Skip(self.traits.no_feed)
        self._subscriptions += 1
        name = f"{self.traits.venue}-{self._subscriptions}"
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._connections[name] = (sink, frozenset(one.id for one in instruments), ended)
        reason = "cancelled"
        try:
            sink.acknowledged(name, self.clock())
            reason = await ended
        finally:
            del self._connections[name]
            sink.closed(name, reason, self.clock())

    async def close(self) -> None:
        self.closed = True
        self.drop("closed here")

    # -- rules

    def _asked(self, *call: object) -> None:
        self.calls.append(call)
        failure = self._failures.popleft() if self._failures else None
        if failure is not None:
            raise failure

    def _known(self, one: Instrument) -> Instrument:
        if all(one.id != known.id for known in self.listing):
            raise Skip(f"{self.traits.venue} does not know {one.venue_id}")
        return one

    def _listed(self, one: Instrument, time: int) -> bool:
        return (one.listed is None or time >= one.listed) and (one.delisted is None or time < one.delisted)

    def _kept(self, history: History, period: int | None, window: Interval) -> None:
        kept = min((kept for kept in (history.kept(period), self.keeps) if kept is not None), default=None)
        if kept is not None and window.start < self.clock.ms - kept:
            raise Skip(f"{self.traits.venue} keeps {kept // DAY} days: the window starts before that", shrink=True)

    def _page(self, history: History, times: list[int]) -> list[int]:
        """At most a page of ascending times: the oldest, or the newest (and then newest first, as venues of that kind send them)."""
        limit = history.page.limit
        return times[:limit] if history.page.order == "forward" else times[-limit:][::-1]

    def _answer(self, rows: Sequence[T], calls: int = 1) -> Answer[T]:
        return Answer(rows, self.clock.ms, self.origin or LIVE, calls)
