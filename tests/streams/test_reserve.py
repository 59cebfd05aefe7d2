"""The room that a stream's log owns: a full disk takes nothing of it, a store that is away fills it, and it empties by itself."""

from __future__ import annotations

import asyncio
import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perptape.collect.outcome import Outcome
from perptape.collect.stream_adopt import adopt, put
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_log import StreamLog
from perptape.collect.stream_report import LiveReport, Pace
from perptape.datasets import LIQUIDATIONS
from perptape.errors import StoreError, Unwritable
from perptape.store.log_record import Events, Mark, Marks, encode
from perptape.store.logs import Logs
from support.staged import Stage, running

RESERVE = 2**20
BURST = 100
"""Events between two writes to the log."""
START = 1_750_000_000_000


def opened(kit: Any, disk: Any, limit: int) -> StreamLog:
    ids = iter(range(99))
    return StreamLog(
        Logs("/state/log", disk), LIQUIDATIONS, "fake", kit.RULES, opened=START, since={}, new_id=lambda: f"log{next(ids)}", limit=limit
    )  # fmt: skip


def stored(log: StreamLog, store: Any) -> None:
    for segment in log.unconfirmed:
        put(store, segment)
        log.confirm(segment.name)


@pytest.mark.slow
def test_a_disk_that_others_filled_keeps_what_the_log_owns(tmp_path: Path) -> None:
    """A real file system, in a mount namespace of its own."""
    reserve = 4 * 2**20
    words = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, str(Path(__file__).with_name("full_disk.py"))]
    env = {"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run([*words, str(tmp_path), str(reserve)], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, f"a small file system is mounted, for which root or user namespaces are needed: {done.stderr}"
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["disk"], said["log"]) == (errno.ENOSPC, "disk full")
    assert 0 <= (reserve - said["begun"]) / said["length"] - said["frames"] < 1
    assert said["rows"] == 50 * said["frames"]
    assert (said["waiting"], said["left"]) == ([], [])


@pytest.mark.slow
@pytest.mark.looptime
async def test_a_stream_loses_nothing_while_others_have_filled_its_disk(stage) -> None:
    one = stage()
    one.disk.owned = True
    async with running(one, log_limit=RESERVE) as stream:
        one.disk.room = 0
        await one.beat(600)
        assert stream.report.log_error == ""
        assert stream.report.durable_until >= one.exchange.clock.ms - 1_000
        assert stream.report.log_used < RESERVE // 4
    assert len(one.prices) == 600
    assert [line[:2] for line in one.standing()] == [("sampled", "")]
    assert one.disk.folders("/state/log") == []


async def burst(one: Stage, seconds: float) -> None:
    """Frames of one length, as many as there are writes."""
    for _ in range(round(seconds * 2)):
        one.exchange.tick()
        one.exchange.push(*(one.event() for _ in range(BURST)))
        await asyncio.sleep(0.5)


@pytest.mark.slow
@pytest.mark.looptime
@pytest.mark.parametrize("buffer", [BURST, 40 * BURST])
async def test_with_the_store_away_what_has_room_is_kept_and_the_rest_is_one_hole(stage, buffer: int) -> None:
    one = stage()
    one.disk.owned = True
    async with running(one, log_limit=RESERVE, buffer=buffer) as stream:
        one.disk.room, one.store.away = 0, True
        begun = stream.report.log_used
        await burst(one, 120)
        assert stream.report.store_error == "the store is away"
        assert "reserve" in stream.report.log_error
        assert stream.report.log_reason == "disk full"
        kept, dropped = stream.report.counts.events, stream.report.counts.dropped
        assert dropped > 10 * BURST
        one.store.away = False
        began = asyncio.get_running_loop().time()
        while stream.report.log_error or stream.report.waiting:
            await burst(one, 0.5)
        assert asyncio.get_running_loop().time() - began < 60
        assert (stream.report.store_error, stream.report.last_error) == ("", stream.report.last_error)
        await burst(one, 70)
    rows = LIQUIDATIONS.table([one.rows[0]] * BURST).to_batches()[0]
    marks = Marks((Mark("control", "binance-1", START), Mark("feed", "binance-1", START)))
    fits = (RESERVE - begun) // len(encode(Events(rows)) + encode(marks))
    assert abs(kept / BURST - fits) <= 1
    lost = [line for line in one.standing() if line[0] == "lost"]
    assert [line[1] for line in lost] == ["disk full"]
    assert one.prices >= {50_001.0 + n for n in range(kept)}
    missed = {50_001.0 + n for n in range(one.sent)} - one.prices
    assert len(missed) == one.report.counts.dropped
    (_, _, start, end), first, last = lost[0], min(missed), max(missed)
    heard = [(first - 50_001) // BURST / 2 + 0.1, (last - 50_001) // BURST / 2 + 0.1]
    assert start <= heard[0] <= heard[1] <= end
    assert heard[0] - start <= 2 + 1 + 0.5, "the edge is at the last mark before, less the push interval"
    assert end - heard[1] <= 1.5


@pytest.mark.slow
@pytest.mark.looptime
async def test_while_the_store_is_away_no_segment_grows_beyond_what_memory_should_put_at_once(stage) -> None:
    one, part = stage(), RESERVE // 8
    one.disk.owned = True
    async with running(one, log_limit=RESERVE, pace=Pace(part=part)) as stream:
        await one.beat(5)
        one.store.away = True
        await burst(one, 25)
        away, kept = one.store.puts, stream.report.counts.events
        assert stream.report.log_error == ""
        one.store.away = False
        await burst(one, 60)
    sizes = [segment[2].nbytes for segment in one.store.segments.values()]
    assert sum(sizes) > 6 * part
    assert max(sizes) < part + 40_000, "a batch more"
    assert one.store.puts - away > 6
    assert kept >= 25 * 2 * BURST
    assert {50_001.0 + n for n in range(one.sent)} == one.prices
    assert [line[0] for line in one.standing()] == ["sampled"]


@pytest.mark.looptime
async def test_what_a_new_life_of_the_log_carries_on_is_not_rolled_again_and_again(stage) -> None:
    """A control topic that is silent, just shorter than its watch allows, while the feed brings much: nothing of it is claimed yet."""
    puts = list[int]()
    for part in (RESERVE // 8, 2**40):
        one = stage()
        one.disk.owned = True
        async with running(one, log_limit=RESERVE, pace=Pace(part=part)) as stream:
            await one.beat(5)
            before = one.store.puts
            for _ in range(28):
                one.exchange.push(*(one.event() for _ in range(BURST)))
                await asyncio.sleep(0.5)
            one.exchange.tick()
            puts.append(one.store.puts - before)
            await one.beat(30)
        assert stream.report.counts.dropped == 0
        assert {50_001.0 + n for n in range(one.sent)} == one.prices
    assert puts[0] <= puts[1] + 3, "of 28 writes"


def test_who_replays_a_log_that_was_rolled_since_it_was_heavy_makes_the_segments_that_its_writer_made(kit) -> None:
    disk, store, part = kit.Disk(), kit.Store(), 2**15
    log = StreamLog(
        Logs("/state/log", disk), LIQUIDATIONS, "fake", kit.RULES, opened=START, since={}, new_id=lambda: "log", limit=RESERVE, part=part
    )  # fmt: skip
    log.write(Batch([], [Mark("acknowledged", "c", START)]))
    now = START
    for _ in range(5):
        while not log.heavy:
            now += 1_000
            log.write(kit.second("c", now, rows=[now - 500 + one for one in range(20)]))
        log.roll(now + 3, ())
        assert not log.heavy
    names = [segment.name for segment in log.unconfirmed]
    assert all(segment.rows["ts_event"].num_chunks == 1 for segment in log.unconfirmed), "a batch of each write takes more than its rows"
    assert adopt(Logs("/state/log", disk.after_kill()), store, 2 * part).waiting == []
    assert names[:5] == list(store.segments)[:5]


@pytest.mark.slow
@pytest.mark.looptime
@pytest.mark.parametrize("takes", [0.05, 0.3])
async def test_what_found_no_room_is_one_hole_though_what_waited_takes_its_time_to_be_written(stage, takes: float) -> None:
    """Rolls come in between. `takes`: seconds of each call of disk and store."""

    async def taken(call: Callable[[], Any]) -> Any:
        await asyncio.sleep(takes)
        return call()

    one = stage()
    one.disk.owned = True
    async with running(one, log_limit=RESERVE, buffer=60 * BURST, on_disk=taken, on_store=taken) as stream:
        await one.beat(5)
        one.disk.room, one.store.away = 0, True
        await burst(one, 150)
        assert stream.report.counts.dropped
        one.store.away = False
        await burst(one, 120)
    lost = [line for line in one.standing() if line[0] == "lost"]
    assert [line[1] for line in lost] == ["disk full"], lost
    since = min(one.prices)  # what came before it was subscribed was not received
    assert one.sent - (since - 50_001) - len(one.prices) == one.report.counts.dropped


@pytest.mark.slow
@pytest.mark.looptime
async def test_a_store_that_was_away_has_all_within_a_minute_of_its_return_and_the_log_is_empty(stage) -> None:
    one = stage()
    one.disk.owned = True
    async with running(one, log_limit=RESERVE) as stream:
        one.disk.room, one.store.away = 0, True
        await one.beat(600)
        used = stream.report.log_used
        one.store.away = False
        await one.beat(60)
        assert one.prices >= {50_001.0 + n for n in range(600)}
        assert stream.report.store_error == ""
        await one.beat(120)
        assert stream.report.log_used < RESERVE // 4 < used
    assert [line[:2] for line in one.standing()] == [("sampled", "")]


@pytest.mark.looptime
async def test_a_store_that_goes_away_is_told_within_a_minute_though_nothing_is_to_be_put(stage) -> None:
    one, away = stage(), asyncio.Event()

    def look() -> None:
        if away.is_set():
            raise StoreError("the store is away")

    async with running(one, look=look) as stream:
        await one.beat(65)
        away.set()
        await one.beat(25)
        assert stream.report.store_error == "the store is away"
        away.clear()
        await one.beat(25)
        assert stream.report.store_error == ""


def test_what_a_log_refuses_is_told_while_it_does_and_not_longer() -> None:
    outcome = Outcome("binance", "liquidations", live=LiveReport("binance", "liquidations", 1, log_error="the reserve is used up"))
    outcome.listened()
    assert outcome.fields()["error"] == "the reserve is used up"
    outcome.live.log_error = ""
    outcome.listened()
    assert "error" not in outcome.fields()
    outcome.error = "something else"
    outcome.listened()
    assert outcome.fields()["error"] == "something else"


def test_a_log_full_of_what_must_be_carried_on_empties_all_the_same(kit) -> None:
    """All came at once, and no mark after it proves anything that would make it superfluous."""
    disk, store = kit.Disk(owned=True), kit.Store()
    log = opened(kit, disk, RESERVE)
    log.write(Batch([], [Mark("acknowledged", "c", START), Mark("control", "c", START), Mark("feed", "c", START)]))
    written = full(kit, log, 2_000)
    assert log.roll(START + 60_000, ()), "the next life would begin with all of it"
    assert log.used > RESERVE - 40_000
    stored(log, store)
    assert log.used < 10_000
    log.write(kit.second("c", START + 121_000, rows=[START + 121_000]))
    log.roll(START + 125_000, (), last=True)
    stored(log, store)
    assert len({row["ordinal"] for row in store.rows}) == written
    assert {claim.cause for claim in store.claims if claim.kind == "hole"} == {"disk full"}
    log.close()
    assert disk.folders("/state/log") == []


def full(kit: Any, log: StreamLog, rows: int) -> int:
    """Writes until the log takes no more; how many rows it took."""
    written = 0
    while rows:
        try:
            log.write(Batch([kit.liquidation(START + 1_000, written + number) for number in range(rows)], []))
            written += rows
        except Unwritable:
            rows //= 2
    return written


def test_a_process_that_dies_with_a_full_log_leaves_all_of_it_to_the_next_one(kit) -> None:
    disk, store = kit.Disk(owned=True), kit.Store()
    log = opened(kit, disk, RESERVE)
    log.write(Batch([], [Mark("acknowledged", "c", START), Mark("control", "c", START + 900)]))
    written = full(kit, log, 500)
    left = disk.after_kill()
    left.owned, left.room = True, 0
    assert not adopt(Logs("/state/log", left), store).waiting
    assert len(store.rows) == written
    assert left.folders("/state/log") == []
