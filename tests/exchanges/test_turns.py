"""Turns at a venue: shares are kept to while they change, pauses and leave are obeyed by calls that already wait."""

import asyncio
import itertools

import pytest

from perptape.errors import Retry
from perptape.exchanges.base import CallLimit
from perptape.exchanges.turns import BORNE_S, LONGEST_DIAL_S, SILENT_S, Turns

LIMIT = CallLimit("ip", 100, 10_000)


class Time:
    """Seconds that pass only where somebody sleeps; sleepers wake in order."""

    def __init__(self):
        self.now = 100.0
        self._sleepers = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, len(self._sleepers), woken))
        await woken

    async def run(self, until):
        """Lets time pass up to `until`, and everybody do in it what they can."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            due = min(self._sleepers, default=None, key=lambda one: one[:2])
            if due is None or due[0] > until:
                self.now = until
                return
            self._sleepers.remove(due)
            self.now = max(self.now, due[0])
            due[2].set_result(None)


async def going(turns, time, gone, cost=1):
    while True:
        await turns.take({"ip": cost})
        gone.append(time.now)


def most_in_a_window(gone):
    return max((sum(start <= at < start + LIMIT.window / 1000 for at in gone) for start in gone), default=0)


@pytest.fixture
def tasks():
    made = []
    yield made
    for task in made:
        task.cancel()


async def test_pods_whose_shares_sum_to_one_keep_to_the_limit_together_and_use_most_of_it(tasks):
    time, gone = Time(), []
    pods = [Turns("x", (LIMIT,), monotonic=time, sleep=time.sleep) for _ in range(2)]
    for pod, share in zip(pods, (0.7, 0.3), strict=True):
        pod.pace.share = share
        tasks.append(asyncio.ensure_future(going(pod, time, gone)))
    await time.run(150)
    pods[0].pace.share = 0.1
    await time.run(155)
    pods[1].pace.share = 0.9
    await time.run(200)
    assert most_in_a_window(gone) <= LIMIT.amount
    assert sum(at >= 110 for at in gone) >= 0.8 * 9 * LIMIT.amount


async def test_a_smaller_share_holds_for_calls_that_already_wait(tasks):
    time, gone = Time(), []
    turns = Turns("x", (LIMIT,), monotonic=time, sleep=time.sleep)
    tasks.extend(asyncio.ensure_future(going(turns, time, gone)) for _ in range(50))
    await time.run(120)
    turns.pace.share = 0.1
    await time.run(121)
    before = len(gone)
    await time.run(141)
    assert len(gone) - before <= 22


async def test_a_tiny_share_lets_somebody_through_all_the_same(tasks):
    time, gone = Time(), []
    turns = Turns("x", (CallLimit("ip", 10, 2_000),), monotonic=time, sleep=time.sleep)
    turns.pace.share = 0.05
    tasks.append(asyncio.ensure_future(going(turns, time, gone)))
    await time.run(200)
    assert 3 <= len(gone) <= 26


async def one_waiting(time, tasks):
    """(turns whose limit is one call a minute, the second call, which waits for its turn since a second)."""
    turns = Turns("x", (CallLimit("ip", 1, 60_000),), monotonic=time, sleep=time.sleep)
    await turns.take({"ip": 1})
    waiting = asyncio.ensure_future(turns.take({"ip": 1}))
    tasks.append(waiting)
    await time.run(101)
    return turns, waiting


async def test_a_pause_ends_the_wait_of_calls_in_the_queue_with_its_end(tasks):
    time = Time()
    turns, waiting = await one_waiting(time, tasks)
    assert not waiting.done()
    turns.pause(120)
    await time.run(103)
    with pytest.raises(Retry) as told:
        waiting.result()
    assert told.value.banned
    assert 117 <= told.value.after <= 120
    with pytest.raises(Retry):
        await turns.take({"ip": 1})


async def test_who_wakes_late_lets_a_ban_be_read_first_that_came_meanwhile(tasks):
    """A process that stood still has an answer to read that its next call must not overtake."""
    time = Time()
    turns, waiting = await one_waiting(time, tasks)
    time.now = 170  # it stood still, and its turn has come
    await time.run(170.04)
    assert not waiting.done()
    turns.pause(120)
    await time.run(171)
    with pytest.raises(Retry):
        waiting.result()


async def test_a_short_pause_is_waited_for(tasks):
    time, gone = Time(), []
    turns = Turns("x", (LIMIT,), monotonic=time, sleep=time.sleep)
    turns.pause(BORNE_S)
    tasks.append(asyncio.ensure_future(going(turns, time, gone)))
    await time.run(101 + BORNE_S)
    assert gone[0] >= 100 + BORNE_S


async def test_who_has_less_time_than_a_pause_is_told_of_it():
    time = Time()
    turns = Turns("x", (LIMIT,), borne=2.5, monotonic=time, sleep=time.sleep)
    turns.pause(3)
    with pytest.raises(Retry) as told:
        await turns.take({"ip": 1})
    assert told.value.after == 3


async def test_without_leave_nothing_goes(tasks):
    time, gone = Time(), []
    turns = Turns("x", (LIMIT,), monotonic=time, sleep=time.sleep)
    turns.leave = False
    tasks.append(asyncio.ensure_future(going(turns, time, gone)))
    await time.run(160)
    assert gone == []
    turns.leave = True
    await time.run(161)
    assert gone


async def test_connections_take_turns_too_but_none_waits_so_long_that_it_is_taken_for_dead(tasks):
    time, gone = Time(), []
    turns = Turns("x", (LIMIT, CallLimit("connections", 3, 1_000)), monotonic=time, sleep=time.sleep)
    turns.pace.share = 0.1

    async def dialling():
        while True:
            await turns.dial()
            gone.append(time.now)

    tasks.append(asyncio.ensure_future(dialling()))
    await time.run(140)
    assert gone[0] == 100
    gaps = [after - before for before, after in itertools.pairwise(gone)]
    assert 3 <= min(gaps) <= max(gaps) <= LONGEST_DIAL_S + 1


async def test_refusals_are_kept_for_whoever_tells_others():
    turns = Turns("x", (LIMIT,), monotonic=Time())
    turns.note(500, None)
    assert not turns.refused.is_set()
    turns.note(429, None)
    turns.note(418, 60.0)
    assert turns.refusals == [429, 418]
    assert turns.paused == 60


async def test_only_a_venue_that_answers_nothing_for_a_while_is_trouble():
    time = Time()
    turns = Turns("x", (LIMIT,), monotonic=time)
    turns.met("x: HTTP 503")
    time.now += SILENT_S - 1
    turns.met("x: HTTP 502")
    assert turns.trouble == ""
    time.now += 1
    assert turns.trouble == "x: HTTP 502"
    turns.met("")
    turns.met("x: HTTP 503")
    time.now += SILENT_S - 1
    assert turns.trouble == "", "it counts from the last answer on"
