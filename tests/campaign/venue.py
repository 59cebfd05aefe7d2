"""One process' line to the venue: the fake exchange, seen through the weather of a schedule.

It notes what it was asked in spite of a pause that the venue had demanded.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from campaign.feed import Connection
from campaign.market import AFTER, Market, keeps
from perptape.errors import Retry
from perptape.exchanges.base import Sink, Traits
from perptape.exchanges.clock_watch import kept_measured
from perptape.exchanges.offset import Offset, measured
from perptape.instruments import Instrument
from perptape.interval import MINUTE, SECOND, Interval
from perptape.raw import Answer, RawFill, RawFunding, RawOpenInterest, RawPrediction, RawVolume
from perptape.simulation.schedule import ANSWERED, Fault
from support.fake_exchange import FakeClock, FakeExchange

if TYPE_CHECKING:
    from campaign.process import Process
    from campaign.stage import Stage

T = TypeVar("T")
TIMEOUT = 10.0
LATE = 5 * MINUTE
"""By how much settlements are late at most: what is later than the traits promise nobody could tell from there being none."""


class VenueClock(FakeClock):
    """The venue's clock is the true one."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now

    @property
    def ms(self) -> int:  # type: ignore[override]
        return self._now()


class Line:
    """Implements `Exchange` for one process. `offset` is measured by its answers, as CCXT's adapter does."""

    listed_whole = True

    def __init__(self, world: Stage, process: Process) -> None:
        self._world, self._process = world, process
        self._market: Market = world.market
        self.traits: Traits = world.market.traits
        self._chance = random.Random(f"line {world.schedule.seed} {process.name}")
        market, now = world.market, world.now
        clock = VenueClock(now)
        self._buckets = FakeExchange(
            self.traits,
            market.lives,
            clock,
            published_after=-(market.period or 0),
            holes=lambda one, time: market.hole(one, time) or market.hidden(time, now()),
            open_interest_at=lambda one, time: market.open_interest(one, time, now()),
        )
        self._rates = FakeExchange(self.traits, market.lives, clock, published_after=AFTER, settlements=market.settlements)
        self._rates.past = world.feed.past
        self._measured: Offset | None = None
        self._paused_until = 0.0
        self._streams = 0

    origin = "live"

    @property
    def offset(self) -> int:
        return 0 if self._measured is None else self._measured.ms

    # -- the port

    async def now(self, *, anew: bool = False) -> int:
        known, local = self._measured, self._world.clock(self._process)
        if anew or known is None or not known.trusted(local):
            if (left := self._paused_until - self._world.seconds()) > 0.001:
                raise Retry("the venue must not be asked", left, banned=True)  # as the adapter's turns do
            await self._apart()
        return self._world.clock(self._process) + self.offset

    async def instruments(self) -> tuple[Instrument, ...]:
        await self._through()
        now = self._world.now()
        if self._process.listed is None:
            self._process.listed = self._world.seconds()
        if keeps(self._world.schedule, self._world.seconds()):
            self._market.first_listed = min(now, self._market.first_listed or now)
        return self._market.listed(now)

    async def open_interest(self, instruments: Sequence[Instrument]) -> Answer[RawOpenInterest]:
        return await self._asked(lambda: self._buckets.open_interest(instruments))

    async def volume(self, instruments: Sequence[Instrument]) -> Answer[RawVolume]:
        return await self._asked(lambda: self._buckets.volume(instruments))

    async def open_interest_page(self, instrument: Instrument, period: int, window: Interval) -> Answer[RawOpenInterest]:
        return await self._asked(lambda: self._buckets.open_interest_page(instrument, period, window), past=True)

    async def funding(self, instruments: Sequence[Instrument]) -> Answer[RawPrediction]:
        return await self._asked(lambda: self._rates.funding(instruments))

    async def funding_page(self, instrument: Instrument, window: Interval) -> Answer[RawFunding]:
        self._rates.published_after = AFTER + (LATE if self._world.during("late publication") else 0)
        return await self._asked(lambda: self._rates.funding_page(instrument, window), past=True)

    async def liquidations_page(self, instrument: Instrument, window: Interval) -> Answer[RawFill]:
        return await self._asked(lambda: self._rates.liquidations_page(instrument, window), past=True)

    async def liquidations(self, instruments: Sequence[Instrument], sink: Sink) -> None:
        world = self._world
        await asyncio.sleep(max(self._paused_until - world.seconds(), 0.0))  # the adapter's turns hold a dial back, too
        await self._apart()
        if world.meets("no acknowledgement"):
            await asyncio.get_running_loop().create_future()
        self._streams += 1
        connection = Connection(f"{self._process.name}-{self._streams}", self._process, world.seconds())
        clock = lambda: world.clock(self._process) + self.offset  # noqa: E731
        keeping = asyncio.ensure_future(kept_measured(self.now, lambda: world.clock(self._process) / SECOND))
        try:
            await world.feed.pump(
                connection, [one.id for one in instruments], sink, world.schedule.faults, world.met, clock, world.seconds, self._chance
            )
        finally:
            keeping.cancel()

    async def close(self) -> None:
        pass

    # -- the weather

    async def _asked(self, call: Callable[[], Awaitable[Answer[T]]], *, past: bool = False) -> Answer[T]:
        fault = await self._through(past=past)
        answer = await call()
        if self._world.during("late publication", "clock skew"):
            self._world.met.update(one.kind for one in self._world.now_under("late publication", "clock skew"))
        if fault == "empty list":
            answer = replace(answer, rows=())
        single = not answer.rows or isinstance(answer.rows[0], RawFill)  # an event that is there twice may have happened twice
        if not single and self._world.meets("duplicates"):
            again = self._chance.choice(answer.rows)
            answer = replace(answer, rows=[*answer.rows, again])
        return replace(answer, received=self._world.clock(self._process) + self.offset)

    async def _apart(self) -> None:
        """A dial, or a look at the clock: the adapter's turns hold calls back for what it is told."""
        paused = self._paused_until
        try:
            await self._through()
        except Retry:
            self._paused_until = paused
            raise

    async def _through(self, *, past: bool = False) -> str:
        """The way there and back, and which fault of the answer it meets. Raises Retry. `past`: a page of history is asked for."""
        world, process = self._world, self._process
        process.look()
        if world.seconds() < self._paused_until - 0.001:
            world.note(f"{process.name} asked {self._paused_until - world.seconds():.1f} s before the venue's pause was over")
        faults = [fault for fault in world.now_under(*ANSWERED) if self._chance.random() < share(fault, past=past)]
        world.met.update(fault.kind for fault in faults)
        sent = world.seconds()
        slow = [fault for fault in faults if fault.kind == "latency"]
        seconds = 0.05 + self._chance.random() * (15 if slow else 0.2)
        await asyncio.sleep(min(seconds, TIMEOUT))
        process.look()
        if seconds > TIMEOUT:
            raise Retry(f"no answer within {TIMEOUT:g} s")
        now, received = world.now(), world.clock(process)
        took = round((world.seconds() - sent) * SECOND)  # by the clock at the receipt, as the adapter's watch has it
        self._measured = measured(self._measured, received - took, received, now, now)
        for fault in faults:
            self._raise(fault)
        return "empty list" if any(fault.kind == "empty list" for fault in faults) else ""

    def _raise(self, fault: Fault) -> None:
        """A pause that the venue demands ends with its fault."""
        left = max(fault.end - self._world.seconds(), 1.0)
        if fault.kind in ("429", "418"):
            after = left if fault.kind == "418" else min(left, 5 + 55 * fault.size)
            self._paused_until = self._world.seconds() + after
            raise Retry(f"HTTP {fault.kind}", after, banned=fault.kind == "418")
        if fault.kind == "5xx":
            raise Retry("HTTP 503")
        if fault.kind == "cut body":
            raise Retry("the body was cut short")
        if fault.kind == "html":
            raise Retry("HTML with 200")


def share(fault: Fault, *, past: bool) -> float:
    """Of the calls made under a fault, how many meet it. Half of the HTML is what a path of history answers, always, and no other path."""
    if fault.kind == "html" and fault.whom % 2 == 0:
        return float(past)
    return 0.3 + 0.7 * fault.size
