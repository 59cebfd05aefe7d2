"""Holes of streams are filled out of what the venue serves of the past, and no row twice; where it serves nothing they are lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from typing import Any

import pytest

from perptape.claims import STREAM, Claim, Want
from perptape.collect.grids import stream_grid
from perptape.collect.mark_rules import Rules
from perptape.collect.mending import repaired
from perptape.collect.paginate import Page, page
from perptape.collect.plan import Window, judged, past
from perptape.collect.report import standings
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_log import StreamLog
from perptape.datasets.base import join
from perptape.datasets.liquidations import LIQUIDATIONS, row
from perptape.errors import Doubtful, Retry
from perptape.exchanges.base import PageRule
from perptape.exchanges.registry import traits
from perptape.interval import DAY, HOUR, MINUTE, NS, SECOND, Interval, gaps
from perptape.raw import Answer, RawFill, RawLiquidation
from perptape.standing import UNUSABLE
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_place import logs_of
from perptape.store.log_record import Mark
from perptape.store.tape import Tape
from support.fake_exchange import START, perpetual

STREAMED = "{liquidations: {}}"
BTC = "BTCUSDT-PERP"
SPEC = "test.yaml:test"
BEGAN = START - 20 * MINUTE
HOLE = Interval(START - 15 * MINUTE, START - 10 * MINUTE)


def event(one: Any, time: int, price: str = "60000", venue_id: str | None = None) -> RawLiquidation:
    return RawLiquidation(one, time, "SELL", price, None if venue_id is None else price, "2", venue_id)


def missed(world: Any, venue: str, hole: Interval = HOLE, cause: str = "disconnected", spec: str = SPEC) -> Any:
    """A stream of a spec that heard all from `BEGAN` to now but `hole`; its venue."""
    exchange = world.venue(venue, bases=("BTC",))
    one = exchange.listing[0].id
    heard = [Interval(BEGAN, hole.start), Interval(hole.end, START)]
    kind = exchange.traits.feed.completeness
    claims = [Claim(one, STREAM, kind, span.start, span.end, "feed", span.start, span.end, frozenset({"c"})) for span in heard]
    claims.append(Claim(one, STREAM, "hole", hole.start, hole.end, "", hole.start, hole.end, cause=cause))
    want = Want(spec, "session", one, STREAM, BEGAN, START, START, BTC)
    world.tape.prepare("live", "nautilus1")
    world.tape.commit(venue, "liquidations", None, claims, [want], "stream", lambda: START)
    return exchange


def standing(world: Any, venue: str) -> list[tuple[str, str, int, int]]:
    grid = stream_grid(traits(venue))
    assert grid is not None
    known = world.tape.coverage(venue, "liquidations")
    one = world.exchanges[venue].listing[0].id
    found = judged(grid, one, known, known.wants, world.clock.ms, Interval(0, 1 << 62))
    return [(one.status, one.reason, one.span.start, one.span.end) for one in found]


def stored(world: Any, venue: str) -> list[tuple[int, float, int]]:
    rows = world.tape.read("liquidations", [world.exchanges[venue].listing[0].id])
    return [(time // NS, price, ordinal) for time, price, ordinal in zip(*(rows[name].to_pylist() for name in KEY), strict=True)]


KEY = ("ts_event", "price", "ordinal")


@pytest.mark.parametrize(("venue", "kind"), [("okx", "sampled"), ("deribit", "complete")])
async def test_a_run_fills_what_a_stream_missed_and_the_next_one_asks_nothing(world, venue: str, kind: str) -> None:
    exchange = missed(world, venue)
    one, inside = exchange.listing[0], [HOLE.start, HOLE.start + 7, HOLE.end - 1]
    ids = iter(range(99)) if venue == "deribit" else None
    for time in (HOLE.start - 1, *inside, HOLE.end):
        exchange.happen(event(one, time, str(50_000 + time % 1_000), None if ids is None else str(next(ids))))
    world.clock.forward(5 * MINUTE)
    assert [line[:2] for line in standing(world, venue)] == [(kind, ""), ("open", ""), (kind, "")]
    summary = await world.once(STREAMED, BTC)
    assert (summary.exit_code, summary.outcomes[0].rows) == (0, 3)
    assert summary.lines()[0].startswith(f"{venue} liquidations: 3 rows of 1 instrument in 1 call; missing: nothing")
    assert [time for time, _, _ in stored(world, venue)] == inside
    assert standing(world, venue) == [(kind, "", BEGAN, START)]
    await world.once(STREAMED, BTC)
    assert world.data_calls(venue) == []
    assert {want.ended for want in world.tape.coverage(venue, "liquidations").wants} == {START}, "filling wants nothing of its own"


async def test_a_run_fills_what_the_stream_of_another_spec_or_of_a_command_missed(world) -> None:
    """`gaps` says that it can be had: whoever wanted it, a run that collects the contract gets it."""
    exchange = missed(world, "okx", spec="stream-liquidations")
    exchange.happen(event(exchange.listing[0], HOLE.start))
    world.clock.forward(5 * MINUTE)
    summary = await world.once(STREAMED, BTC)
    assert (summary.exit_code, summary.outcomes[0].rows) == (0, 1)
    assert standing(world, "okx") == [("sampled", "", BEGAN, START)]


async def test_time_whose_coverage_is_lost_is_open_and_filled_while_the_venue_serves_it(world) -> None:
    """Nothing says who wanted it, and rows cannot prove it: it was unproven for ever, and never asked for."""
    exchange = missed(world, "deribit")
    one = exchange.listing[0]
    lost = [event(one, HOLE.end + number * SECOND, venue_id=str(number)) for number in range(9)]
    exchange.happen(*lost)
    rows = LIQUIDATIONS.table([row(lost[0], "contracts", 0, START * NS), row(lost[-1], "contracts", 0, START * NS)])
    world.tape.commit("deribit", "liquidations", rows, [], [], "other", lambda: START)
    assert [report.error for report in world.tape.publish()] == [None]
    for folder in ("segments", "coverage"):
        shutil.rmtree(world.root / "perptape" / folder / "deribit" / "liquidations")
    world.clock.forward(5 * MINUTE)
    (found,) = standings(world.tape, world.clock.ms, ["deribit"], ["liquidations"])
    assert [state.status for state in found.states] == ["open"]
    await world.once(STREAMED, BTC)
    assert len(stored(world, "deribit")) == 9
    (found,) = standings(world.tape, world.clock.ms, ["deribit"], ["liquidations"])
    assert [state.status for state in found.states] == ["complete"]


async def test_time_whose_coverage_is_lost_stays_unproven_where_no_venue_serves_it(world) -> None:
    exchange = missed(world, "okx")
    one = exchange.listing[0]
    rows = LIQUIDATIONS.table([row(event(one, HOLE.end + n), "contracts", 0, START * NS) for n in (0, 9 * SECOND)])
    world.tape.commit("okx", "liquidations", rows, [], [], "other", lambda: START)
    assert [report.error for report in world.tape.publish()] == [None]
    for folder in ("segments", "coverage"):
        shutil.rmtree(world.root / "perptape" / folder / "okx" / "liquidations")
    world.clock.forward(8 * DAY)
    (found,) = standings(world.tape, world.clock.ms, ["okx"], ["liquidations"])
    assert [state.status for state in found.states] == ["unproven"]
    await world.once(STREAMED, BTC)
    assert world.data_calls("okx") == []


async def test_what_the_log_of_a_dead_stream_holds_is_not_asked_for(world) -> None:
    exchange = missed(world, "deribit", Interval(START - 15 * MINUTE, START - 5 * MINUTE))
    one = exchange.listing[0]
    logs = logs_of(world.tape, None)
    assert logs is not None
    rules = Rules.of(exchange.traits.feed, [one.id])
    log = StreamLog(logs, LIQUIDATIONS, "deribit", rules, opened=START - 15 * MINUTE, since={}, new_id=lambda: "dead", limit=1 << 20)
    marks = [Mark("acknowledged", "c", START - 15 * MINUTE)]
    for time in range(START - 15 * MINUTE, START - 4 * MINUTE, SECOND):
        marks += [Mark("control", "c", time), Mark("feed", "c", time, one.id)]
    log.write(Batch(marks=marks))
    log._log.release()  # as the kernel does where a process dies
    world.clock.forward(5 * MINUTE)
    await world.once(STREAMED, BTC)
    assert world.data_calls("deribit") == []
    assert [line[0] for line in standing(world, "deribit")] == ["complete"]


class Unreadable(LocalLogDisk):
    """A disk whose logs may not be looked at."""

    def folders(self, path: str) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied")


async def test_a_log_that_cannot_be_read_is_a_failure_and_keeps_nothing_from_being_fetched(world) -> None:
    exchange, plain = missed(world, "okx"), world.environment()
    exchange.happen(event(exchange.listing[0], HOLE.start))
    world.environment = lambda: replace(plain, log_disk=Unreadable())
    world.clock.forward(5 * MINUTE)
    summary = await world.once("{openInterest: {backfill: 2d}, liquidations: {}}", BTC)
    assert (summary.exit_code, "Permission denied" in (summary.store_error or "")) == (3, True)
    assert {one.dataset: one.rows > 0 for one in summary.outcomes} == {"open_interest": True, "liquidations": True}
    assert standing(world, "okx") == [("sampled", "", BEGAN, START)]


async def test_a_log_without_a_beginning_is_a_note_of_every_run_and_stays_with_what_to_do(world) -> None:
    missed(world, "okx")
    place = world.root / "perptape" / "log" / "dead" / "records"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    world.clock.forward(5 * MINUTE)
    for collect in ("{openInterest: {backfill: 2d}}", "{funding: {}}", STREAMED):
        summary = await world.once(collect, BTC)
        [line] = [one for one in summary.notes if "cannot be read" in one]
        assert (summary.exit_code, line in summary.lines(summary.logged), line in json.loads(summary.as_json())["notes"]) == (0, True, True)
        assert ("dead" in line, "move its folder away" in line) == (True, True)
        assert place.exists()


async def test_a_log_that_cannot_be_read_is_a_note_of_a_stream_that_ended_and_no_failure(world) -> None:
    missed(world, "okx")
    place = world.root / "perptape" / "log" / "dead" / "records"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    summary = await world.stay(5 * MINUTE, STREAMED, BTC)
    [line] = summary.notes
    assert ("dead" in line, place.exists()) == (True, True)
    assert (line in summary.outcomes[0].failed, f"  {line}" in summary.lines()) == (False, False)
    assert summary.exit_code == 0, summary.lines()


async def test_a_number_without_end_is_one_unusable_order(world) -> None:
    exchange = missed(world, "okx")
    one = exchange.listing[0]
    exchange.happen(event(one, HOLE.start)._replace(price=10**400))
    exchange.happen(event(one, HOLE.start + 7))
    world.clock.forward(5 * MINUTE)
    assert (await world.once(STREAMED, BTC)).exit_code == 1
    assert [time for time, _, _ in stored(world, "okx")] == [HOLE.start + 7]
    assert [line for line in standing(world, "okx") if line[0] == "open"] == [("open", "", HOLE.start, HOLE.start + 1)]


async def test_what_a_segment_claimed_that_broke_after_it_was_read_is_not_believed(world) -> None:
    one = missed(world, "okx").listing[0].id
    looked = world.tape.looked("okx", "liquidations")
    claim = Claim(one, STREAM, "sampled", HOLE.start, HOLE.end, "rule", START, START, frozenset({"c"}))
    name = world.tape.commit("okx", "liquidations", None, [claim], [], "mender", lambda: START)

    def claimed() -> bool:
        return any(claim.start == HOLE.start and claim.kind == "sampled" for claim in looked.coverage().claims)

    assert claimed()
    (segment,) = (path for path in world.root.rglob("*.parquet") if name in path.name)
    segment.write_bytes(segment.read_bytes()[:-6])
    os.utime(segment, (0, 0))
    assert [report.error for report in world.tape.publish()] == [None]
    assert not segment.exists()
    assert not claimed()


async def test_looking_for_holes_again_reads_only_what_is_new(world) -> None:
    missed(world, "okx")
    read: list[str] = []
    tape = Tape(Counting(world.tape.fs, read))
    looked = tape.looked("okx", "liquidations")
    want = Want(SPEC, "session", "X", STREAM, BEGAN, START, START, BTC)

    def look() -> list[str]:
        read.clear()
        known = looked.coverage()
        fresh = list(read)
        whole = world.tape.coverage("okx", "liquidations")
        assert [(one.kind, one.span, one.cause) for one in known.claims] == [(one.kind, one.span, one.cause) for one in whole.claims]
        assert known.wants == whole.wants
        return fresh

    assert len(look()) == 1
    for number in range(5):
        claim = Claim("X", STREAM, "sampled", START + number * HOUR, START + number * HOUR + 1, "rule", START, START, frozenset({"c"}))
        world.tape.commit("okx", "liquidations", None, [claim.coarse()], [want], f"other{number}", lambda: START)
    assert len(look()) == 5
    assert look() == []
    world.tape.publish()
    assert len(look()) == 1, "the coverage file"
    shutil.rmtree(world.root / "perptape" / "segments" / "okx" / "liquidations")
    assert look() == [], "what was folded is known"
    shutil.rmtree(world.root / "perptape" / "coverage" / "okx" / "liquidations")
    look()


class Counting:
    """A store that notes what is read of its segments and coverage."""

    def __init__(self, fs: Any, read: list[str]) -> None:
        self._fs, self._read = fs, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fs, name)

    def read(self, path: str) -> Any:
        if "/segments/" in path or "/coverage/" in path:
            self._read.append(path)
        return self._fs.read(path)


async def test_more_than_a_page_of_them_is_filled_over_many_though_orders_share_a_stamp(world) -> None:
    exchange = missed(world, "okx")
    one = exchange.listing[0]
    times = [HOLE.start + number * SECOND for number in range(250) for _ in range(3)]
    exchange.happen(*(event(one, time) for time in times))
    world.clock.forward(5 * MINUTE)
    summary = await world.once(STREAMED, BTC)
    assert stored(world, "okx") == [(time, 60_000.0, number % 3) for number, time in enumerate(times)]
    assert summary.outcomes[0].calls == 8
    assert standing(world, "okx") == [("sampled", "", BEGAN, START)]


@pytest.mark.parametrize(("venue", "kind", "counts_as"), [("okx", "sampled", "sampled"), ("deribit", "complete", "empty")])
async def test_an_empty_answer_counts_once_another_one_a_day_later_agrees(world, venue: str, kind: str, counts_as: str) -> None:
    missed(world, venue)
    world.clock.forward(5 * MINUTE)
    await world.once(STREAMED, BTC)
    assert [line[0] for line in standing(world, venue)] == [kind, "open", kind]
    world.clock.forward(30 * MINUTE)
    await world.once(STREAMED, BTC)
    assert world.data_calls(venue) == [], "not yet"
    world.clock.forward(DAY - HOUR)
    await world.once(STREAMED, BTC)
    assert [line[0] for line in standing(world, venue)] == [kind, "open", kind]
    world.clock.forward(HOUR)
    await world.once(STREAMED, BTC)
    found = [line for line in standing(world, venue) if line[2] < HOLE.end and line[3] > HOLE.start]
    assert [line[0] for line in found] == [counts_as]


@pytest.mark.parametrize("venue", ["okx", "deribit"])
async def test_a_venue_that_says_nothing_for_an_hour_loses_no_event_of_a_hole(world, venue: str) -> None:
    exchange = missed(world, venue)
    world.clock.forward(5 * MINUTE)
    await world.once(STREAMED, BTC)
    world.clock.forward(HOUR + MINUTE)
    await world.once(STREAMED, BTC)
    exchange.happen(event(exchange.listing[0], HOLE.start + 5, venue_id="1" if venue == "deribit" else None))
    world.clock.forward(HOUR + MINUTE)
    summary = await world.once(STREAMED, BTC)
    assert (summary.exit_code, [time for time, _, _ in stored(world, venue)]) == (0, [HOLE.start + 5])


async def test_a_venue_that_fails_leaves_the_hole_open_and_the_next_run_fills_it(world) -> None:
    exchange = missed(world, "deribit")
    exchange.happen(event(exchange.listing[0], HOLE.start + 5, venue_id="1"))
    world.clock.forward(5 * MINUTE)
    exchange.will_raise([None, None, *[Retry("HTTP 503")] * 20])
    summary = await world.once(STREAMED, BTC)
    assert summary.exit_code
    assert [line[0] for line in standing(world, "deribit")] == ["complete", "open", "complete"]
    exchange._failures.clear()
    world.clock.forward(5 * MINUTE)
    assert (await world.once(STREAMED, BTC)).exit_code == 0
    assert standing(world, "deribit") == [("complete", "", BEGAN, START)]


async def test_what_cannot_be_used_is_asked_for_once_more_and_leaves_its_moment_open_and_the_run_partial(world) -> None:
    exchange = missed(world, "okx")
    exchange.happen(event(exchange.listing[0], HOLE.start + 5, "NaN"))
    world.clock.forward(5 * MINUTE)
    summary = await world.once(STREAMED, BTC)
    open_time = [line[2:] for line in standing(world, "okx") if line[0] == "open"]
    assert open_time == [(HOLE.start + 5, HOLE.start + 6)]
    assert len(world.data_calls("okx")) == 2
    assert summary.outcomes[0].failed == [
        f"{exchange.listing[0].id}: 1ms of the grid stream stay open, for values that cannot be used: the next run asks again"
    ]
    assert summary.exit_code == 1
    exchange.past.clear()
    exchange.happen(event(exchange.listing[0], HOLE.start + 5))
    world.clock.forward(HOUR)
    assert (await world.once(STREAMED, BTC)).exit_code == 0
    assert standing(world, "okx")[0] == ("sampled", "", BEGAN, START)


async def test_one_order_that_cannot_be_used_does_not_store_the_others_at_every_look(world) -> None:
    exchange = missed(world, "okx")
    one, good = exchange.listing[0], [HOLE.start + 9 + number for number in range(50)]
    exchange.happen(event(one, HOLE.start + 5, "NaN"), *(event(one, time) for time in good))
    world.clock.forward(5 * MINUTE)
    rows = []
    for _ in range(4):
        rows.append(sum(outcome.rows for outcome in (await world.once(STREAMED, BTC)).outcomes))
        world.clock.forward(5 * MINUTE)
    assert rows == [50, 0, 0, 0]
    assert [time for time, _, _ in stored(world, "okx")] == good


@pytest.mark.parametrize(("venue", "limit"), [("okx", 100), ("deribit", 1000)])
async def test_a_moment_that_holds_more_than_a_page_stays_open_alone(world, venue: str, limit: int) -> None:
    exchange = missed(world, venue)
    one, ids = exchange.listing[0], iter(range(9999))
    times = [HOLE.start + 1, *[HOLE.start + 5] * (limit + 1), HOLE.start + 9000]
    exchange.happen(*(event(one, time, venue_id=str(next(ids)) if venue == "deribit" else None) for time in times))
    world.clock.forward(5 * MINUTE)
    summary = await world.once(STREAMED, BTC)
    assert summary.exit_code == 1
    assert [line[2:] for line in standing(world, venue) if line[0] == "open"] == [(HOLE.start + 5, HOLE.start + 6)]
    assert {time for time, _, _ in stored(world, venue)} == set(times)
    await world.once(STREAMED, BTC)
    assert world.data_calls(venue) == [], "not before an hour has passed"


async def test_the_hole_of_a_contract_that_was_delisted_since_is_filled(world) -> None:
    exchange = missed(world, "deribit")
    one = exchange.listing[0]
    exchange.happen(event(one, HOLE.start + 5, venue_id="1"))
    world.clock.forward(5 * MINUTE)
    exchange.listing = [replace(one, delisted=START + MINUTE)]
    summary = await world.once(STREAMED, BTC)
    assert (summary.exit_code, [time for time, _, _ in stored(world, "deribit")]) == (0, [HOLE.start + 5])
    assert standing(world, "deribit") == [("complete", "", BEGAN, START)]


async def test_the_hole_of_a_contract_that_was_listed_anew_is_filled(world) -> None:
    exchange = missed(world, "deribit")
    one = exchange.listing[0]
    await world.once(STREAMED, BTC)  # the terms of its first life are written down
    exchange.happen(event(one, HOLE.start + 5, venue_id="1"))
    world.clock.forward(HOUR + 5 * MINUTE)
    old, new = replace(one, delisted=START + MINUTE), replace(one, listed=START + HOUR, contract_size=one.contract_size * 10)
    exchange.listing = [old, new]
    await world.once(STREAMED, BTC)
    assert [time for time, _, _ in stored(world, "deribit")] == [HOLE.start + 5]


async def test_the_hole_of_a_delisted_contract_of_which_the_venue_refuses_the_past_for_a_day_is_lost(world) -> None:
    exchange = missed(world, "deribit")
    world.clock.forward(5 * MINUTE)
    exchange.listing = [replace(exchange.listing[0], delisted=START + MINUTE)]
    found, asked = [], []
    exchange.refused_past = "no such instrument"
    for _ in range(3):
        await world.once(STREAMED, BTC)
        asked.append(len(world.data_calls("deribit")))
        found.append(standing(world, "deribit")[1][:2])
        world.clock.forward(DAY)
    assert found == [("open", ""), ("lost", "retention"), ("lost", "retention")]
    assert asked == [1, 1, 0]


async def test_a_hole_is_lost_with_its_reason_once_the_venue_keeps_it_no_longer(world) -> None:
    exchange = missed(world, "okx", cause="process down")
    exchange.happen(event(exchange.listing[0], HOLE.start + 5))
    world.clock.forward(7 * DAY)
    assert standing(world, "okx")[1] == ("lost", "process down", HOLE.start, HOLE.end)
    await world.once(STREAMED, BTC)
    assert world.data_calls("okx") == []


@pytest.mark.parametrize("venue", ["binance", "bybit"])
async def test_a_hole_of_a_venue_that_serves_no_past_is_lost_at_once(world, venue: str) -> None:
    missed(world, venue, cause="disk full")
    world.clock.forward(5 * MINUTE)
    assert standing(world, venue)[1] == ("lost", "disk full", HOLE.start, HOLE.end)
    (outcome,) = (await world.once(STREAMED, BTC)).outcomes
    assert outcome.unsupported
    assert world.data_calls(venue) == []


async def test_a_run_that_stays_fills_what_its_own_stream_missed(world) -> None:
    exchange = missed(world, "okx")
    times = [HOLE.start, HOLE.start + 3]
    exchange.happen(*(event(exchange.listing[0], time) for time in times))
    world.clock.forward(5 * MINUTE)
    await world.stay(12 * MINUTE, STREAMED, BTC)
    assert [time for time, _, _ in stored(world, "okx")] == times
    assert ("sampled", "", BEGAN, START) in standing(world, "okx")


@pytest.mark.parametrize("venue", ["okx", "deribit"])
def test_what_a_stream_heard_and_the_past_shows_is_one_row(venue: str) -> None:
    own = traits(venue)
    one, feed = perpetual(own), own.feed
    assert feed is not None
    assert feed.repair_page is not None
    ids = ["7", "7"] if venue == "deribit" else [None, None]
    events = [event(one, START, venue_id=id) for id in ids]
    events[1] = events[1]._replace(side="BUY") if venue == "deribit" else events[1]  # MT: both sides of a trade were liquidated
    heard = [row(each, feed.quantity_unit, number, (START + 80) * NS) for number, each in enumerate(events)]
    fills = [RawFill(START, tuple(events))] if venue == "deribit" else [RawFill(START, (each,)) for each in events]
    asked = Interval(START - SECOND, START + SECOND)
    harvest = repaired(Window(one.id, STREAM, asked), asked, Answer(fills, START + HOUR), feed, feed.repair_page)
    joined = LIQUIDATIONS.table([*heard, *harvest.rows])
    (table,) = [join(LIQUIDATIONS, [joined])]
    assert table.num_rows == 2
    assert set(table["ts_received"].to_pylist()) == {(START + 80) * NS}, "the first receipt stays"


def test_of_a_page_with_what_cannot_be_understood_only_the_asking_is_claimed() -> None:
    own = traits("okx")
    one, feed = perpetual(own), own.feed
    assert feed is not None
    assert feed.repair_page is not None
    asked = Interval(START, START + MINUTE)
    for answer, spoilt in (
        (Answer([RawFill(START, (event(one, START, "NaN"),))], START), Interval(START, START + 1)),
        (Answer([RawFill(None)], START), asked),
        (Answer([RawFill(START)], START, dropped=["KeyError"]), asked),
    ):
        harvest = repaired(Window(one.id, STREAM, asked), asked, answer, feed, feed.repair_page)
        assert harvest.spoilt == (spoilt,)
        assert harvest.dropped, "each with its reason"
        unsure = [claim.span for claim in harvest.claims if (claim.kind, claim.cause) == ("asked", UNUSABLE)]
        assert unsure == [spoilt]
        assert [claim.span for claim in harvest.claims if claim.kind != "asked"] == list(gaps([asked], [spoilt]))
    with pytest.raises(Doubtful, match="the venue answered another one"):
        repaired(Window(one.id, STREAM, asked), asked, Answer([RawFill(START - HOUR)], START), feed, feed.repair_page)


@pytest.mark.parametrize("order", ["forward", "backward"])
def test_the_moment_at_which_a_full_page_was_cut_is_asked_for_again(order: Any) -> None:
    rule, window = PageRule(3, order, margin=0, ties=True), Interval(0, 100)
    shown = page(window, window, [10, 20, 20] if order == "forward" else [20, 20, 90], rule)
    assert shown.proven == (Interval(0, 20) if order == "forward" else Interval(21, 100))
    assert shown.left == (Interval(20, 100) if order == "forward" else Interval(0, 21))
    nothing = Interval(20, 20) if order == "forward" else Interval(21, 21)
    assert page(Interval(20, 21), Interval(20, 21), [20, 20, 20], rule) == Page(nothing, None, Interval(20, 21))


def test_no_window_is_longer_than_a_day_and_the_newest_comes_first() -> None:
    grid, rule = stream_grid(traits("okx")), PageRule(100, "backward")
    assert grid is not None
    spans = [window.span for window in past("BTC", grid, [Interval(0, 2 * DAY + 5), Interval(9 * DAY, 9 * DAY + 1)], rule)]
    assert spans == [
        Interval(9 * DAY, 9 * DAY + 1), Interval(2 * DAY, 2 * DAY + 5), Interval(DAY, 2 * DAY), Interval(0, DAY),
    ]  # fmt: skip
