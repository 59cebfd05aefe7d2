"""What the store lost is found by `verify` and mended by `repair`: kept aside, asked for again, and never claimed meanwhile."""

from __future__ import annotations

import pytest

from perptape.datasets.base import Format
from perptape.errors import StoreError
from perptape.interval import DAY, HOUR
from perptape.store import layout
from perptape.store.filesystem import Absent
from perptape.store.repair import repair
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem
from support.tapes import ROWS, START, VENUES, claims_of, missing, name_of, open_interest, waves, write

VENUE = VENUES[0]
NAME = name_of(VENUE)


class World:
    """A published tape in memory. `folded`: its segments have had their hour and are gone."""

    def __init__(self, *, folded: bool) -> None:
        self.ms, self.bucket = 20_010 * DAY, Bucket()
        self.tape = Tape(MemoryFileSystem(self.bucket, lambda: self.ms))
        self.done = list(write(self.tape, lambda: self.ms, "w", [VENUE], ["open_interest"]))
        for _ in range(1 + folded):
            self.publish()
            self.ms += 2 * HOUR

    def publish(self) -> None:
        self.tape.publish(clock=lambda: 0.0, lease=False)

    def paths(self, start: str) -> list[str]:
        return sorted(p for p in self.bucket.objects if p.startswith(start))

    def kinds(self) -> list[str]:
        return [one.kind for one in self.tape.verify()]

    def repair(self) -> list[str]:
        return repair(self.tape, self.tape.verify(), "mender")

    def claimed(self) -> set[int]:
        times = {time for wave in waves("open_interest") for time in wave}
        return {time for time in times for claim in self.tape.coverage(VENUE, "open_interest").claims if time in claim.span}


def test_slots_of_a_file_that_is_gone_are_written_down_as_lost_and_no_others() -> None:
    one = World(folded=True)
    everything = one.claimed()
    del one.bucket.objects[one.paths("data")[0]]
    assert "claim" in one.kinds()
    one.publish()
    assert "claim" in one.kinds(), "publishing alone does not look at it"
    kept = {time // 10**6 for time in one.tape.read("open_interest", [NAME])["ts_event"].to_pylist()}
    lines = one.repair()
    assert any(NAME in line and "written down as lost" in line for line in lines)
    assert one.kinds() == []
    assert one.claimed() == everything & kept
    assert everything - kept
    assert one.repair() == []
    one.ms += DAY
    list(write(one.tape, lambda: one.ms, "again", [VENUE], ["open_interest"]))
    one.publish()
    assert missing(one.tape, one.done) == []


def test_a_file_that_cannot_be_read_is_kept_aside_and_published_anew() -> None:
    one = World(folded=True)
    path = one.paths("data")[0]
    one.bucket.objects[path] = (b"PAR1 cut", "broken", one.ms)
    assert one.kinds() == ["unreadable"]
    one.publish()
    assert one.kinds() == ["unreadable"], "publishing alone does not look at it"
    lines = one.repair()
    assert any(path in line for line in lines)
    then = "the next run asks for what was claimed of it"
    assert f"{path}: nothing that it held is claimed any more, also where its rows are there again: {then}" in lines
    assert one.kinds() == []
    assert b"PAR1 cut" in [one.bucket.objects[p][0] for p in one.paths("perptape/quarantine")]
    assert START not in one.claimed()


class Forgetful(MemoryFileSystem):
    """A store whose listings do not show a file that is there."""

    hidden = ""

    def list(self, prefix):
        return [entry for entry in super().list(prefix) if entry.path != self.hidden]


def test_a_listing_without_a_file_that_is_there_damages_nothing() -> None:
    one = World(folded=True)
    fs = Forgetful(one.bucket, lambda: one.ms)
    fs.hidden = one.paths("data")[0]
    tape = Tape(fs)
    assert "claim" in [found.kind for found in tape.verify()]
    before = one.claimed()
    assert repair(tape, tape.verify(), "mender") == []
    assert one.claimed() == before
    assert not one.paths("perptape/quarantine")


def test_a_file_that_is_gone_while_segments_hold_its_rows_is_found_and_published_again() -> None:
    one = World(folded=False)
    assert one.kinds() == []
    path = one.paths("data")[0]
    rows = one.tape.read("open_interest", [NAME])
    del one.bucket.objects[path]
    assert [(found.kind, found.path) for found in one.tape.verify()] == [("unpublished", path)]
    one.publish()
    assert one.kinds() == []
    assert path in one.paths("data")
    assert one.tape.read("open_interest", [NAME]) == rows


def test_rows_that_wait_to_be_published_are_no_finding() -> None:
    one = World(folded=True)
    times = [START + 40 * DAY]
    one.tape.commit(VENUE, "open_interest", open_interest(VENUE, times, one.ms), (), (), "x", lambda: one.ms)
    assert one.kinds() == []


def test_reading_a_broken_file_names_what_mends_it() -> None:
    one = World(folded=True)
    one.bucket.objects[one.paths("data")[0]] = (b"", "broken", one.ms)
    with pytest.raises(Exception, match="perptape verify --repair"):
        one.tape.read("open_interest", [NAME])


def test_a_coverage_file_that_cannot_be_read_goes_when_the_others_are_joined_and_a_newer_one_stays() -> None:
    one = World(folded=True)
    path = layout.coverage_file(VENUE, "open_interest", layout.coverage_name(one.ms, "bad.0"))
    one.bucket.objects[path] = (b"garbage", "broken", one.ms)
    before = one.claimed()
    assert one.kinds() == ["coverage"]
    one.publish()
    with pytest.raises(Absent):
        one.tape.fs.read(path)
    assert b"garbage" in [one.bucket.objects[p][0] for p in one.paths("perptape/quarantine")]
    assert one.kinds() == []
    assert one.claimed() == before


@pytest.mark.parametrize("form", ["nautilus1", "nautilus2"])
@pytest.mark.parametrize("dataset", ["open_interest", "funding", "liquidations"])
@pytest.mark.parametrize("other", ["contract", "day"])
def test_files_that_were_swapped_are_damage_and_never_anothers_rows(form: Format, dataset: str, other: str) -> None:
    one = World(folded=True)
    one.bucket.objects.clear()
    one.tape = Tape(MemoryFileSystem(one.bucket, lambda: one.ms))
    one.tape.prepare("live", form)
    later = [time + 40 * DAY for wave in waves(dataset) for time in wave]
    for venue in VENUES[:2]:
        times = [*(time for wave in waves(dataset) for time in wave), *later]
        one.tape.commit(
            venue, dataset, ROWS[dataset](venue, times, one.ms), claims_of(venue, dataset, times, one.ms), (), venue, lambda: one.ms
        )
    one.publish()
    mine, theirs = ([path for path in one.paths("data") if name in path] for name in (NAME, name_of(VENUES[1])))
    a, b = mine[0], (theirs[0] if other == "contract" else mine[-1])
    for path in one.paths("perptape/segments"):
        del one.bucket.objects[path]
    one.bucket.objects[a], one.bucket.objects[b] = one.bucket.objects[b], one.bucket.objects[a]
    assert {found.path for found in one.tape.verify() if found.kind == "unreadable"} == {a, b}
    with pytest.raises(StoreError, match="put at another's path"):
        one.tape.read(dataset, [NAME])
    one.repair()
    assert not [found for found in one.tape.verify() if found.kind == "unreadable"]
