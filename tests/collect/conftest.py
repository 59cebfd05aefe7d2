"""A collector over fake venues and a real folder."""

import asyncio
import heapq
import itertools
import threading

import pytest

from perptape.collect.asking import Environment
from perptape.collect.run import Request, run
from perptape.exchanges.base import Access
from perptape.exchanges.registry import traits
from perptape.store.tape import Tape
from perptape_api.collection import load
from support.fake_exchange import FakeClock, FakeExchange, perpetual

SPEC = """
apiVersion: perptape.io/v1alpha1
kind: CollectionSpec
metadata: {{name: test}}
spec:
  venues: [{venues}]
  symbols: {symbols}
  collect: {collect}
  store: {{persistentVolumeClaim: {{}}}}
"""


class World:
    """Fake venues on one clock, one tape, and runs over them. Waiting moves the clock."""

    def __init__(self, root):
        self.root = root
        self.clock = FakeClock()
        self.exchanges = {}
        self.runs = itertools.count(1)
        self.seconds = 0.0
        self.sleepers = []
        self.stop, self.until, self.once_stop = asyncio.Event(), None, asyncio.Event()

    def venue(self, name, bases=("BTC", "ETH"), **more):
        one = traits(name)
        listed = [perpetual(one, base, listed=more.pop("listed", None) if i == 0 else None) for i, base in enumerate(bases)]
        self.exchanges[name] = FakeExchange(one, listed, self.clock, **more)
        return self.exchanges[name]

    async def sleep(self, seconds):
        self.seconds += seconds
        if self.until is None:  # a run that does not stay: waiting moves the clock at once
            self.clock.forward(int(seconds * 1000))
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self.sleepers, (self.clock.ms + int(seconds * 1000), next(self.runs), woken))
        await woken

    async def pass_time(self):
        """Moves the clock from sleeper to sleeper, each time when nothing else is going on: no thread, and no task for a while."""
        while True:
            quiet = 0
            while quiet < 200:  # turns in a row without a thread, so that what one of them came to has been heard
                at_work = any(thread.name == "perptape-aside" for thread in threading.enumerate())
                quiet = 0 if at_work else quiet + 1
                await asyncio.sleep(0.001 if at_work else 0)
            if self.sleepers:
                at, number, woken = heapq.heappop(self.sleepers)
                self.clock.ms = max(self.clock.ms, min(at, self.until))
                if at >= self.until and not self.stop.is_set():  # who is stopped must not begin anew at the same moment
                    self.stop.set()
                    heapq.heappush(self.sleepers, (at, number, woken))
                elif not woken.done():
                    woken.set_result(None)
            await asyncio.sleep(0)

    opened = None
    """A tape that fails as a test wants, in place of a plain one."""

    @property
    def tape(self):
        return Tape.open(str(self.root))

    def environment(self):
        return Environment(lambda: self.clock.ms, lambda: self.clock.ms / 1000, self.sleep, lambda: 0.5)

    async def once(self, collect="{openInterest: {backfill: 2d}, funding: {backfill: 9d}}", symbols="BTCUSDT-PERP, ETHUSDT-PERP", **more):
        return await self._run(collect, symbols, True, **more)

    async def stay(
        self, ms, collect="{openInterest: {backfill: 2d}, funding: {backfill: 9d}}", symbols="BTCUSDT-PERP, ETHUSDT-PERP", **more
    ):
        """A run that stays, told to stop after `ms` of the fake clock."""
        self.stop, self.until = asyncio.Event(), self.clock.ms + ms
        passing = asyncio.ensure_future(self.pass_time())
        try:
            return await self._run(collect, symbols, False, **more)
        finally:
            passing.cancel()
            self.until, self.sleepers = None, []

    async def _run(self, collect, symbols, once, **more):
        block = symbols if symbols.startswith("{") else f"{{names: [{symbols}]}}"
        text = SPEC.format(venues=", ".join(f"{{exchange: {name}}}" for name in self.exchanges), symbols=block, collect=collect)
        spec = load(text, "test.yaml").spec
        asked = more.pop("datasets", tuple(spec.wanted()))
        request = Request("test", "test.yaml", spec, tuple(self.exchanges), asked, once, {}, f"w{next(self.runs)}", **more)

        def connect(name, access: Access):
            return self.exchanges[name]

        for exchange in self.exchanges.values():
            exchange.calls.clear()
        return await run(
            request, self.opened or self.tape, connect=connect, environment=self.environment(), stop=self.once_stop if once else self.stop
        )

    def data_calls(self, name):
        return [call for call in self.exchanges[name].calls if call[0] not in ("now", "instruments", "close")]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "tape")
