"""Dying before and after every side effect, or losing power there, loses nothing that was durable and invents no claim."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, product
from typing import Any

import pytest

from perptape.claims import Want, join
from perptape.collect.stream_adopt import Adopted, adopt, put
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_log import StreamLog
from perptape.datasets import LIQUIDATIONS
from perptape.errors import StoreError
from perptape.interval import Interval, gaps
from perptape.store.log_record import Closed, Mark, Owner, encode
from perptape.store.logs import Logs

START, SECONDS, ROLL = 1_750_000_000_000, 13, 4
LOSSES = ("killed", "kept", "torn", "zeroed", "dropped")


@dataclass
class Life:
    """One process: streams for a while from `start` on, rolls every four seconds, stops cleanly. `durable`: what it was told is."""

    kit: Any
    disk: Any
    store: Any
    start: int
    connection: str
    ids: Any
    limit: int = 2**16
    owner: Owner = field(default_factory=Owner)
    durable: list[int] = field(default_factory=list)
    adopted: Adopted = field(default_factory=Adopted)

    def run(self) -> None:
        logs = Logs("/state/log", self.disk, self.owner)
        self.adopted = adopt(logs, self.store)
        since = self.adopted.since("fake", "liquidations")
        log = StreamLog(
            logs, LIQUIDATIONS, "fake", self.kit.RULES,
            opened=self.start, since=since, new_id=lambda: f"log{next(self.ids)}", limit=self.limit,
        )  # fmt: skip
        log.write(Batch([], [Mark("acknowledged", self.connection, self.start)]))
        for number in range(SECONDS):
            now = self.start + 1_000 * number + 100
            events = [now - 40, now - 20, now + 10] if number % 3 == 0 else []
            log.write(self.kit.second(self.connection, now, rows=events))
            self.durable += events
            if number % ROLL == ROLL - 1:
                self.roll(log, now)
        end = self.start + 1_000 * SECONDS
        log.write(Batch([], [Mark("closed", self.connection, end)]))
        self.roll(log, end, last=True)
        log.close()

    def roll(self, log: StreamLog, now: int, *, last: bool = False) -> None:
        log.roll(now, (Want("file", "session", self.kit.BTC, "stream", START, now),), last=last)
        try:
            for segment in log.unconfirmed:
                put(self.store, segment)
                log.confirm(segment.name)
        except StoreError:
            return


def _two_lives(kit, fate, *, loss: str = "killed", limit: int = 2**16) -> tuple[Life, Life, Any]:
    """The first one dies by `fate` (or not at all), the second one finds what is left."""
    ids = count()
    store = kit.Store(fate)
    first = Life(kit, kit.Disk(fate), store, START, "c", ids, limit)
    with suppress(kit.Killed):
        first.run()
    disk = first.disk.after_kill() if loss == "killed" else first.disk.after_power_loss(loss)
    store.fate = kit.Fate()
    second = Life(kit, disk, store, START + 1_000 * SECONDS + 30_000, "d", ids, limit)
    second.run()
    return first, second, disk


def _check(kit, first: Life, second: Life, disk: Any, died: bool) -> None:
    store = second.store
    stored = {one["ts_event"] // 10**6 for one in store.rows}
    assert set(first.durable) | set(second.durable) <= stored, "a durable row is lost"
    assert not [one for one in disk.files if one.endswith("records")], "a log stayed"
    claims = join(store.claims)
    proven = [c for c in claims if c.kind in ("live", "complete")]
    happened = {START + 1_000 * n + 100 + d for n in range(0, SECONDS, 3) for d in (-40, -20, 10)}
    for claim in proven:
        assert {time for time in happened if claim.start <= time < claim.end} <= stored, "a claim without its rows"
    for rows, own in ((segment[2], segment[3]) for segment in store.segments.values()):
        held = {time // 10**6 for time in rows["ts_event"].to_pylist()}
        for claim in (c for c in own if c.kind != "hole"):
            assert {time for time in stored if claim.start <= time < claim.end} <= held, "a segment claims what another one holds"
    known = [c.span for c in claims if c.kind in ("live", "hole")]
    if not died:  # a clean end left nothing behind that could tell the next process since when nobody listened
        known.append(Interval(START + 1_000 * SECONDS, second.start))
    begun = min(c.start for c in claims)
    assert not list(gaps([Interval(begun, second.start + 1_000 * SECONDS - 3_000)], known)), "time that nobody explains"
    if died and first.durable:
        assert any(c.cause == "process down" for c in claims if c.kind == "hole")


def test_without_a_crash_everything_is_in_the_store_and_the_log_is_gone(kit) -> None:
    first, second, disk = _two_lives(kit, kit.Fate())
    _check(kit, first, second, disk, died=False)
    assert second.adopted.logs == 0
    assert len(first.durable) == 15


# Dying after a step and before the next one is the same loss of power: only kills are tried on both sides.
@pytest.mark.parametrize(("loss", "after"), [("killed", True), *(pytest.param(loss, False, marks=pytest.mark.slow) for loss in LOSSES)])
@pytest.mark.parametrize("limit", [2**16, pytest.param(16_000, marks=pytest.mark.slow)], ids=["one life", "many lives"])
def test_dying_at_any_side_effect_loses_nothing_that_was_durable(kit, loss: str, after: bool, limit: int) -> None:
    fate = kit.Fate()
    _two_lives(kit, fate, limit=limit)
    steps = fate.count
    assert steps > 45
    for at in range(steps):
        first, second, disk = _two_lives(kit, kit.Fate(at, after), loss=loss, limit=limit)
        _check(kit, first, second, disk, died=second.adopted.logs > 0)


def test_the_one_who_adopts_may_be_killed_at_any_point_too(kit) -> None:
    whole = kit.Fate()
    _two_lives(kit, whole)
    for dies in (whole.count // 2, whole.count - 5):
        fate = kit.Fate(dies)
        store = kit.Store(fate)
        first = Life(kit, kit.Disk(fate), store, START, "c", count())
        with pytest.raises(kit.Killed):
            first.run()
        expected = kit.Store(kit.Fate())
        fate = kit.Fate()
        disk = first.disk.after_kill()
        disk.fate = fate
        adopt(Logs("/state/log", disk), expected)
        for at in range(fate.count):
            for after in (False, True):
                again = kit.Store(kit.Fate(), segments=dict(store.segments))
                disk = first.disk.after_kill()
                disk.fate = again.fate = kit.Fate(at, after)
                try:
                    adopt(Logs("/state/log", disk), again)
                except kit.Killed:
                    disk = disk.after_kill()
                again.fate = kit.Fate()
                adopt(Logs("/state/log", disk), again)
                assert again.segments == {**store.segments, **expected.segments}
                assert disk.folders("/state/log") == []


def test_a_replay_makes_exactly_the_segments_that_the_writer_made_and_a_new_one_of_the_rest(kit) -> None:
    ids, store = count(), kit.Store()
    life = Life(kit, kit.Disk(kit.Fate(at=40)), store, START, "c", ids)
    with pytest.raises(kit.Killed):
        life.run()
    made = dict(store.segments)
    assert len(made) >= 2
    again = kit.Store()
    records = life.disk.after_kill()
    confirmed = {name: data for name, data in records.files.items() if name.endswith("records")}
    assert confirmed
    from perptape.collect.stream_tail import Tail

    [(log, found)] = Logs("/state/log", records).adopt()
    found = list(found)
    tail = Tail.of(found[:1])
    for record in found[1:]:
        before = set(tail.unconfirmed)
        tail.add(record)
        for name in set(tail.unconfirmed) - before:
            put(again, tail.unconfirmed[name])
    log.release()
    assert {name: again.segments[name] for name in made} == made
    adopt(Logs("/state/log", records), store)
    assert len(store.segments) == len(made) + 1


@pytest.mark.parametrize("other", [Owner("s3://tape at elsewhere", "live"), Owner("s3://tape", "simulated:7")])
def test_a_log_of_another_store_is_left_alone(kit, other: Owner) -> None:
    life = Life(kit, kit.Disk(), kit.Store(away=True), START, "c", count(), owner=Owner("s3://tape", "live"))
    life.run()
    disk, theirs, ours = life.disk.after_kill(), kit.Store(), kit.Store()
    found = adopt(Logs("/state/log", disk, other), theirs)
    assert (found.foreign, found.logs, found.said, theirs.segments) == (["log0"], 0, {}, {})
    assert not adopt(Logs("/state/log", disk, life.owner), ours).foreign
    assert {one["ts_event"] // 10**6 for one in ours.rows} == set(life.durable)


def test_a_log_is_kept_while_the_store_is_away_and_is_put_later(kit) -> None:
    ids, store = count(), kit.Store(away=True)
    life = Life(kit, kit.Disk(), store, START, "c", ids)
    life.run()
    disk = life.disk.after_kill()
    logs = Logs("/state/log", disk)
    assert adopt(logs, store).waiting
    store.away = False
    assert not adopt(logs, store).waiting
    assert {one["ts_event"] // 10**6 for one in store.rows} == set(life.durable)
    assert store.wants
    assert disk.folders("/state/log") == []


def _short_of_space(kit, disk: Any, store: Any, plan: Sequence[str], close: bool) -> set[int]:
    """One process that goes on whatever the disk refuses, as the writer does; returns the times of events that it was told are durable."""
    log = StreamLog(
        Logs("/state/log", disk), LIQUIDATIONS, "fake", kit.RULES, opened=START, since={}, new_id=lambda: "log0", limit=2**16
    )  # fmt: skip
    durable: set[int] = set()
    now = START
    for step in plan:
        now += 1_000
        with suppress(StoreError):
            if step == "append":
                log.write(Batch([kit.liquidation(now)], [Mark("acknowledged", "c", now - 500), Mark("control", "c", now)]))
                durable.add(now)
            elif step == "roll":
                log.roll(now, ())
            elif step == "put":
                for segment in log.unconfirmed:
                    put(store, segment)
                    log.confirm(segment.name)
    if close:
        with suppress(StoreError):
            log.close()
    return durable


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, len(encode(Closed())), 300])
@pytest.mark.parametrize("close", [True, False])
def test_what_was_durable_is_in_a_segment_before_its_log_goes_whatever_did_not_fit(kit, left: int, close: bool) -> None:
    """Every short course of a stream, with no room from each of its writes on, or at that write only, and room again afterwards."""
    blank = kit.Disk(dirs={"/"})
    _short_of_space(kit, blank, kit.Store(), (), close=False)
    made = blank.writes
    for rest in product(("append", "roll", "put"), repeat=3):
        plan = ("append", *rest)
        whole = kit.Disk(dirs={"/"})
        _short_of_space(kit, whole, kit.Store(), plan, close)
        for first in range(made, whole.writes + 1):
            for full in (range(first, 99), [first]):
                disk, store = kit.Disk(full=full, left=left), kit.Store()
                durable = _short_of_space(kit, disk, store, plan, close)
                disk = disk.after_kill()
                adopt(Logs("/state/log", disk), store)
                assert durable <= {one["ts_event"] // 10**6 for one in store.rows}, (plan, first, full)
                assert disk.folders("/state/log") == []


def test_a_log_that_was_closed_with_something_behind_its_last_roll_is_brought_in_whole(kit) -> None:
    disk, store = kit.Disk(), kit.Store()
    durable = _short_of_space(kit, disk, store, ("append", "roll", "put", "append"), close=False)
    disk = disk.after_kill()
    disk.files["/state/log/log0/records"] += encode(Closed())  # as the end was written though the roll before it had not fitted
    found = adopt(Logs("/state/log", disk), store)
    assert durable == {one["ts_event"] // 10**6 for one in store.rows}
    assert len(store.segments) == 2
    assert found.said[("fake", "liquidations")]
    assert disk.folders("/state/log") == []
