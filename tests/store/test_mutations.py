"""Each part of the publishing rule is needed: left out, a schedule that the rule survives loses a row or a claim, or misleads a reader.

The mutations are those of the model (tape.md §3). They live here and nowhere else.
"""

import random
from collections.abc import Callable, Sequence

import pytest

from perptape.claims import Claim
from perptape.interval import DAY, NS
from perptape.store import fold, layout
from perptape.store.coverage import CoverageFiles, encode_coverage, of_segment
from perptape.store.deadline import DEADLINE, Bounded
from perptape.store.filesystem import Absent, Entry
from perptape.store.landing import Place
from perptape.store.publish import Publisher
from perptape.store.segment import Segment, decode_segment
from support.schedules import BACKUP, LANDING, NAME, START, VENUE, Make, World, as_designed, publish, read
from support.storage import Actor

DATA, COVERAGE = "data/", layout.COVERAGE


class DeleteWhenFolded(Publisher):
    def deletable(self, listed: Sequence[Entry], segments: dict[str, Segment]) -> list[str]:
        return list(segments)


class YoungDelete(Publisher):
    keep = 5 * 60_000


class Ignore404(Publisher):
    """Reads the segments when it folds a file, and goes on without those that are gone."""

    def join_file(self, part: fold.Part) -> None:
        base, version = self.base(part.place)
        left = []
        for entry in self.seen:
            try:
                left.append(decode_segment(self.fs.read(entry.path).data, entry.path, LANDING.schema))
            except Absent:
                continue
        mine = {p.place: p for p in fold.parts(LANDING, left)}
        done = fold.folded(LANDING, base, mine.get(part.place, fold.Part(part.place, LANDING.schema.empty_table(), part.revised)))
        if done.rows is not None and done.rows.num_rows:
            self.fs.replace(part.place.path, LANDING.encode(part.place, done.rows), version)

    def read(self, listed: Sequence[Entry]) -> dict[str, Segment]:
        self.seen = listed
        return super().read(listed)


class OnlyNewSegments(Publisher):
    def read(self, listed: Sequence[Entry]) -> dict[str, Segment]:
        covered = self.covered().all
        return {path: s for path, s in super().read(listed).items() if not covered.contains(of_segment(s))}


class ClaimsOfUnfolded(Publisher):
    def claimable(self, segments: dict[str, Segment], failed: set[Place]) -> list[Segment]:
        return list(segments.values())


class CoverageOverwrite(Publisher):
    def say(self, covered: CoverageFiles, segments: Sequence[Segment], again: tuple[Claim, ...] = ()) -> None:
        after = covered.all.joined([of_segment(s) for s in segments])
        self.fs.create(layout.coverage_file(VENUE, LANDING.dataset, "only"), encode_coverage(after))


class CoverageBeforeData(Publisher):
    def join_files(self, segments: dict[str, Segment]) -> set[Place]:
        self.say(self.covered(), list(segments.values()))
        return super().join_files(segments)


def make(kind: type[Publisher]) -> Make:
    return lambda fs, writer: kind(fs, LANDING, VENUE, writer)


def world(*, swaps: bool, pauses: bool = False) -> World:
    from perptape.store.tape import Tape

    one = World(swaps, pauses, random.Random(0))
    Tape(one.view()).prepare("live", "nautilus1")
    return one


def data_file(day: int) -> str:
    """Where rows of a day land."""
    return layout.data_file(LANDING.kind.directories[0], NAME, layout.span_of((START - (4 - day) * DAY) * NS, "day"))


def start(one: World, kind: Make, name: str, deadline: float = DEADLINE) -> Actor:
    return Actor(publish(one, kind, name, deadline, trouble=0.0))


def whole(one: World, kind: Make, name: str) -> None:
    """A run that nobody disturbs."""
    start(one, kind, name).finish()


def stale(one: World, kind: Make, minutes: int, deadline: float = DEADLINE) -> str | None:
    """No compare-and-swap. One stands with what it read of a file, others fold another segment into it, and once more `minutes` later."""
    one.commit(1, [0])
    slow = start(one, kind, "slow", deadline)
    slow.until("read", DATA)
    one.commit(2, [0])
    whole(one, kind, "quick")
    one.minutes += minutes
    whole(one, kind, "later")
    slow.finish()
    return one.lost()


def paused_before_writing(one: World, kind: Make) -> str | None:
    """No compare-and-swap. As `stale`, but it has looked at the clock already and is suspended for an hour before it writes."""
    one.commit(1, [0])
    slow = start(one, kind, "slow")
    slow.until("replace", DATA)
    one.commit(2, [0])
    whole(one, kind, "quick")
    one.minutes += 61
    whole(one, kind, "later")
    slow.finish()
    return one.lost()


def deleted_under_it(one: World, kind: Make) -> str | None:
    """No compare-and-swap. Of the two segments that one listed, the old one is folded and deleted before it has read them for a file."""
    one.commit(1, [0])
    one.minutes += 61
    one.commit(2, [0])
    slow = start(one, kind, "slow")
    slow.until("read", DATA)
    whole(one, as_designed, "quick")
    slow.finish()
    return one.lost()


def twice(one: World, kind: Make) -> str | None:
    """Published, and once more when the segment is old."""
    one.commit(1, [0, 1])
    for run in ("first", "second"):
        whole(one, kind, run)
        one.minutes += 61
    left = [p for p in one.bucket.objects if p.startswith(layout.SEGMENTS)]
    return f"left: {left}" if left else one.lost()


def listed_before(one: World, kind: Make) -> str | None:
    """A reader has listed the segments before there was one, and reads the coverage after a publisher that cannot read the file."""
    reader = Actor(read(one, "once"))
    reader.until("list", COVERAGE)
    one.commit(1, [0])
    one.broken = {data_file(0)}
    whole(one, kind, "broken")
    reader.until("list", "data")
    one.broken = set()
    return reader.finish()  # type: ignore[no-any-return]


def one_says_while_the_other_cannot_fold(one: World, kind: Make) -> str | None:
    """One cannot fold one of two old segments and stands before it says what it claims of the other; another does all of it."""
    one.commit(1, [0])
    one.commit(2, [1])
    one.minutes += 61
    one.broken = {data_file(1)}
    slow = start(one, kind, "slow")
    slow.until("create", COVERAGE)
    one.broken = set()
    whole(one, kind, "quick")
    slow.finish()
    return one.lost()


def said_before_written(one: World, kind: Make) -> str | None:
    """A reader has listed the segments before there was one, and reads coverage and data while a publisher is at its first file."""
    reader = Actor(read(one, "once"))
    reader.until("list", COVERAGE)
    one.commit(1, [0])
    one.committed.clear()
    slow = start(one, kind, "slow")
    slow.until("replace", DATA)
    wrong = reader.finish()
    slow.finish()
    return wrong  # type: ignore[no-any-return]


Scenario = Callable[[World, Make], str | None]
CASES: list[tuple[str, type[Publisher], Scenario, bool, bool]] = [
    ("delete-when-folded/no-swap", DeleteWhenFolded, lambda w, k: stale(w, k, 0), False, False),
    ("young-delete/no-swap", YoungDelete, lambda w, k: stale(w, k, 6), False, False),
    ("ignore-404/no-swap", Ignore404, deleted_under_it, False, False),
    ("only-new-segments", OnlyNewSegments, twice, True, True),
    ("claims-of-unfolded", ClaimsOfUnfolded, listed_before, True, True),
    ("coverage-overwrite", CoverageOverwrite, one_says_while_the_other_cannot_fold, True, True),
    ("coverage-before-data", CoverageBeforeData, said_before_written, True, True),
]


@pytest.mark.parametrize(("name", "kind", "scenario", "swaps", "pauses"), CASES, ids=[case[0] for case in CASES])
def test_a_schedule_that_the_rule_survives_catches_the_mutation(
    name: str, kind: type[Publisher], scenario: Scenario, swaps: bool, pauses: bool
) -> None:
    assert scenario(world(swaps=swaps, pauses=pauses), as_designed) is None
    assert scenario(world(swaps=swaps, pauses=pauses), make(kind)) is not None


def test_without_a_deadline_a_stale_publisher_loses_what_was_deleted_meanwhile() -> None:
    assert stale(world(swaps=False), as_designed, 61) is None
    assert stale(world(swaps=False), as_designed, 61, deadline=float("inf")) is not None


def test_the_one_pause_that_costs_something_without_compare_and_swap_costs_nothing_with_it() -> None:
    assert paused_before_writing(world(swaps=True, pauses=True), as_designed) is None
    assert paused_before_writing(world(swaps=False, pauses=True), as_designed) is not None


def test_a_deadline_is_kept_by_every_write() -> None:
    one = world(swaps=True, pauses=True)
    one.commit(1, [0])
    slow = start(one, as_designed, "slow")
    slow.until("read", DATA)
    one.minutes += 21
    report = slow.finish()
    assert report.error is not None
    assert "the time of one publisher was up" in report.error
    assert not [p for p in one.bucket.objects if p.startswith(DATA)]
    assert isinstance(Bounded(one.view(), lambda: 0.0).now(), int)


@pytest.mark.parametrize(
    ("order", "misleads"), [(BACKUP, False), ((layout.DATA, layout.OWN), True)], ids=["as documented", "by the alphabet"]
)
def test_a_backup_is_true_in_the_order_in_which_readers_read(order: tuple[str, ...], misleads: bool) -> None:
    """What is committed and published while it is made may be missing in it, and then nothing is claimed of it."""
    one = world(swaps=True, pauses=True)
    backup = Actor(read(one, "copy", order))
    backup.until("list", order[1])
    one.commit(1, [0])
    whole(one, as_designed, "first")
    one.minutes += 61
    whole(one, as_designed, "second")
    assert (backup.finish() is not None) == misleads
