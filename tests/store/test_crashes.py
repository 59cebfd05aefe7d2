"""A process may die, and the power may go, between any two operations of the writer and the publisher: nothing committed is lost.

One run is recorded, operation by operation. Each operation is a numbered crash point: the store is made as a kill (or a loss of power)
leaves it there, what was committed is looked for, and one more run has to complete everything.
"""

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from perptape.interval import HOUR
from perptape.store.filesystem import FileSystem
from perptape.store.folder import Folder
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem, Operation, RecordingDisk, killed_after, power_lost_after
from support.tapes import KINDS, VENUES, missing, write

Done = list[tuple[str, str, int]]
ALL = [(v, d, n) for v in VENUES for d in KINDS for n in (0, 1)]


class Clock:
    """Hours go by when told."""

    def __init__(self, start: int = 20_010 * 24 * HOUR) -> None:
        self.ms = start

    def __call__(self) -> int:
        return self.ms


def run(fs: FileSystem, clock: Clock, writer: str, venues: tuple[str, ...], committed: Callable[[tuple[str, str, int]], None]) -> None:
    """Writes everything, publishes, and publishes again when the segments are old and go."""
    tape = Tape(fs)
    for one in write(tape, clock, writer, venues):
        committed(one)
    for count in range(2):
        assert [r.error for r in tape.publish(clock=lambda: 0.0, writer=f"{writer}{count}", lease=False) if r.error] == []
        clock.ms += 2 * HOUR


def complete(fs: FileSystem, clock: Clock, venues: tuple[str, ...]) -> list[str]:
    """What is wrong after one more run."""
    run(fs, clock, "again", venues, lambda one: None)
    tape = Tape(fs)
    wrong = missing(tape, [one for one in ALL if one[0] in venues]) + [str(finding) for finding in tape.verify()]
    left = [e.path for e in fs.list("perptape/segments")]
    return wrong + ([f"left: {left[:2]}"] if left else [])


def recorded(venues: tuple[str, ...]) -> tuple[list[Operation], list[tuple[int, Done]]]:
    """The operations of one run on a disk, and what was committed after how many of them."""
    clock = Clock()
    disk = RecordingDisk(clock)
    marks: list[tuple[int, Done]] = [(0, [])]
    run(Folder("/home/tape", disk), clock, "first", venues, lambda one: marks.append((len(disk.operations), [*marks[-1][1], one])))
    return disk.operations, marks


def committed_at(marks: list[tuple[int, Done]], cut: int) -> Done:
    return next(done for count, done in reversed(marks) if count <= cut)


def visible(disk: RecordingDisk) -> tuple[tuple[str, bytes], ...]:
    """What others see of the tape: all but temporary files."""
    return tuple((p, disk.read(p)) for p, _, _ in disk.walk("/home") if "/perptape/tmp/" not in p)


def kills(operations: list[Operation]) -> Iterator[tuple[int, RecordingDisk, Clock]]:
    """Every crash point; states that differ in temporary files alone are one."""
    before = None
    for cut in range(len(operations) + 1):
        clock = Clock(20_011 * 24 * HOUR)
        disk = killed_after(operations[:cut], clock)
        now = visible(disk)
        if now != before:
            yield cut, disk, clock
        before = now


def check_kills(venues: tuple[str, ...]) -> int:
    operations, marks = recorded(venues)
    assert {o.name for o in operations} >= {"write", "fsync", "replace", "fsync_dir", "unlink", "mkdir"}
    points = 0
    for cut, disk, clock in kills(operations):
        wrong = missing(Tape(Folder("/home/tape", disk)), committed_at(marks, cut))
        assert wrong == [], f"killed after operation {cut}"
        assert complete(Folder("/home/tape", disk), clock, venues) == [], f"killed after operation {cut}"
        points += 1
    return points


@pytest.mark.slow
def test_a_kill_at_any_operation_of_a_folder_loses_nothing_and_one_more_run_completes_it() -> None:
    assert check_kills(("binance",)) > 20


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_kill_at_any_operation_with_three_venues_loses_nothing_and_one_more_run_completes_it() -> None:
    assert check_kills(VENUES) > 60


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("venues", [("binance",), VENUES])
def test_a_kill_after_any_object_of_a_bucket_loses_nothing_and_one_more_run_completes_it(venues: tuple[str, ...]) -> None:
    clock, bucket = Clock(), Bucket(remember=True)
    marks: list[tuple[int, Done]] = [(0, [])]
    fs = MemoryFileSystem(bucket, clock)
    run(fs, clock, "first", venues, lambda one: marks.append((len(bucket.history), [*marks[-1][1], one])))
    for cut, (effect, objects) in enumerate(bucket.history, 1):
        later = Clock(20_011 * 24 * HOUR)
        left = MemoryFileSystem(Bucket(dict(objects), versions=itertools.count(10**9)), later)
        assert missing(Tape(left), committed_at(marks, cut)) == [], f"killed after {effect}"
        assert complete(left, later, venues) == [], f"killed after {effect}"


def check_power(venues: tuple[str, ...], every: int, dice: int) -> None:
    operations, marks = recorded(venues)
    for cut in range(0, len(operations) + 1, every):
        for seed in [None, *range(dice)]:
            chance = None if seed is None else random.Random(seed * 100_003 + cut)
            tape = Tape(Folder("/home/tape", power_lost_after(operations[:cut], Clock(), chance)))
            where = f"power lost after operation {cut}, {seed=}"
            assert missing(tape, committed_at(marks, cut)) == [], where
            assert [str(finding) for finding in tape.verify()] == [], where


@pytest.mark.slow
def test_a_loss_of_power_at_any_operation_loses_nothing_and_leaves_nothing_half_written() -> None:
    check_power(("binance",), every=7, dice=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_loss_of_power_at_every_operation_however_it_falls() -> None:
    check_power(("binance",), every=1, dice=2)


class Careless(RecordingDisk):
    """A disk whose fsync does nothing."""

    def fsync(self, path: str) -> None: ...


class Nameless(RecordingDisk):
    """A disk that never makes names durable."""

    def fsync_dir(self, path: str) -> None: ...


@pytest.mark.parametrize("kind", [Careless, Nameless])
def test_the_recording_disk_notices_a_folder_that_does_not_fsync(kind: type[RecordingDisk]) -> None:
    clock = Clock()
    disk = kind(clock)
    done: Done = []
    tape = Tape(Folder("/home/tape", disk))
    done.extend(write(tape, clock, "first", ("binance",)))
    harmed = 0
    for seed in range(3):
        left = Tape(Folder("/home/tape", power_lost_after(disk.operations, clock, random.Random(seed))))
        try:
            harmed += bool(missing(left, done))
        except Exception:  # a store.json cut short cannot be read at all
            harmed += 1
    assert harmed
