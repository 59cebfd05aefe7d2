"""How a venue's failures slow its calls down, and end them when waiting is useless. Time is virtual."""

import asyncio
from itertools import pairwise

import pytest

from perptape.collect.asking import Asking, Environment, VenueStopped
from perptape.collect.circuit import Circuit, backoff
from perptape.errors import Fatal, Retry, Skip


class VirtualTime:
    """Seconds that pass only in `sleep`."""

    def __init__(self):
        self.now, self.naps = 1000.0, []

    async def sleep(self, seconds):
        self.naps.append(seconds)
        until = self.now + seconds
        for _ in range(20):  # whoever may act before this one wakes does so
            await asyncio.sleep(0)
        self.now = max(self.now, until)

    def environment(self, chance=0.5):
        return Environment(lambda: int(self.now * 1000), lambda: self.now, self.sleep, lambda: chance)


def calls(*answers):
    left = list(answers)

    async def call():
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    call.left = left
    return call


def asking(time, **more):
    return Asking("binance", time.environment(), Circuit(5), **more)


async def test_a_retry_is_asked_again_after_a_growing_wait():
    time = VirtualTime()
    assert await asking(time).ask(calls(Retry("busy"), Retry("busy"), 7)) == 7
    assert time.naps == [backoff(1, 0.5), backoff(2, 0.5)]
    assert time.naps[0] < time.naps[1]


async def test_retry_after_is_honoured_to_the_second():
    time = VirtualTime()
    assert await asking(time).ask(calls(Retry("429", after=12), 7)) == 7
    assert sum(time.naps) == 12


async def test_a_ban_past_the_deadline_ends_the_venue_at_once_and_says_until_when():
    time = VirtualTime()
    one = asking(time, deadline=time.now + 60)
    call = calls(Retry("418 banned", after=3600, banned=True), 7)
    with pytest.raises(VenueStopped, match=r"no call before 1970-01-01T01:16:40Z.*418"):
        await one.ask(call)
    assert time.naps == []
    with pytest.raises(VenueStopped):
        await one.ask(calls(8))


async def test_skip_and_fatal_pass_at_once():
    time = VirtualTime()
    for error in (Skip("no such symbol"), Fatal("bad key")):
        with pytest.raises(type(error)):
            await asking(time).ask(calls(error))
    assert time.naps == []


async def test_attempts_are_limited_while_the_circuit_is_closed():
    time = VirtualTime()
    one = asking(time, attempts=3)
    call = calls(*[Retry("busy")] * 3, 7)
    with pytest.raises(Retry):
        await one.ask(call)
    assert call.left == [7]


async def test_the_circuit_opens_probes_and_closes_again():
    time, said = VirtualTime(), []
    one = asking(time, on_trouble=said.append)
    assert await one.ask(calls(*[Retry("down")] * 7, 7)) == 7
    assert not one.circuit.open
    assert sum(time.naps) >= 5 + 10 + 20
    assert "one call at a time" in said[0]


async def test_a_venue_without_progress_ends_after_its_patience():
    time = VirtualTime()
    one = asking(time, patience=300)
    with pytest.raises(VenueStopped):
        await one.ask(calls(*[Retry("down")] * 50))
    assert 240 <= time.now - 1000 <= 300


def test_the_wait_between_attempts_grows_and_is_capped():
    assert [backoff(attempt, 0.5) for attempt in range(1, 9)] == [0.5, 1, 2, 4, 8, 15, 15, 15]
    assert backoff(40, 0.0) == 0


def test_an_open_circuit_is_probed_ever_more_seldom_up_to_a_minute():
    circuit, now, pauses = Circuit(5), 1000.0, []
    for _ in range(10):
        circuit = circuit.failed(Retry("down"), now)
        pauses.append(circuit.paused_until - now if circuit.open else None)
        now = max(now, circuit.paused_until)
    assert pauses == [None, None, None, None, 5, 10, 20, 40, 60, 60]
    assert not circuit.succeeded().open


@pytest.mark.parametrize("down", [0, 3])
async def test_many_that_ask_while_the_circuit_is_open_make_one_call_at_a_time_each_after_the_pause(down):
    time = VirtualTime()
    one = asking(time)
    for _ in range(5):
        one.circuit = one.circuit.failed(Retry("down"), time.now)
    at, under_way, answers = [], [0], [Retry("down")] * down

    async def call():
        open_now = one.circuit.open
        under_way[0] += 1
        at.append((time.now, open_now, under_way[0]))
        for _ in range(5):
            await asyncio.sleep(0)
        under_way[0] -= 1
        if answers:
            raise answers.pop()
        return 7

    assert await asyncio.gather(*(one.ask(call) for _ in range(6))) == [7] * 6
    probes = [start for start, open_now, _ in at if open_now]
    assert len(probes) == down + 1
    assert all(count == 1 for _, open_now, count in at if open_now)
    assert all(later - earlier >= pause for (earlier, later), pause in zip(pairwise(probes), (10, 20, 40), strict=False))
