"""A published data file that goes, or comes back as it was before, after its segments went: its rows were counted, and it is found."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.claims import Claim
from perptape.damage import Damage
from perptape.errors import StoreError
from perptape.interval import DAY, HOUR
from perptape.store import layout
from perptape.store.deadline import Bounded
from perptape.store.held import SCHEMA, Held, counted, decode_held, encode_held, held_files
from perptape.store.landing import DataFiles, Place
from perptape.store.parquet import Unreadable, encode
from perptape.store.publish import Publisher
from perptape.store.repair import repair
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem
from support.tapes import ROWS, START, VENUES, name_of, write

VENUE, OTHER = VENUES[:2]
NAME = name_of(VENUE)
KINDS = ("liquidations", "funding", "open_interest")
FOLDERS = {"open_interest": "custom_open_interest", "funding": "funding_rate_update", "liquidations": "custom_liquidation"}


class World:
    """A tape in memory that was published, and whose segments are gone."""

    def __init__(self) -> None:
        self.ms, self.bucket = 20_010 * DAY, Bucket()
        self.fs = MemoryFileSystem(self.bucket, lambda: self.ms)
        self.tape = Tape(self.fs)
        list(write(self.tape, lambda: self.ms, "w", [VENUE, OTHER]))
        self.published()
        assert self.paths("perptape/segments") == []

    def published(self) -> None:
        for _ in range(2):
            assert [one.error for one in self.tape.publish(clock=lambda: 0.0, lease=False) if one.error] == []
            self.ms += 2 * HOUR

    def more(self, dataset: str, time: int) -> None:
        """One more row, published, and its segment gone."""
        self.tape.commit(VENUE, dataset, ROWS[dataset](VENUE, [time], self.ms), (), (), f"more{time}", lambda: self.ms)
        self.published()

    def older_with_a_segment(self) -> str:
        """An older copy of a file is back, and a young segment holds the row that it lacks; its path."""
        path = self.files("liquidations")[0]
        before = self.bucket.objects[path]
        self.more("liquidations", START + HOUR)
        rows = ROWS["liquidations"](VENUE, [START + HOUR], self.ms)
        self.tape.commit(VENUE, "liquidations", rows, (), (), "again", lambda: self.ms)
        self.bucket.objects[path] = before
        return path

    def paths(self, start: str) -> list[str]:
        return sorted(path for path in self.bucket.objects if path.startswith(start))

    def files(self, dataset: str) -> list[str]:
        return self.paths(f"data/{FOLDERS[dataset]}/{NAME}")

    def rows(self) -> dict[str, str]:
        return {one.path: one.message for one in self.tape.verify() if one.kind == "rows"}

    def repair(self) -> list[str]:
        return repair(self.tape, self.tape.verify(), "mender")

    def claimed(self, dataset: str) -> tuple[Claim, ...]:
        return tuple(one for one in self.tape.coverage(VENUE, dataset).claims if one.instrument == NAME)


@pytest.mark.parametrize("dataset", KINDS)
def test_a_file_that_went_is_found_with_the_rows_that_it_held_and_written_down(dataset: str) -> None:
    one = World()
    assert one.tape.verify() == []
    path = one.files(dataset)[0]
    place = DataFiles(VENUE, _kind(dataset), "nautilus1").place(path)
    assert place is not None
    assert place.span is not None
    held = DataFiles(VENUE, _kind(dataset), "nautilus1").decode(place, one.bucket.objects[path][0]).num_rows
    del one.bucket.objects[path]
    assert one.rows() == {path: f"is gone with the {held} rows that it held"}
    assert one.claimed(dataset)
    assert any(path in line for line in one.repair())
    assert one.tape.verify() == []
    assert not [each for each in one.claimed(dataset) if dataset != "open_interest" and each.start <= place.span.start < each.end]
    assert one.repair() == []


@pytest.mark.parametrize("dataset", KINDS)
def test_a_file_that_came_back_as_it_was_before_is_found_again_and_again(dataset: str) -> None:
    one = World()
    path = one.files(dataset)[0]
    for hours in (1, 2):
        before = one.bucket.objects[path]
        one.more(dataset, START + hours * HOUR)
        assert one.rows() == {}
        one.bucket.objects[path] = before
        assert list(one.rows()) == [path]
        assert f"has {_count(one, dataset, path)} rows and held" in one.rows()[path]
        one.repair()
        assert one.rows() == {}
        one.more(dataset, START + hours * HOUR)
        assert one.rows() == {}


def test_a_file_that_was_broken_and_published_anew_with_fewer_rows_is_no_finding() -> None:
    one = World()
    path = one.files("liquidations")[0]
    one.bucket.objects[path] = (b"PAR1 cut", "broken", one.ms)
    assert one.repair()
    assert one.tape.verify() == []
    one.more("liquidations", START + HOUR)
    assert one.tape.verify() == []
    del one.bucket.objects[path]
    assert one.rows() == {path: "is gone with the 1 rows that it held"}


def test_what_segments_still_hold_is_published_again_and_nothing_is_written_down() -> None:
    one = World()
    path = one.older_with_a_segment()
    assert list(one.rows()) == [path]
    assert one.repair() == []
    assert one.tape.verify() == []


def test_each_month_has_counts_of_its_own_and_old_ones_go() -> None:
    one = World()
    for day in range(1, 7):
        one.more("liquidations", START + 40 * DAY + day * HOUR)
    months = [each.split("/")[-2] for each in one.paths(f"perptape/held/{VENUE}/liquidations")]
    assert months == ["2024-10", *["2024-11"] * 3], "the old month is not written again"
    assert one.tape.verify() == []


def test_counts_that_cannot_be_read_are_found_kept_aside_and_begin_anew() -> None:
    one = World()
    (path,) = one.paths(f"perptape/held/{VENUE}/liquidations")
    one.bucket.objects[path] = (b"PAR1 cut", "broken", one.ms)
    assert [(each.kind, each.path) for each in one.tape.verify()] == [("unreadable", path)]
    one.more("liquidations", START + HOUR)
    assert one.tape.verify() == []
    assert path not in one.paths("perptape/held")
    assert b"PAR1 cut" in [one.bucket.objects[each][0] for each in one.paths("perptape/quarantine")]


def test_counts_of_a_newer_perptape_keep_segments_where_they_are() -> None:
    one = World()
    one.fs.create(f"perptape/held/{VENUE}/liquidations/2024-10/zzz.parquet", encode(SCHEMA.empty_table(), {"perptape.version": "99"}))
    assert "newer perptape" in held_files(one.fs, VENUE, "liquidations").newer[0]
    one.tape.commit(VENUE, "liquidations", ROWS["liquidations"](VENUE, [START + HOUR], one.ms), (), (), "more", lambda: one.ms)
    for _ in range(2):
        errors = [each.error for each in one.tape.publish(clock=lambda: 0.0, lease=False) if each.error]
        one.ms += 2 * HOUR
    assert "newer perptape" in errors[0]
    assert one.paths(f"perptape/segments/{VENUE}/liquidations")


class Interrupted(Publisher):
    """Between the count and what is written of it, somebody else finds the file damaged and publishes it anew."""

    meanwhile: Iterator[None]

    def absent(self, segments):  # type: ignore[no-untyped-def]
        found = super().absent(segments)
        next(self.meanwhile, None)
        return found


def test_a_count_from_before_a_damage_that_was_found_meanwhile_says_nothing() -> None:
    one = World()
    path = one.files("liquidations")[0]
    one.tape.commit(VENUE, "liquidations", ROWS["liquidations"](VENUE, [START + HOUR], one.ms), (), (), "more", lambda: one.ms)
    one.tape.publish(clock=lambda: 0.0, lease=False)
    one.ms += 2 * HOUR

    def damaged() -> Iterator[None]:
        one.bucket.objects[path] = (b"PAR1 cut", "broken", one.ms)
        one.tape.publish(clock=lambda: 0.0, lease=False, touched=[path])
        one.ms += 1
        yield

    slow = Interrupted(Bounded(one.fs, lambda: 0.0, 60.0), DataFiles(VENUE, _kind("liquidations"), "nautilus1"), VENUE, "slow")
    slow.meanwhile = damaged()
    assert slow.run().error is None
    assert one.tape.verify() == []


def _kind(dataset: str):  # type: ignore[no-untyped-def]
    from perptape.datasets import DATASETS

    return DATASETS[dataset]


def _count(one: World, dataset: str, path: str) -> int:
    files = DataFiles(VENUE, _kind(dataset), "nautilus1")
    place = files.place(path)
    assert place is not None
    return files.decode(place, one.bucket.objects[path][0]).num_rows


helds = st.builds(
    Held, st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3)), st.tuples(st.integers(0, 3), st.integers(0, 9)))
)


@given(helds, helds, helds)
def test_counts_join(a: Held, b: Held, c: Held) -> None:
    assert a.joined([b]) == b.joined([a])
    assert a.joined([b]).joined([c]) == a.joined([b.joined([c])])
    assert a.joined([a]) == a
    assert a.joined([b]).contains(a)
    assert a.contains(b) == (a.joined([b]) == a)


@given(helds)
def test_counts_are_read_as_they_were_written(held: Held) -> None:
    assert decode_held(encode_held(held), "path") == held


def test_other_columns_are_unreadable() -> None:
    with pytest.raises(Unreadable):
        decode_held(encode(SCHEMA.empty_table().select(["start"]), {}), "path")


def test_a_count_is_of_the_time_since_the_last_damage_of_that_file() -> None:
    span = layout.span_of(START * 10**6, "day")
    mine, other = Place("a", NAME, span), Place("b", "ELSE", span)
    damage = [Damage(NAME, START, START, 7), Damage(NAME, START, START + HOUR, 5), Damage(NAME, START - 9 * DAY, START - 8 * DAY, 9)]
    assert counted({mine: 3, other: 4}, damage) == Held({(NAME, span.start): (7, 3), ("ELSE", span.start): (0, 4)})


def _days(one: World, dataset: str, step: int) -> list[str]:
    for count in range(4):
        one.more(dataset, START + (3 + count) * step + HOUR)
    return one.files(dataset)[-4:]


@pytest.mark.parametrize(("dataset", "step"), [("liquidations", DAY), ("funding", 31 * DAY)])
def test_a_damaged_file_voids_no_count_of_its_neighbours(dataset: str, step: int) -> None:
    one = World()
    before, broken, *_ = paths = _days(one, dataset, step)
    one.bucket.objects[broken] = (b"PAR1 cut", "broken", one.ms)
    kept = one.bucket.objects.pop(before)
    assert {each.path: each.kind for each in one.tape.verify()} == {before: "rows", broken: "unreadable"}
    said = "\n".join(one.repair())
    assert before in said
    assert broken in said
    one.bucket.objects[before] = kept
    for path in paths[2:]:
        kept = one.bucket.objects.pop(path)
        assert list(one.rows()) == [path]
        one.bucket.objects[path] = kept


def test_no_segment_goes_uncounted_beside_a_record_of_damage_that_cannot_be_read() -> None:
    one = World()
    one.fs.create(f"perptape/quarantine/{VENUE}/liquidations/x.json", b"{")
    one.more("liquidations", START + 9 * DAY)
    assert one.paths(f"perptape/segments/{VENUE}/liquidations")


class Refusing(MemoryFileSystem):
    """Takes no data file."""

    def replace(self, path: str, data: bytes, version: str | None) -> str:
        if path.startswith("data/"):
            raise StoreError("503 slow down")
        return super().replace(path, data, version)


def test_what_segments_hold_is_not_written_down_as_lost_where_publishing_failed() -> None:
    one = World()
    one.older_with_a_segment()
    claimed, tape = one.claimed("liquidations"), Tape(Refusing(one.bucket, lambda: one.ms))
    assert any("503" in line for line in repair(tape, tape.verify(), "mender"))
    one.published()
    assert one.claimed("liquidations") == claimed
    assert one.tape.verify() == []


def test_a_damage_of_a_time_when_the_stores_clock_was_ahead_leaves_no_finding_for_ever() -> None:
    one = World()
    path = one.files("liquidations")[0]
    now, one.ms = one.ms, one.ms + 900 * DAY
    one.bucket.objects[path] = (b"PAR1 cut", "broken", one.ms)
    one.repair()
    one.ms = now + DAY
    one.more("liquidations", START + HOUR)
    del one.bucket.objects[path]
    assert one.rows()
    one.repair()
    assert one.rows() == {}


def test_counts_of_a_newer_perptape_end_no_check() -> None:
    one = World()
    newer, gone = f"perptape/held/{VENUE}/liquidations/2024-10/zzz.parquet", one.files("funding")[0]
    del one.bucket.objects[gone]
    one.fs.create(newer, encode(SCHEMA.empty_table(), {"perptape.version": "99"}))
    assert {(each.kind, each.path) for each in one.tape.verify()} >= {("newer", newer), ("rows", gone)}


def test_files_that_somebody_merged_are_found_by_their_name_and_not_as_gone() -> None:
    one = World()
    _days(one, "liquidations", DAY)
    a, b = one.files("liquidations")[-2:]
    files = DataFiles(VENUE, _kind("liquidations"), "nautilus1")
    tables = [files.decode(place, one.bucket.objects[path][0]) for path in (a, b) if (place := files.place(path)) is not None]
    merged = f"{a.split('_20')[0]}_{b.split('_')[-1]}"
    both = files.place(merged)
    assert both is not None
    one.bucket.objects[merged] = (bytes(files.encode(both, pa.concat_tables(tables))), "merged", one.ms)
    del one.bucket.objects[a], one.bucket.objects[b]
    assert [(each.kind, each.path) for each in one.tape.verify()] == [("name", merged)]


def test_a_file_that_grows_while_verify_reads_is_no_finding() -> None:
    """Counts are read before the files that they are of."""
    one = World()
    done: list[None] = []

    def grows(call: str, path: str) -> None:
        if not done and call == "read" and path == one.files("liquidations")[0]:
            done.append(None)
            one.more("liquidations", START + HOUR)

    assert Tape(MemoryFileSystem(one.bucket, lambda: one.ms, after=grows)).verify() == []
    assert done


def test_a_file_without_its_time_is_unreadable_and_ends_no_check() -> None:
    for dataset in KINDS:
        one = World()
        path = one.files(dataset)[0]
        table = pq.read_table(io.BytesIO(one.bucket.objects[path][0])).drop_columns(["ts_init"])
        one.bucket.objects[path] = (bytes(encode(table)), "other", one.ms)
        assert [(each.kind, each.path) for each in one.tape.verify()] == [("unreadable", path)]
        with pytest.raises(StoreError, match="cannot be read"):
            one.tape.read(dataset)
