"""A dead process' log is brought in part by part: however small the parts are, the tape says the same in the end, and memory is bounded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perptape.claims import Claim, Want, join_wants
from perptape.collect.grids import stream_grid
from perptape.collect.plan import judged
from perptape.collect.stream_adopt import adopt, put
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_log import StreamLog
from perptape.coverage import Coverage
from perptape.datasets import LIQUIDATIONS
from perptape.datasets.base import join
from perptape.datasets.liquidations import row
from perptape.exchanges.registry import traits
from perptape.interval import DAY, NS, Interval, union
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_record import Mark
from perptape.store.logs import Logs

START, WHOLE = 1_750_000_000_000, 2**40
GRID = stream_grid(traits("binance"))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["speaks", "speaks", "speaks", "mute", "acknowledged", "closed", "malformed", "dropped", "roll", "put"]),
        st.sampled_from("cd"),
        st.sampled_from([0, 300, 1_000, 1_000, 4_000, 15_000]),
    ),
    max_size=40,
)


def died(kit: Any, steps: Sequence[tuple[str, str, int]], *, market: bool = True, limit: int = 2**18) -> tuple[Any, Any]:
    """The disk and the store as a process leaves them that heard two coins in this way, and was killed."""
    coins = ("BTC", "ETH")
    ids, numbers = [kit.instrument(coin).id for coin in coins], iter(range(99))
    disk, store, now = kit.Disk(), kit.Store(), START
    log = StreamLog(
        Logs("/state/log", disk), LIQUIDATIONS, "fake", replace(kit.RULES, instruments=tuple(ids), market=market),
        opened=START, since={ids[0]: START - 60_000}, new_id=lambda: f"log{next(numbers)}", limit=limit,
    )  # fmt: skip
    wants = tuple(Want("file", "session", one, "stream", START - 30_000, START) for one in ids)
    log.assert_wants(START, wants)
    log.write(Batch([], [Mark("acknowledged", "c", START)]))
    for what, connection, passed in steps:
        now += passed
        if what == "roll":
            log.roll(now, tuple(replace(want, asserted_at=now) for want in wants))
        elif what == "put":
            for segment in log.unconfirmed[:-1]:
                put(store, segment)
                log.confirm(segment.name)
        elif what in ("speaks", "mute"):
            events = [kit.event(now - late, base=coin) for coin in coins for late in (1_500, 40)] if what == "speaks" else []
            marks = [Mark("control", connection, now)]
            marks += [Mark("feed", connection, now, topic) for topic in ([""] if market else ids) if what == "speaks"]
            log.write(Batch([row(one, "base", 0, now * NS) for one in events], marks))
        else:
            log.write(Batch([], [Mark(what, "" if what == "dropped" else connection, now, text="disk full" if what == "dropped" else "")]))
    return disk.after_kill(), store


def copied(kit: Any, disk: Any, store: Any) -> tuple[Any, Any]:
    return disk.after_kill(), kit.Store(segments=dict(store.segments))


def said(store: Any) -> dict[str, Any]:
    """What a tape says: its rows, what each kind of claim covers, holes with their causes, what is wanted, and what all that comes to."""
    tables = [segment[2] for segment in store.segments.values()]
    rows = join(LIQUIDATIONS, tables).to_pylist() if tables else []
    covered: dict[tuple[str, ...], list[Claim]] = {}
    for claim in store.claims:
        covered.setdefault((claim.instrument, claim.kind, claim.basis, claim.cause), []).append(claim)
    known, wants = Coverage.of(store.claims, store.wants), join_wants(store.wants)
    states = {
        one: [(s.status, s.reason, s.span) for s in judged(GRID, one, known, known.wants, START + DAY, Interval(0, 1 << 62))]
        for one in {want.instrument for want in wants}
    }
    spans = {key: union(claim.span for claim in claims) for key, claims in covered.items()}
    return {"rows": rows, "claims": spans, "wants": wants, "states": states}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, part=st.integers(1, 60_000), market=st.booleans(), limit=st.sampled_from([2**15, 2**18]))
def test_in_parts_of_any_size_the_tape_comes_to_say_the_same(kit: Any, steps: Any, part: int, market: bool, limit: int) -> None:
    disk, store = died(kit, steps, market=market, limit=limit)
    (one_disk, one), (many_disk, many) = copied(kit, disk, store), copied(kit, disk, store)
    at_once = adopt(Logs("/state/log", one_disk), one, WHOLE)
    in_parts = adopt(Logs("/state/log", many_disk), many, part)
    assert said(many) == said(one)
    assert (in_parts.said, in_parts.logs) == (at_once.said, at_once.logs)
    assert one_disk.files == many_disk.files
    stored = {(each["instrument_id"], each["ts_event"] // NS) for each in many.rows}
    for _, _, rows, claims, _ in many.segments.values():
        held = {(each["instrument_id"], each["ts_event"] // NS) for each in rows.to_pylist()}
        for claim in (each for each in claims if each.kind != "hole"):
            assert {key for key in stored if key[0] == claim.instrument and key[1] in claim.span} <= held, "a claim without its rows"


COURSE = [("speaks", "c", 1_000)] * 3 + [("acknowledged", "d", 300), ("roll", "c", 300)] + [("speaks", "d", 1_000)] * 3
COURSE += [("roll", "c", 300), ("put", "c", 300), ("closed", "c", 1_000), *[("speaks", "d", 1_000)] * 4]


@pytest.mark.parametrize("after", [False, True])
def test_who_adopts_in_parts_may_be_killed_between_any_two_of_them_and_anywhere_else(kit: Any, after: bool) -> None:
    disk, store = died(kit, COURSE)
    left, expected = copied(kit, disk, store)
    left.fate = expected.fate = fate = kit.Fate()
    adopt(Logs("/state/log", left), expected, 1)
    assert len(expected.segments) >= 10
    for at in range(fate.count):
        left, again = copied(kit, disk, store)
        left.fate = again.fate = kit.Fate(at, after)
        with suppress(kit.Killed):
            adopt(Logs("/state/log", left), again, 1)
        left, again.fate = left.after_kill(), kit.Fate()
        adopt(Logs("/state/log", left), again, 1)
        assert again.segments == expected.segments
        assert left.folders("/state/log") == []


def test_a_store_that_goes_away_between_two_parts_is_given_them_later(kit: Any) -> None:
    disk, store = died(kit, COURSE)
    (whole_disk, whole), (left, again) = copied(kit, disk, store), copied(kit, disk, store)
    expected = adopt(Logs("/state/log", whole_disk), whole, 1)
    taken = again.put

    def put_three(*segment: Any) -> None:
        again.away = again.puts >= 3
        taken(*segment)

    again.put = put_three
    found = adopt(Logs("/state/log", left), again, 1)
    assert (found.waiting, again.puts, found.said) == (["log0"], 3, expected.said), "since when nobody listens is known all the same"
    again.put, again.away = taken, False
    assert adopt(Logs("/state/log", left), again, 1).waiting == []
    assert again.segments == whole.segments


class Counted:
    """A store elsewhere, of which only how much it is given at once matters."""

    def __init__(self) -> None:
        self.rows, self.most = 0, 0

    def put(self, name: str, venue: str, dataset: str, rows: pa.Table, claims: Any, wants: Any) -> None:
        self.rows, self.most = self.rows + rows.num_rows, max(self.most, rows.nbytes)


def test_a_full_log_is_adopted_in_memory_that_does_not_grow_with_it(kit: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("perptape.store.log_read.AT_ONCE", 2**16)
    reserve, part, frames = 2**23, 2**18, 80
    log = StreamLog(
        Logs(str(tmp_path), LocalLogDisk()), LIQUIDATIONS, "fake", kit.RULES, opened=START, since={}, new_id=lambda: "log0", limit=reserve
    )  # fmt: skip
    log.write(Batch([], [Mark("acknowledged", "c", START)]))
    for now in range(START, START + 1_000 * frames, 1_000):
        log.write(Batch([kit.liquidation(now, number) for number in range(500)], [Mark("control", "c", now), Mark("feed", "c", now)]))
    used = log.used
    assert used > 16 * part
    log._log.release()
    store = Counted()
    tracemalloc.start()
    try:
        adopt(Logs(str(tmp_path), LocalLogDisk()), store, part)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert store.rows >= 500 * frames
    assert store.most < 4 * part, "one part, and what is claimed again with the next"
    assert peak < used / 4


def test_a_log_that_cannot_be_ended_is_not_put_again_each_time_that_it_is_tried(kit: Any) -> None:
    """On a disk that takes nothing more, a store that takes everything got all of a log every 30 seconds."""
    disk, store = died(kit, [("acknowledged", "c", 300), *[("speaks", "c", 1_000)] * 20])
    disk.room, disk.owned = 0, False
    puts, stored = list[int](), set[str]()
    for _ in range(3):
        assert adopt(Logs("/state/log", disk), store, 1, stored).waiting == ["log0"]
        puts.append(store.puts)
    assert puts[0] > 5
    assert puts == [puts[0]] * 3
    disk.room = None
    assert adopt(Logs("/state/log", disk), store, 1, stored).waiting == []
    assert puts[0] < store.puts <= puts[0] + 2
