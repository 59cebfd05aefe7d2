"""A venue, a stream of it, and what both leave behind, in a loop whose time jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from perptape.claims import Want
from perptape.collect.grids import stream_grid
from perptape.collect.live import LiveStream
from perptape.collect.plan import judged
from perptape.collect.stream_report import LiveReport
from perptape.collect.targets import Session
from perptape.coverage import Coverage
from perptape.instruments import Resolution
from perptape.interval import DAY, Interval, union
from perptape.raw import RawLiquidation
from perptape.store.logs import Logs
from support.fake_exchange import START, FakeExchange


class LoopClock:
    """The wall clock follows the loop's time."""

    @property
    def ms(self) -> int:
        return START + round(asyncio.get_running_loop().time() * 1000)

    def __call__(self) -> int:
        return self.ms * 1_000_000


async def inline(call: Callable[[], Any]) -> Any:
    return call()


async def never(call: Callable[[], Any]) -> Any:
    await asyncio.Event().wait()


@dataclass
class Stage:
    """A venue, a stream of it, and what both leave behind."""

    exchange: FakeExchange
    disk: Any
    store: Any
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    rows: list[Any] = field(default_factory=list)
    report: LiveReport | None = None
    sent: int = 0

    def stream(self, **more: Any) -> LiveStream:
        clock = self.exchange.clock
        return LiveStream(
            self.exchange, self.exchange.listing, logs=self.logs, segments=self.store, wants=self.wants, before=self.before,
            clock=lambda: clock.ms, random=Random(1), on_row=self.rows.append,
            **{"on_disk": inline, "on_store": inline, "log_limit": 2**21, **more},
        )  # fmt: skip

    @property
    def logs(self) -> Logs:
        return Logs("/state/log", self.disk)

    def wants(self, now: int, first: int | None) -> tuple[Want, ...]:
        session, grid = Session("file", "session", START), stream_grid(self.exchange.traits)
        return tuple(session.want_stream(grid, one, now, Coverage(), first) for one in self.asked)

    def before(self, now: int) -> tuple[Want, ...]:
        session, grid = Session("file", "session", START), stream_grid(self.exchange.traits)
        return tuple(session.want_before(grid, one, now, Coverage()) for one in self.asked)

    @property
    def asked(self) -> list[Resolution]:
        return [Resolution("BTC", self.exchange.traits.venue, one) for one in self.exchange.listing]

    def standing(self) -> list[tuple[str, str, float, float]]:
        """What the wanted time stands at, long afterwards: (status, reason, from, to) in seconds since the start."""
        grid, name = stream_grid(self.exchange.traits), self.exchange.listing[0].id
        known = Coverage.of(self.store.claims, self.store.wants)
        found = judged(grid, name, known, known.wants, START + DAY, Interval(0, 1 << 62))
        return [(one.status, one.reason, (one.span.start - START) / 1000, (one.span.end - START) / 1000) for one in found]

    def event(self, *, equal: bool = False) -> RawLiquidation:
        """One that differs from all before it, unless it is to be equal to the last one."""
        self.sent += not equal
        one = self.exchange.listing[0]
        return RawLiquidation(one, self.exchange.clock.ms - 50, "SELL", str(50_000 + self.sent), None, "0.5")

    async def beat(self, seconds: float, *, events: bool = True) -> None:
        """The venue lives: its control topic and its feed speak every second."""
        for _ in range(round(seconds)):
            self.exchange.tick()
            if events:
                self.exchange.push(self.event())
            await asyncio.sleep(1)

    async def dialled(self) -> None:
        """Waits for another connection."""
        before = len([call for call in self.exchange.calls if call[0] == "liquidations"])
        for _ in range(6_000):
            await asyncio.sleep(0.01)
            if len([call for call in self.exchange.calls if call[0] == "liquidations"]) > before:
                return
        raise TimeoutError("no connection within a minute")

    @property
    def prices(self) -> set[float]:
        return {one["price"] for one in self.store.rows}

    def spans(self, kind: str) -> list[tuple[float, float]]:
        """In seconds since the start."""
        found = union(c.span for c in self.store.claims if c.kind == kind and c.instrument == self.exchange.listing[0].id)
        return [((span.start - START) / 1000, (span.end - START) / 1000) for span in found]


@asynccontextmanager
async def running(stage: Stage, **more: Any) -> AsyncIterator[LiveStream]:
    stream = stage.stream(**more)
    task = asyncio.create_task(stream.run(stage.stop))
    await asyncio.sleep(0.1)
    yield stream
    stage.stop.set()
    stage.report = await task
