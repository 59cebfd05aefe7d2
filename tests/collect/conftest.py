"""A collector over fake venues and a real folder."""

import asyncio
import itertools

import pytest

from perptape.collect.asking import Environment
from perptape.collect.run import Request, run
from perptape.exchanges.base import Access
from perptape.exchanges.registry import traits
from perptape.store.catalog import Tape
from perptape_api.collection import load
from support.fake_exchange import FakeClock, FakeExchange, perpetual

SPEC = """
apiVersion: perptape.io/v1alpha1
kind: CollectionSpec
metadata: {{name: test}}
spec:
  venues: [{venues}]
  symbols: {{names: [{symbols}]}}
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

    def venue(self, name, bases=("BTC", "ETH"), **more):
        one = traits(name)
        listed = [perpetual(one, base, listed=more.pop("listed", None) if i == 0 else None) for i, base in enumerate(bases)]
        self.exchanges[name] = FakeExchange(one, listed, self.clock, **more)
        return self.exchanges[name]

    async def sleep(self, seconds):
        self.seconds += seconds
        self.clock.forward(int(seconds * 1000))
        await asyncio.sleep(0)

    @property
    def tape(self):
        return Tape.open(str(self.root))

    def environment(self):
        return Environment(lambda: self.clock.ms, lambda: self.clock.ms / 1000, self.sleep, lambda: 0.5)

    async def once(self, collect="{openInterest: {backfill: 2d}, funding: {backfill: 9d}}", symbols="BTCUSDT-PERP, ETHUSDT-PERP", **more):
        text = SPEC.format(venues=", ".join(f"{{exchange: {name}}}" for name in self.exchanges), symbols=symbols, collect=collect)
        spec = load(text, "test.yaml").spec
        request = Request(
            "test", "test.yaml", spec, tuple(self.exchanges), tuple(spec.wanted()), True, {}, f"w{next(self.runs)}", **more
        )  # fmt: skip

        def connect(name, access: Access):
            return self.exchanges[name]

        for exchange in self.exchanges.values():
            exchange.calls.clear()
        return await run(request, self.tape, connect=connect, environment=self.environment(), stop=asyncio.Event())

    def data_calls(self, name):
        return [call for call in self.exchanges[name].calls if call[0] not in ("now", "instruments", "close")]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "tape")
