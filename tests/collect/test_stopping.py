"""A process that is told to stop ends at once, whatever it waits for: a venue, its clock, or the store."""

import asyncio
import threading

import pytest

from perptape.exchanges.registry import traits
from perptape.interval import HOUR
from perptape.store.tape import Tape
from support.fake_exchange import FakeExchange, perpetual

BTC = "BTCUSDT-PERP"
AT_ONCE = 5.0
COLLECT = {
    "fetched": "{openInterest: {every: 5m}}",
    "streamed": "{liquidations: {}}",
}


class Silent(FakeExchange):
    """One that does not answer calls of `silent` after the first `answers` of them."""

    silent, answers = "", 0

    async def now(self):
        await self.answered("now")
        return await super().now()

    async def instruments(self):
        await self.answered("instruments")
        return await super().instruments()

    async def answered(self, call):
        if call == self.silent:
            self.answers -= 1
            if self.answers < 0:
                self.waiting.set()
                await asyncio.Event().wait()


@pytest.fixture
def venue(world):
    def make(silent, answers):
        own = traits("binance")
        one = Silent(own, [perpetual(own)], world.clock)
        one.silent, one.answers, one.waiting = silent, answers, asyncio.Event()
        world.exchanges["binance"] = one
        return one

    return make


async def stopped(world, waiting, run):
    """The summary of a run that is told to stop once it waits."""
    task = asyncio.ensure_future(run)
    await asyncio.wait_for(waiting.wait(), 20)
    world.stop.set()
    world.once_stop.set()
    return await asyncio.wait_for(task, AT_ONCE)


@pytest.mark.parametrize("collect", COLLECT.values(), ids=COLLECT)
@pytest.mark.parametrize(("call", "answers"), [("instruments", 0), ("now", 0), ("now", 1)])
async def test_a_run_that_stays_waits_for_no_answer_of_a_venue(world, venue, call, answers, collect):
    one = venue(call, answers)
    summary = await stopped(world, one.waiting, world.stay(HOUR, collect, BTC))
    assert summary.exit_code == 0


@pytest.mark.parametrize(("call", "answers"), [("instruments", 0), ("now", 0), ("now", 2)])
async def test_a_run_that_does_not_stay_says_that_something_remains(world, venue, call, answers):
    one = venue(call, answers)
    summary = await stopped(world, one.waiting, world.once("{openInterest: {every: 5m}}", BTC))
    assert summary.exit_code == 1
    assert [(outcome.dataset, outcome.remaining) for outcome in summary.outcomes] == [("open_interest", 1)]
    assert summary.notes == ["stopped before it was done: the next run goes on"]


async def test_a_run_that_stays_waits_for_no_store_that_does_not_say_what_it_was_made_for(world, tmp_path):
    asked, released, stuck = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    class Stuck(Tape):
        def made(self):
            stuck.call_soon_threadsafe(asked.set)
            released.wait(60)
            return super().made()

    world.venue("binance", ["BTC"])
    world.opened = Stuck.open(str(tmp_path / "tape"))
    try:
        await stopped(world, asked, world.stay(HOUR, "{liquidations: {}}", BTC))
    finally:
        released.set()
