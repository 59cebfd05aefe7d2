"""A venue's stream from its connections to segments, in a loop whose time jumps."""

from __future__ import annotations

import asyncio
import errno
import re

import pytest

from perptape.claims import join, join_wants
from perptape.collect.stream_adopt import adopt
from perptape.collect.streams import trouble
from perptape.collect.targets import CONNECTING
from perptape.datasets import LIQUIDATIONS
from perptape.datasets import base as datasets
from perptape.errors import Fatal, Retry, Skip
from perptape.interval import Interval, gaps
from perptape.raw import RawLiquidation
from perptape.standing import REASONS
from perptape.store.logs import Logs
from support.fake_exchange import START
from support.staged import inline, never, running

pytestmark = pytest.mark.looptime


async def test_everything_received_is_in_segments_with_its_claims_and_wants(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(150)
    assert len(one.prices) == 150
    assert one.report.complete
    assert one.report.counts.events == 150
    assert (one.report.segments, one.report.waiting) == (5, 0)
    assert one.spans("sampled") == one.spans("live") == [(0.1, 147.1)]
    assert {want.asserted_at for want in one.store.wants} == {START, START + 500, START + 60_500, START + 120_500, START + 150_100}
    assert one.disk.folders("/state/log") == []
    assert len(one.rows) == 150


@pytest.mark.parametrize("seconds", [10, 59, 61, 150])
async def test_a_session_that_starts_and_stops_well_has_lost_nothing(stage, seconds: int) -> None:
    one = stage()
    async with running(one):
        await one.beat(seconds)
    assert one.standing() == [("sampled", "", 0.1, seconds - 2.9)]


async def test_what_is_there_is_judged_by_the_venues_own_word_where_its_clock_was_measured_while_it_was_wrong(stage) -> None:
    one, told = stage(), {}
    async with running(one) as stream:
        assert stream.told() == stream.now(), "nothing was said yet"
        await one.beat(20)
        for off in (-600_000, 0, 5_000, 600_000):
            one.exchange.offset = off
            told[off] = stream.told() - one.exchange.clock.ms
        await asyncio.sleep(30)
        silent = stream.told() - one.exchange.clock.ms
        one.exchange.offset = 0
    assert told == {-600_000: -600_000, 0: 0, 5_000: 5_000, 600_000: 0}
    assert silent == 0


async def test_a_session_that_is_stopped_before_it_proves_anything_wanted_nothing(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(2)
    assert one.standing() == []
    assert len(one.prices) == 2


async def test_a_stop_soon_after_a_reconnect_leaves_the_time_between_the_connections_lost_and_no_more(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(20)
        one.exchange.drop()
        await one.dialled()
        back = asyncio.get_running_loop().time()
        await one.beat(1)
    (_, _, _, stopped), (*why, start, end) = one.standing()
    assert (why, start) == (["lost", "disconnected"], stopped)
    assert stopped == 17.1
    assert back - 0.02 <= end <= back


async def test_a_stop_while_nobody_listens_is_lost_up_to_the_stop(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(20)
        one.exchange.will_raise([Retry("refused")] * 50)
        one.exchange.drop()
        await asyncio.sleep(15)
    assert one.standing() == [("sampled", "", 0.1, 17.1), ("lost", "disconnected", 17.1, 35.1)]


@pytest.mark.parametrize("silent", [3, 7, 12])
async def test_what_a_connection_that_has_long_been_silent_may_have_missed_is_lost_up_to_the_stop(stage, silent: int) -> None:
    """It was about to be given up; of a short silence nobody can tell."""
    one = stage()
    async with running(one):
        await one.beat(20)
        await asyncio.sleep(silent)
    lost = [("lost", "disconnected", 17.1, 20.1 + silent)] if silent > 5 else []
    assert one.standing() == [("sampled", "", 0.1, 17.1), *lost]


async def test_of_a_connection_that_never_spoke_all_is_lost_up_to_the_stop(stage) -> None:
    one = stage()
    async with running(one):
        await asyncio.sleep(10)
    assert one.standing() == [("lost", "disconnected", 0.0, 10.1)]


async def test_a_connection_that_is_silent_at_the_stop_is_no_matter_where_another_spoke(stage) -> None:
    one = stage()
    async with running(one, replicas=2):
        await one.beat(20)
        _, other = one.exchange.connections
        for _ in range(8):
            one.exchange.tick(other)
            one.exchange.push(one.event(), connection=other)
            await asyncio.sleep(1)
    assert one.standing() == [("sampled", "", 0.1, 25.1)]


async def test_of_two_connections_the_one_that_went_on_counts_at_the_stop(stage) -> None:
    one = stage()
    async with running(one, replicas=2):
        await one.beat(20)
        one.exchange.drop(connection=one.exchange.connections[0])
        await one.beat(4)
    assert one.standing() == [("sampled", "", 0.1, 21.1)]


async def test_a_session_that_connects_late_has_lost_the_time_since_its_start(stage) -> None:
    one = stage()
    one.exchange.will_raise([None, Retry("slow down", after=40.0)])
    async with running(one):
        await one.beat(70)
    first, second = one.standing()
    assert first[:3] == ("lost", "disconnected", 0)
    assert 40 <= first[3] <= 45
    assert second == ("sampled", "", first[3], 67.1)


async def test_what_is_wanted_is_said_as_soon_as_a_connection_proves(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(3)
        said = join_wants(one.store.wants)
    assert {(want.start, want.ended) for want in said} == {(START + 100, None)}, "one that is killed now leaves a hole that is known"


@pytest.mark.parametrize("away", [False, True])
async def test_what_is_wanted_is_durable_before_the_venue_is_dialled(stage, away: bool) -> None:
    """In the log, whatever becomes of the store: killed, or without power, before anything is acknowledged it is missed all the same."""
    one, left = stage(), []
    one.store.away = away
    dialled = one.exchange.liquidations

    async def seen(*asked):
        left.append(one.disk.after_power_loss("dropped"))
        return await dialled(*asked)

    one.exchange.liquidations = seen
    async with running(one):
        pass
    store = type(one.store)()
    found = adopt(Logs("/state/log", left[0]), store)
    ids = [instrument.id for instrument in one.exchange.listing]
    assert [(want.instrument, want.start, want.ended) for want in store.wants] == [(name, START + CONNECTING, None) for name in ids]
    assert (store.claims, found.since("binance", "liquidations")) == ([], dict.fromkeys(ids, START))


async def test_a_stream_that_its_venue_ended_is_still_wanted(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(10)
        one.exchange.will_raise([Fatal("closed for good")])
        one.exchange.drop()
        await asyncio.sleep(10)
    assert {want.ended for want in one.store.wants} == {None}


async def test_what_was_received_is_durable_within_a_second(stage) -> None:
    one = stage()
    async with running(one) as stream:
        await one.beat(5)
        await asyncio.sleep(1)
        assert stream.report.durable_until >= one.exchange.clock.ms - 1_000
        left, stored = one.disk.after_power_loss("dropped"), list(one.store.rows)
    store = type(one.store)()
    adopt(Logs("/state/log", left), store)
    assert len({row["price"] for row in [*stored, *store.rows]}) == 5


async def test_two_connections_unite_to_the_greater_count_of_equal_events(stage) -> None:
    one = stage()
    async with running(one, replicas=2):
        await one.beat(3, events=False)
        equal = one.event()
        one.exchange.push(equal, equal)
        one.exchange.push(equal, connection=one.exchange.connections[0])
        await one.beat(60, events=False)
    tables = [segment[2] for segment in one.store.segments.values()]
    assert datasets.join(LIQUIDATIONS, tables)["ordinal"].to_pylist() == [0, 1, 2]
    assert max(len(c.connections) for c in one.store.claims) == 2
    assert one.report.counts.connections == 2


async def test_a_reconnect_begins_ordinals_anew_and_leaves_a_hole(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(10)
        repeated = one.event()
        one.exchange.push(repeated)
        one.exchange.drop()
        await asyncio.sleep(5)
        one.exchange.push(repeated)
        await one.beat(10)
    table = datasets.join(LIQUIDATIONS, [segment[2] for segment in one.store.segments.values()])
    assert table.num_rows == 21
    assert set(table["ordinal"].to_pylist()) == {0}
    assert one.spans("live") == [(0.1, 7.1), (15.1, 22.1)]
    assert one.spans("hole") == [(0, 0.1), (7.1, 15.1)]
    assert one.report.reconnects == 1


async def test_one_replica_dropping_out_leaves_no_hole(stage) -> None:
    one = stage()
    async with running(one, replicas=2):
        await one.beat(10)
        one.exchange.drop(connection=one.exchange.connections[0])
        await one.beat(60)
    assert one.spans("hole") == [(0, 0.1)]
    covered = [Interval(*map(round, span)) for span in one.spans("sampled")]
    assert not list(gaps([Interval(1, 65)], covered))


async def test_a_silent_control_topic_ends_the_connection_and_dials_again(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(5)
        first = one.exchange.connections
        for _ in range(30):
            one.exchange.speak()  # the feed alone proves no connection
            await asyncio.sleep(1)
        assert one.exchange.connections != first
        await one.beat(10)
    assert "silent" in one.report.last_error
    assert len(one.spans("live")) == 2


async def test_a_venue_that_cannot_be_reached_is_dialled_with_growing_pauses_and_its_time_is_a_hole(stage) -> None:
    one = stage()
    one.exchange.will_raise([None, *[Retry("refused")] * 12])
    async with running(one):
        await asyncio.sleep(120)
        dials = [call for call in one.exchange.calls if call[0] == "liquidations"]
        assert 6 <= len(dials) <= 14
    [(start, end)] = one.spans("hole")
    assert (start, end >= 60) == (0, True)


async def test_a_retry_after_is_honoured(stage) -> None:
    one = stage()
    one.exchange.will_raise([None, Retry("slow down", after=40.0)])
    async with running(one):
        await asyncio.sleep(39)
        assert not one.exchange.connections
        await asyncio.sleep(5)
        assert one.exchange.connections


@pytest.mark.parametrize("error", [Fatal("banned for good"), Skip("no such feed here")])
async def test_a_venue_that_will_never_serve_ends_its_stream_with_the_reason(stage, error: Exception) -> None:
    one = stage()
    one.exchange.will_raise([None, error])
    report = await one.stream().run(one.stop)
    assert report.ended == str(error)
    assert report.complete
    assert one.disk.folders("/state/log") == []


async def test_a_venue_whose_clock_does_not_answer_holds_no_stop_up(stage) -> None:
    one = stage()
    one.exchange.now = asyncio.Event().wait  # what is sent to it vanishes
    task = asyncio.create_task(one.stream().run(one.stop))
    await asyncio.sleep(1)
    one.stop.set()
    began = asyncio.get_running_loop().time()
    await asyncio.wait([task], timeout=30)
    assert task.done()
    assert asyncio.get_running_loop().time() - began < 1
    assert not one.disk.files


async def test_a_venue_without_a_feed_says_why(stage) -> None:
    one = stage("hyperliquid")
    report = await one.stream().run(one.stop)
    assert "no public" in report.ended
    assert not one.disk.files


async def test_malformed_frames_are_counted_and_end_nothing(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(10)
        one.exchange.garble()
        one.exchange.push(RawLiquidation(one.exchange.listing[0], START, "SELL", "NaN", None, "1"))
        await one.beat(10)
    assert one.report.counts.malformed == 2
    assert one.report.counts.events == len(one.prices) == 20
    assert one.spans("live") == [(0.1, 17.1)]
    assert len(one.spans("sampled")) == 2


async def test_a_stop_with_the_store_away_takes_less_than_ten_seconds_and_keeps_the_log(stage) -> None:
    one = stage()
    loop = asyncio.get_running_loop()
    async with running(one, on_store=never):
        await one.beat(70)
        began = loop.time()
    assert loop.time() - began < 10
    assert not one.report.complete
    adopted = adopt(Logs("/state/log", one.disk.after_kill()), one.store)
    assert (adopted.logs, adopted.waiting) == (1, [])
    assert len(one.prices) == 70


@pytest.mark.slow
async def test_a_store_that_is_away_for_a_while_gets_all_of_it_afterwards(stage) -> None:
    one = stage()
    one.store.away = True
    async with running(one):
        await one.beat(400)
        assert not one.store.segments
        one.store.away = False
        await one.beat(60)
    assert len(one.prices) == 460
    assert one.report.complete
    assert len(one.store.segments) <= 6
    assert one.spans("sampled") == [(0.1, 457.1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "cause"),
    [(errno.ENOSPC, "disk full"), (errno.EDQUOT, "disk full"), (errno.EIO, "log unwritable")],
    ids=["full", "quota", "broken"],
)
async def test_a_disk_that_takes_nothing_keeps_what_was_received_and_records_one_hole(stage, error: int, cause: str) -> None:
    one = stage()
    one.disk.error = error
    async with running(one, buffer=20):
        await one.beat(10)
        one.disk.room = 10
        await one.beat(60)
        one.disk.room = None
        await one.beat(20)
    assert one.report.counts.dropped > 20
    assert {50_000.0 + n for n in [*range(1, 19), *range(75, 91)]} <= one.prices
    full = [c for c in join(one.store.claims) if c.kind == "hole" and c.cause == cause]
    assert len(full) == 1
    assert {c.cause for c in one.store.claims if c.kind == "hole"} == {"disconnected", cause} <= set(REASONS)
    assert not [price for price in one.prices if full[0].start + 2_000 < START + (price - 50_001) * 1000 < full[0].end - 2_000]


async def test_more_events_at_once_than_fit_are_an_overflow_even_after_a_failure_that_is_over(stage) -> None:
    one = stage()
    async with running(one, buffer=20):
        one.disk.room = 10
        await one.beat(5)
        one.disk.room = None
        await one.beat(10)
        one.exchange.push(*(one.event() for _ in range(30)))
        await one.beat(10)  # its first event comes before the next write
    assert one.report.counts.dropped == 11
    assert [line[:2] for line in one.standing()] == [("sampled", ""), ("lost", "overflow"), ("sampled", "")]


@pytest.mark.parametrize("seconds", [1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 3.5, 60.8, 61.2])
async def test_a_stop_in_the_middle_of_a_roll_is_no_lost_connection(stage, seconds: float) -> None:
    """On a slow disk; what is said then of the connection's end is said by the last roll, which knows that nobody hung up."""

    async def slow(call):
        await asyncio.sleep(0.4)
        return call()

    one = stage()
    async with running(one, on_disk=slow):
        while asyncio.get_running_loop().time() < seconds - 1:
            await one.beat(1)
        one.exchange.tick()
        await asyncio.sleep(seconds - asyncio.get_running_loop().time())
    assert [reason for status, reason, *_ in one.standing() if status == "lost"] == []


async def test_what_was_dropped_right_before_a_stop_is_lost(stage) -> None:
    one = stage()
    async with running(one, buffer=20):
        await one.beat(10)
        one.exchange.push(*(one.event() for _ in range(30)))
    first, second = one.standing()
    assert first[:2] == ("sampled", "")
    assert second == ("lost", "overflow", first[3], 10.1)


async def test_the_next_process_says_since_when_nobody_listened(stage) -> None:
    one = stage()
    task = asyncio.create_task(one.stream().run(one.stop))
    await asyncio.sleep(0.1)
    await one.beat(20)
    left = one.disk.after_kill()
    one.stop.set()
    await task
    two = stage()
    two.disk = left
    adopted = adopt(two.logs, two.store)
    await asyncio.sleep(100)
    async with running(two, since=adopted.since("binance", "liquidations")):
        await two.beat(30)
    holes = [c for c in two.store.claims if c.kind == "hole" and c.cause == "process down"]
    assert [(c.start - START, c.end - START) for c in holes] == [(17_100, 120_200)]


async def test_rows_ahead_of_the_venues_clock_are_kept_and_counted(stage) -> None:
    one = stage()
    async with running(one):
        one.exchange.push(RawLiquidation(one.exchange.listing[0], one.exchange.clock.ms + 5_000, "BUY", "1", None, "1"))
        await one.beat(5)
    assert one.report.counts.ahead == 1
    assert 1.0 in one.prices


@pytest.mark.slow
async def test_a_log_that_has_grown_makes_way_for_the_next_one_under_an_open_connection(stage) -> None:
    one = stage()
    async with running(one, log_limit=10_000):
        await one.beat(400)
    assert len({name.split("-")[1] for name in one.store.segments}) > 3
    assert len(one.prices) == 400
    assert one.spans("sampled") == one.spans("live") == [(0.1, 397.1)]
    assert one.spans("hole") == [(0, 0.1)]
    assert one.disk.folders("/state/log") == []


async def test_a_stream_that_is_stopped_while_its_disk_is_full_brings_all_it_heard_straight_to_the_store(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(70)
        one.disk.room = 10
        await one.beat(30)
    assert one.report.complete
    assert one.prices == {50_001.0 + n for n in range(100)}
    assert one.report.counts.events == 100
    assert {line[:2] for line in one.standing()} == {("sampled", "")}
    assert one.standing()[-1][3] >= 97
    assert one.disk.folders("/state/log") == []


async def test_a_stream_whose_disk_is_full_from_its_start_is_known_to_be_wanted_even_if_it_is_killed(stage) -> None:
    one = stage()
    task = asyncio.create_task(one.stream().run(one.stop))
    await asyncio.sleep(0.1)
    one.disk.room = 10
    await one.beat(20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (want,) = join_wants(one.store.wants)
    assert (want.start, want.ended) == (START + 100, None)


async def test_what_neither_the_disk_nor_the_store_takes_is_told(stage) -> None:
    one = stage()
    async with running(one):
        await one.beat(70)
        one.disk.room = 10
        one.store.away = True
        await one.beat(30)
    assert not one.report.complete
    assert one.report.lost_to == "disk full"
    assert START + 69_000 <= one.report.durable_until <= START + 71_000
    assert (one.report.counts.events, one.report.counts.dropped) == (70, 30)
    assert re.match(r"disk full: what was heard after \S+ is lost, .*: the store is away", trouble(one.report, START))
    one.store.away, one.disk.room = False, None
    adopt(one.logs, one.store)
    assert one.prices == {50_001.0 + n for n in range(70)}


@pytest.mark.parametrize("away", [False, True], ids=["stored", "refused"])
async def test_a_log_that_the_store_was_told_without_makes_no_other_claims_when_it_is_adopted(stage, away: bool) -> None:
    one = stage()
    async with running(one, on_store=never if away else inline):
        await one.beat(10)
        one.disk.room = 10
        await one.beat(10)
    assert one.report.lost_to == ("disk full" if away else "")
    one.disk.room = None
    adopt(one.logs, one.store)
    proven = {50_001.0 + n for n in range(10 if away else 20)}
    assert one.prices == proven
    assert one.disk.folders("/state/log") == []
