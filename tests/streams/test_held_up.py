"""A process that was held up (a machine that slept, a throttled pod) takes its own absence for nobody's silence."""

import asyncio
import gc
from random import Random

import pytest

from campaign.clockwork import VirtualLoop
from perptape.collect.stream_connection import Place
from perptape.collect.stream_report import LiveReport, Pace
from perptape.collect.watchdog import Watch
from perptape.errors import Retry


class Ear:
    """A sink as far as a place looks at it. `ended`: why its connections ended."""

    connection, counted, fed = "one", "one", {}

    def __init__(self, clock):
        self.clock, self.heard, self.acknowledged_at, self.ended = clock, clock(), clock(), []

    def closed(self, connection, reason, received):
        self.ended.append((round(self.clock(), 1), reason))


class Venue:
    """Sends a word of the control topic at each of these seconds; a task of its own reads it, as a socket's does."""

    def __init__(self, sent):
        self.sent = sent

    async def liquidations(self, instruments, sink):
        loop, came = asyncio.get_running_loop(), asyncio.Queue()
        for at in self.sent:
            loop.call_at(at, came.put_nowait, at)
        while True:
            await came.get()
            sink.heard = loop.time()


def ended(sent, held_up):
    """Why and when a connection ended, of a process that does nothing from one moment to the other."""
    loop = VirtualLoop()

    async def kept():
        sink = Ear(loop.time)
        place = Place(
            Venue(sent), (), sink, LiveReport("bybit", "liquidations", 1), now=lambda: 0, random=Random(1), pace=Pace(), watch=Watch()
        )
        stopping = asyncio.Event()
        start, end = held_up
        loop.call_at(start, lambda: setattr(loop, "seconds", end))
        keeping = asyncio.create_task(place.keep(stopping))
        await asyncio.sleep(39.5)
        stopping.set()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return sink.ended

    try:
        return loop.run_until_complete(kept())
    finally:
        loop.close()


@pytest.mark.parametrize("last", [10.5, 14.9, 15.5, 19.9])
def test_what_came_while_a_process_was_held_up_is_read_before_its_connection_is_given_up(last):
    sent = [1, 2, 3, 4, 5, last, 21, 25, 30, 35, 39]
    assert ended(sent, held_up=(6.0, 20.5)) == [(39.5, "stopped")]


def test_a_connection_on_which_nothing_came_meanwhile_is_given_up():
    ((at, why),) = ended([1, 2, 3, 4, 5], held_up=(6.0, 20.5))[:1]
    assert (why, at) == ("control topic silent for 15 s", 20.6)


class Refusing:
    """Never subscribes, and says so when it is given up, or just before."""

    def __init__(self, at=None):
        self.at = at

    async def liquidations(self, instruments, sink):
        sink.heard = None
        try:
            await asyncio.sleep(3600 if self.at is None else self.at)
        finally:
            raise Retry("no connection within 10 s")


@pytest.mark.parametrize("at", [None, 30.05])
def test_how_a_connection_ended_that_was_given_up_leaves_no_traceback(at):
    loop, said = VirtualLoop(), []
    loop.set_exception_handler(lambda loop, context: said.append(context["message"]))

    async def kept():
        sink = Ear(loop.time)
        report = LiveReport("bybit", "liquidations", 1)
        place = Place(Refusing(at), (), sink, report, now=lambda: 0, random=Random(1), pace=Pace(), watch=Watch())
        keeping = asyncio.create_task(place.keep(asyncio.Event()))
        await asyncio.sleep(31)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return report.last_error

    try:
        why = loop.run_until_complete(kept())
        gc.collect()
    finally:
        loop.close()
    assert said == []
    assert why == ("not subscribed within 30 s" if at is None else "no connection within 10 s")
