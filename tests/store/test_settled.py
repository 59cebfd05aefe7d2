"""Settlements that are claimed and whose file went after its segments did: found, written down as lost, and asked for again."""

from dataclasses import replace

import pytest

from perptape.datasets.instruments import SeenInstrument
from perptape.interval import DAY, HOUR, MINUTE, Interval
from perptape.store import parquet
from perptape.store.repair import repair
from perptape.store.settled import bare, living, shortest, unsettled
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem
from support.tapes import START, VENUES, instrument, missing, name_of, waves, write

VENUE = VENUES[0]
NAME = name_of(VENUE)
TIMES = sorted({time for wave in waves("funding") for time in wave})


class World:
    """A tape of funding that was published, and whose segments are gone."""

    def __init__(self) -> None:
        self.ms, self.bucket = 20_010 * DAY, Bucket()
        self.tape = Tape(MemoryFileSystem(self.bucket, lambda: self.ms))
        self.done = list(write(self.tape, lambda: self.ms, "w", [VENUE], ["funding"]))
        for _ in range(2):
            self.publish()
        assert not [path for path in self.bucket.objects if path.startswith("perptape/segments") and "/funding/" in path]
        (self.path,) = (path for path in self.bucket.objects if path.startswith("data/"))

    def publish(self) -> None:
        self.tape.publish(clock=lambda: 0.0, lease=False)
        self.ms += 2 * HOUR

    def found(self) -> list[tuple[str, str]]:
        return [(one.kind, one.path) for one in self.tape.verify()]


def test_settlements_whose_file_is_gone_are_found_and_asked_for_again() -> None:
    one = World()
    assert one.found() == []
    for path in [one.path, *(each for each in one.bucket.objects if each.startswith("perptape/held"))]:
        del one.bucket.objects[path]  # its rows were never counted, as an older perptape leaves a store
    assert one.found() == [("claim", f"perptape/coverage/{VENUE}/funding")]
    assert "1d 16h are claimed complete and have no settlement" in one.tape.verify()[0].message
    (said,) = repair(one.tape, one.tape.verify(), "mender")
    assert f"{NAME}: " in said
    assert "the next run asks again" in said
    assert one.found() == []
    assert not [claim for claim in one.tape.coverage(VENUE, "funding").claims for time in TIMES if time in claim.span]
    one.ms += DAY
    list(write(one.tape, lambda: one.ms, "again", [VENUE], ["funding"]))
    one.publish()
    assert (one.found(), missing(one.tape, one.done)) == ([], [])


class Forgetful(MemoryFileSystem):
    """A store whose listings do not show a file that is there."""

    hidden = ""

    def list(self, prefix):
        return [entry for entry in super().list(prefix) if entry.path != self.hidden]


def test_a_listing_without_the_file_damages_nothing() -> None:
    one = World()
    fs = Forgetful(one.bucket, lambda: one.ms)
    fs.hidden = one.path
    tape = Tape(fs)
    assert [name for name, _ in unsettled(tape, VENUE, tape.coverage(VENUE, "funding").claims)] == [NAME]
    assert repair(tape, tape.verify(), "mender") == []
    assert one.found() == []


def at(*hours: float) -> list[int]:
    return [START + round(hour * HOUR) for hour in hours]


def spans(*pairs: tuple[float, float]) -> list[Interval]:
    return [Interval(*at(*pair)) for pair in pairs]


@pytest.mark.parametrize(
    ("claimed", "known", "found"),
    [
        ([(0, 48)], (0, 8, 16, 24, 32, 40), []),
        ([(0, 48)], (), [(0, 48)]),
        ([(0, 8)], (), []),
        ([(0, 8.5)], (), [(0, 8.5)]),
        ([(0, 4), (4, 8)], (), []),
        ([(0, 4), (4, 9)], (), [(0, 9)]),
        ([(0, 20)], (19,), []),
        ([(0, 48)], (8, 32), []),
        ([(0, 48)], (8,), [(8, 48)]),
        ([(0, 48)], (40,), [(0, 40)]),
        ([(0, 8), (100, 108)], (0, 104), []),
    ],
)
def test_what_must_hold_settlements(claimed, known, found) -> None:
    shown = list(bare(spans(*claimed), at(*known), 8 * HOUR + MINUTE))
    assert shown == [Interval(at(start)[0] + (start in known), at(end)[0]) for start, end in found], "a known settlement is not lost"


def test_claims_of_other_kinds_and_of_unlisted_time_hold_no_settlement() -> None:
    one = World()
    del one.bucket.objects[one.path]
    claims = one.tape.coverage(VENUE, "funding").claims
    assert list(unsettled(one.tape, VENUE, [replace(each, kind="asked") for each in claims])) == []
    early = [replace(each, start=each.start - 40 * DAY, end=each.start - 20 * DAY) for each in claims]
    assert list(unsettled(one.tape, VENUE, early)) == [], "the contract was not listed yet"


def test_what_a_newer_perptape_wrote_or_is_damaged_ends_no_check(monkeypatch) -> None:
    one = World()
    monkeypatch.setattr(parquet, "VERSION", parquet.VERSION + 1)
    list(write(one.tape, lambda: one.ms, "newer", [VENUE], ["funding"]))
    monkeypatch.undo()
    assert {kind for kind, _ in one.found()} == {"newer"}
    damaged = World()
    damaged.bucket.objects[damaged.path] = (b"PAR1 cut", "broken", damaged.ms)
    assert damaged.found() == [("unreadable", damaged.path)]


def test_nothing_is_expected_while_a_contract_is_not_listed() -> None:
    def seen(listed: int | None, delisted: int | None) -> SeenInstrument:
        return SeenInstrument(replace(instrument(VENUE), listed=listed, delisted=delisted), 0, 0)

    lives = [seen(START, START + DAY), seen(START + 9 * DAY, None)]
    assert [(one.start - START) // DAY for one in living(lives, [])] == [0, 9]
    assert living(lives, [])[0].end == START + DAY
    assert living([seen(None, None)], [START])[0].start == START
    assert living([seen(None, START)], [START + DAY]) == ()
    assert living([], [])[0].start == 0


@pytest.mark.parametrize(("minutes", "least"), [([None], DAY), ([], DAY), ([60], 8 * HOUR), ([60, 720], 12 * HOUR), ([9_999], DAY)])
def test_the_interval_of_a_contract_says_from_when_on_one_is_missed(minutes, least) -> None:
    lives = [SeenInstrument(replace(instrument(VENUE), funding_minutes=one), 0, 0) for one in minutes]
    assert shortest(lives) == least + MINUTE


def test_an_unreadable_list_of_contracts_is_no_reason_to_say_nothing() -> None:
    one = World()
    one.bucket.objects[f"perptape/instruments/{VENUE}.parquet"] = (b"broken", "broken", one.ms)
    assert list(unsettled(one.tape, VENUE, one.tape.coverage(VENUE, "funding").claims)) == []
    del one.bucket.objects[one.path]
    ((_, found),) = unsettled(one.tape, VENUE, one.tape.coverage(VENUE, "funding").claims)
    assert found[0].start == START
