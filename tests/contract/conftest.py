"""The venues that the contract is held against: fakes in memory, and CCXT's clients talking to the simulated venues."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from perptape.exchanges.base import Access, Exchange
from perptape.exchanges.registry import VENUES, connect, traits
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, Interval, ceil
from perptape.raw import RawLiquidation
from perptape.simulation import truth
from perptape.simulation.market import Market
from perptape.simulation.okx_rest import sampled
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings
from support.fake_exchange import FakeExchange, perpetual


@dataclass
class Ear:
    """Implements `Sink`: remembers what it was told, and lets a test wait for it."""

    counts: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    events: list[RawLiquidation] = field(default_factory=list)
    connections: set[str] = field(default_factory=set)
    received: list[int] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def _told(self, kind: str, connection: str, received: int) -> None:
        self.counts[kind] += 1
        self.order.append(kind)
        self.connections.add(connection)
        self.received.append(received)
        self.news.set()

    def acknowledged(self, connection: str, received: int) -> None:
        self._told("acknowledged", connection, received)

    def control(self, connection: str, time: int | None, received: int) -> None:
        self._told("control", connection, received)

    def feed(self, connection: str, instrument: str | None, received: int) -> None:
        self._told("feed", connection, received)

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        self.events.append(event)
        self._told("liquidation", connection, received)

    def malformed(self, connection: str, message: str, received: int) -> None:
        self._told("malformed", connection, received)

    def closed(self, connection: str, reason: str, received: int) -> None:
        self._told("closed", connection, received)

    async def until(self, wanted: Callable[[Ear], bool]) -> None:
        """Waits until what was told is as wanted."""
        async with asyncio.timeout(30):
            while not wanted(self):
                self.news.clear()
                await self.news.wait()


@dataclass
class Subject:
    """An exchange and the truth about what it sells."""

    exchange: Exchange
    live: tuple[Instrument, ...]
    now: Callable[[], int]
    open_interest: Callable[[Instrument, Interval, int], list[int]]
    """The times of all buckets that start in a window and were published long ago."""
    settlements: Callable[[Instrument, Interval], list[int]]
    liquidate: Callable[[Instrument], object]
    tick: Callable[[], object]
    volume: Callable[[Instrument], float]
    """What was traded in the last 24 hours, in USD."""
    happened: Callable[[Instrument, Interval], list[tuple[int, str]]]
    """(time, side) of every liquidation in a window that is over, as the venue shows it afterwards."""
    origin: str = "live"
    simulation: Simulation | None = None


def _faked(venue: str) -> Subject:
    told = traits(venue)
    fake = FakeExchange(told, [perpetual(told, "BTC"), perpetual(told, "ETH"), perpetual(told, "LUNA", delisted=1_717_200_000_000)])

    def liquidate(one: Instrument) -> None:
        fake.push(RawLiquidation(one, fake.clock.ms, "SELL", "60000", None, "0.5"))

    return Subject(
        fake, tuple(one for one in fake.listing if one.delisted is None), lambda: fake.clock.ms,
        lambda one, window, period: list(range(ceil(window.start, period), window.end, period)),
        lambda one, window: list(fake.settlements(one, window)), liquidate, fake.tick,
        lambda one: float(fake.volume_at(one, fake.clock.ms) or "nan"),
        lambda one, window: _shown(fake, one, window),
    )  # fmt: skip


def _shown(fake: FakeExchange, one: Instrument, window: Interval) -> list[tuple[int, str]]:
    """Events that are made now, three at a time, over the window."""
    times = [time for time in range(window.start, window.end, 1_000) for _ in range(3)]
    fake.happen(*(RawLiquidation(one, time, "BUY", "60000", None, "0.5") for time in [window.start - 1, *times, window.end]))
    return [(time, "BUY") for time in times]


async def _simulated(venue: str) -> AsyncIterator[Subject]:
    settings = Settings(venues=(venue,), unlimited=True, ticking=False)
    async with Simulation(Market.standard(seed=7, symbols=3), settings) as simulation:
        exchange = connect(venue, Access(endpoint=simulation.endpoints[venue], timeout=10.0, speed=100))
        try:
            live = tuple(one for one in await exchange.instruments() if one.delisted is None)

            def open_interest(one: Instrument, window: Interval, period: int) -> list[int]:
                rows = truth.open_interest(simulation.market, venue, one.venue_id, window.start, window.end, period)
                return [row[0] for row in rows]

            def settlements(one: Instrument, window: Interval) -> list[int]:
                return [each.time for each in truth.funding(simulation.market, venue, one.venue_id, window.start, window.end)]

            def liquidate(one: Instrument) -> None:
                simulation.inject(venue, one.venue_id)

            def volume(one: Instrument) -> float:
                contract = simulation.market.contract(venue, one.venue_id)
                assert contract is not None
                now = simulation.now(venue)
                return float(simulation.market.volume(contract, now) * simulation.market.price(contract.base, now))

            def happened(one: Instrument, window: Interval) -> list[tuple[int, str]]:
                events = truth.liquidations(simulation.market, venue, one.venue_id, window.start, window.end)
                return sorted((each.time, each.side) for each in (sampled(events) if venue == "okx" else events))

            yield Subject(
                exchange, live, lambda: simulation.now(venue), open_interest, settlements, liquidate, simulation.tick, volume, happened,
                origin=simulation.origin, simulation=simulation,
            )  # fmt: skip
        finally:
            await exchange.close()


@pytest_asyncio.fixture(params=[f"{kind}-{venue}" for venue in VENUES for kind in ("fake", "ccxt")])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """Each venue, once in memory and once through CCXT's client."""
    kind, _, venue = str(request.param).partition("-")
    if kind == "fake":
        yield _faked(venue)
        return
    async for found in _simulated(venue):
        yield found


@pytest.fixture
def ear() -> Ear:
    return Ear()


__all__ = ["DAY", "HOUR", "MINUTE", "Ear", "Subject"]
