"""Objects that are whole and still nothing that perptape wrote, and rows that no file can hold: each is one object's trouble.

Everything else of that venue and dataset is published, and what went wrong is said.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from perptape.claims import Claim
from perptape.datasets import DATASETS
from perptape.interval import DAY, HOUR, MINUTE, NS
from perptape.store import layout
from perptape.store.coverage import Sayings, coverage_files, encode_coverage
from perptape.store.deadline import Bounded
from perptape.store.landing import DataFiles, Place, landing
from perptape.store.parquet import Unencodable, decode, encode
from perptape.store.publish import Publisher
from perptape.store.record import CLAIMS, sealed, wants_text
from perptape.store.repair import repair
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem
from support.tapes import START, VENUES, missing, name_of, open_interest, write

VENUE, OTHER = VENUES[:2]
NAME = name_of(VENUE)
SCHEMA = DATASETS["open_interest"].schema


class World:
    """A tape in memory, written and not yet published."""

    def __init__(self) -> None:
        self.ms, self.bucket = 20_010 * DAY, Bucket()
        self.tape = Tape(MemoryFileSystem(self.bucket, lambda: self.ms))
        self.done = list(write(self.tape, lambda: self.ms, "w", [VENUE, OTHER], ["open_interest", "funding"]))

    def publish(self) -> list[str]:
        """What the reports say went wrong."""
        reports = self.tape.publish(clock=lambda: 0.0, lease=False)
        return [line for r in reports for line in (*r.damaged, *([r.error] if r.error else []))]

    def put(self, path: str, data: bytes) -> None:
        self.bucket.objects[path] = (bytes(data), "put", self.ms)

    def paths(self, start: str) -> list[str]:
        return sorted(p for p in self.bucket.objects if p.startswith(start))


def nested(schema: pa.Schema, name: str) -> pa.Table:
    """A row of this schema with a struct in place of one column: Arrow has no cast for it, and raises no ValueError."""
    row = {"a": 1}
    columns = [pa.array([row]) if f.name == name else pa.array(["x" if f.type == pa.string() else 1], f.type) for f in schema]
    return pa.table(columns, names=schema.names)


def holed(schema: pa.Schema, name: str) -> pa.Table:
    """A row of this schema with a null where there must be a value."""
    columns = [pa.array([None if f.name == name else "x" if f.type == pa.string() else 1], f.type) for f in schema]
    return pa.table(columns, schema=pa.schema([f.with_nullable(True) for f in schema]))


def not_text(schema: pa.Schema, name: str) -> pa.Table:
    """A row of this schema whose text is no UTF-8."""
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")])
    columns = [bad if f.name == name else pa.array(["x" if f.type == pa.string() else 1], f.type) for f in schema]
    return pa.table(columns, schema=schema)


def as_segment(table: pa.Table) -> bytes:
    said = ("venue", VENUE), ("dataset", "open_interest"), ("name", "bad"), ("origin", "live"), ("claims", "[]"), ("wants", "[]")
    return encode(table, sealed({f"perptape.{name}": value for name, value in said}))


@pytest.mark.parametrize(
    "table", [nested(SCHEMA, "oi_base"), holed(SCHEMA, "ts_init"), holed(SCHEMA, "instrument_id"), not_text(SCHEMA, "instrument_id")]
)
def test_a_segment_of_other_rows_is_kept_aside_and_the_rest_is_published(table: pa.Table) -> None:
    one = World()
    path = layout.segment(VENUE, "open_interest", layout.segment_name(one.ms, "bad", 0))
    one.put(path, as_segment(table))
    (line,) = one.publish()
    assert path in line
    assert one.paths(f"perptape/quarantine/{VENUE}")
    assert missing(one.tape, one.done) == []
    assert len(one.paths("data/custom_open_interest")) == 4


def test_a_segment_that_cannot_be_read_is_put_aside_an_hour_later_and_the_store_is_as_it_should_be_again() -> None:
    one = World()
    path = layout.segment(VENUE, "open_interest", layout.segment_name(one.ms, "bad", 0))
    one.put(path, b"garbage")
    one.publish()
    assert [(found.path, found.kind) for found in one.tape.verify()] == [(path, "coverage")]
    one.ms += HOUR - 1
    one.publish()
    assert one.paths(path)
    one.ms += 1
    one.publish()
    assert not one.paths(path)
    (copy,) = one.paths("perptape/quarantine")
    assert one.bucket.objects[copy][0] == b"garbage"
    assert one.publish() == []
    assert one.tape.verify() == []
    assert missing(one.tape, one.done) == []


def test_a_list_of_instruments_that_cannot_be_read_is_found_and_made_anew() -> None:
    one = World()
    one.publish()
    path = layout.instruments(VENUE)
    one.put(path, b"garbage")
    (found,) = one.tape.verify()
    assert (found.path, found.kind) == (path, "unreadable")
    (line,) = repair(one.tape, [found], "r")
    assert path in line
    assert one.tape.verify() == []


def test_what_is_said_of_more_than_one_object_has_a_path_all_the_same() -> None:
    one = World()
    one.publish()
    for path in one.paths(layout.SEGMENTS):
        del one.bucket.objects[path]
    for path in one.paths(layout.coverage(VENUE, "open_interest")):
        one.put(path, b"garbage")
    record = f"{layout.quarantine(VENUE, 'open_interest')}/x.json"
    one.put(record, b"{")
    folder = layout.coverage(VENUE, "open_interest")
    paths = {found.path for found in one.tape.verify() if found.kind == "coverage"}
    assert paths == {folder, record, *one.paths(f"{folder}/")}


@pytest.mark.parametrize("bad", [nested, holed])
def test_a_data_file_of_other_rows_is_kept_aside_replaced_and_the_rest_is_published(bad: Callable[[pa.Schema, str], pa.Table]) -> None:
    one = World()
    assert one.publish() == []
    path, *others = one.paths(f"data/custom_open_interest/{NAME}")
    assert others
    rows = one.tape.read("open_interest", [NAME])
    one.put(path, encode(bad(SCHEMA, "ts_init")))
    (line,) = one.publish()
    assert path in line
    assert one.tape.read("open_interest", [NAME]) == rows  # segments still hold them
    assert missing(one.tape, [d for d in one.done if d[0] == OTHER]) == []
    assert one.tape.verify() == []


def test_a_data_file_that_lacks_a_value_is_kept_aside_and_replaced() -> None:
    one = World()
    assert one.publish() == []
    (path,) = one.paths(f"data/funding_rate_update/{NAME}")
    table = decode(one.bucket.objects[path][0], path)
    place = table.schema.get_field_index("ts_received")
    one.put(path, encode(table.set_column(place, pa.field("ts_received", pa.int64()), pa.nulls(table.num_rows, pa.int64()))))
    rows = one.tape.read("funding", [name_of(OTHER)])
    (line,) = one.publish()
    assert path in line
    assert "ts_received" in line
    assert one.tape.read("funding", [name_of(OTHER)]) == rows
    assert one.tape.verify() == []


@pytest.mark.parametrize("bad", [nested, holed])
def test_a_coverage_file_of_other_rows_is_said_and_every_other_counts(bad: Callable[[pa.Schema, str], pa.Table]) -> None:
    one = World()
    assert one.publish() == []
    path = layout.coverage_file(VENUE, "open_interest", layout.coverage_name(one.ms, "bad.0"))
    one.put(path, encode(bad(CLAIMS, "start"), sealed({"perptape.wants": wants_text(())})))
    (line,) = one.publish()
    assert path in line
    assert path not in one.bucket.objects  # kept aside: what can be read says all that is known
    assert one.paths(f"perptape/quarantine/{VENUE}")
    assert one.tape.known(VENUE, "open_interest").unreadable == ()
    assert one.tape.coverage(VENUE, "open_interest").trusted
    assert missing(one.tape, one.done) == []


@dataclass(frozen=True, slots=True)
class Refusing(DataFiles):
    """Data files of which one cannot be encoded: its rows are put before 1970, which no unsigned time can hold."""

    refused: str = ""

    def encode(self, place: Place, rows: pa.Table) -> bytes:
        if place.path == self.refused:
            rows = rows.set_column(rows.schema.get_field_index("ts_init"), "ts_init", pc.negate(rows["ts_init"]))
        return DataFiles.encode(self, place, rows)


def test_rows_that_no_file_can_hold_wait_with_their_claims_and_the_rest_is_published() -> None:
    one = World()
    before = one.paths(f"perptape/segments/{VENUE}/open_interest")
    first, second = (span_start * NS for span_start in (START, START + DAY))
    refused, written = (f"data/custom_open_interest/{NAME}/{layout.span_of(t, 'day').name}.parquet" for t in (first, second))
    bad = Refusing(VENUE, DATASETS["open_interest"], "nautilus1", refused)
    for hours in (0, 2):
        one.ms += hours * HOUR
        report = Publisher(Bounded(one.tape.fs, lambda: 0.0, 1e9), bad, VENUE, f"p{hours}").run()
        assert report.error is not None
        assert refused in report.error
        assert "cannot be written" in report.error
        assert one.paths(f"data/custom_open_interest/{NAME}") == [written]
        assert before[0] in one.paths(f"perptape/segments/{VENUE}/open_interest")
    claimed = coverage_files(one.tape.fs, VENUE, "open_interest").all.claims
    assert claimed
    assert not [c for c in claimed if START in c.span]
    assert one.publish() == []
    assert missing(one.tape, one.done) == []
    assert one.tape.verify() == []


def test_rows_that_cannot_be_encoded_are_a_store_error_wherever_they_are_written() -> None:
    one = World()
    good = open_interest(VENUE, [START], one.ms)
    place = landing(VENUE, "open_interest", "nautilus1")
    assert place is not None
    ((where, _),) = place.parts(good)
    before_1970 = open_interest(VENUE, [-DAY], one.ms)
    with pytest.raises(Unencodable, match=where.path):
        place.encode(where, before_1970)
    unknown = pa.table({"a": pa.array([None], pa.month_day_nano_interval())})  # Parquet has no such type
    with pytest.raises(Unencodable):
        encode(unknown, {})
    before = dict(one.bucket.objects)
    with pytest.raises(Unencodable):
        one.tape.commit(VENUE, "open_interest", unknown, (), (), "x", lambda: one.ms)
    assert one.bucket.objects == before


def test_a_good_coverage_file_is_one_that_the_checks_let_pass() -> None:
    one = World()
    claim = Claim(NAME, "1h", "asked", START - HOUR, START, "", 1, 1)
    one.put(layout.coverage_file(VENUE, "open_interest", layout.coverage_name(one.ms, "good.0")), encode_coverage(Sayings((claim,))))
    assert claim in one.tape.coverage(VENUE, "open_interest").claims
    assert (START + 65 * MINUTE) * NS in one.tape.read("open_interest", [NAME])["ts_init"].to_pylist()
