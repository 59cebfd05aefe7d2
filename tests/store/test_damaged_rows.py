"""A segment whose rows are damaged counts as one that cannot be read at all, though all that it claims can be: it claims nothing, is said
by everyone who meets it, kept aside by the next publish and gone an hour later. In a bucket and in a folder.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from perptape.claims import STREAM, Claim, Want
from perptape.collect.report import of_coverage
from perptape.datasets import DATASETS
from perptape.errors import StoreError
from perptape.interval import DAY, HOUR, MINUTE, Interval
from perptape.store import layout, segment
from perptape.store.folder import Folder
from perptape.store.parquet import encode
from perptape.store.record import claims_text, sealed, wants_text
from perptape.store.repair import repair
from perptape.store.segment import Damaged, decode_segment
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem
from support.tapes import START, VENUES, liquidations, name_of, open_interest, waves, write

VENUE = VENUES[0]
NAME = name_of(VENUE)
NOW = 20_010 * DAY


class InBucket:
    """A tape in a bucket of memory, whose hours go by when told."""

    def __init__(self) -> None:
        self.ms, self.bucket = NOW, Bucket()
        self.tape = Tape(MemoryFileSystem(self.bucket, lambda: self.ms))

    def later(self, hours: int) -> None:
        self.ms += hours * HOUR

    def read(self, path: str) -> bytes:
        return self.bucket.objects[path][0]

    def put(self, path: str, data: bytes) -> None:
        self.bucket.objects[path] = (data, "put", self.ms)


class InFolder:
    """A tape in a folder of the disk, all of whose files grow older when told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tape = Tape(Folder(str(root)))

    def later(self, hours: int) -> None:
        for path in (path for path in self.root.rglob("*") if path.is_file()):
            at = path.stat().st_mtime - hours * 3600
            os.utime(path, (at, at))

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def put(self, path: str, data: bytes) -> None:
        (self.root / path).write_bytes(data)


World = InBucket | InFolder


@pytest.fixture(params=["bucket", "folder"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return InBucket() if request.param == "bucket" else InFolder(tmp_path)


def rows_damaged(data: bytes) -> bytes:
    """In the middle of the pages, whose checksums notice it. The footer stays."""
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    middle = footer // 2
    return data[:middle] + bytes(255 - byte for byte in data[middle : middle + 8]) + data[middle + 8 :]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


DAMAGES = [rows_damaged, cut, lambda data: b""]
NAMES = ["rows", "cut", "empty"]


def publish(one: World) -> list[str]:
    """What the reports say went wrong."""
    reports = one.tape.publish(clock=lambda: 0.0, lease=False)
    return [line for r in reports for line in (*r.damaged, *([r.error] if r.error else []))]


def paths(one: World, folder: str) -> list[str]:
    return [entry.path for entry in one.tape.fs.list(folder)]


def claimed(one: World, dataset: str) -> set[int]:
    times = {time for wave in waves(dataset) for time in wave}
    return {time for time in times for claim in one.tape.coverage(VENUE, dataset).claims if time in claim.span and claim.kind != "hole"}


@pytest.mark.parametrize("damage", DAMAGES, ids=NAMES)
@pytest.mark.parametrize("dataset", ["open_interest", "liquidations", "funding"])
def test_a_segment_that_cannot_be_read_claims_nothing_is_said_kept_aside_and_gone_an_hour_later(world, dataset, damage) -> None:
    list(write(world.tape, lambda: NOW, "w", [VENUE], [dataset]))
    first, _ = paths(world, layout.segments(VENUE, dataset))
    looked = world.tape.looked(VENUE, dataset)
    world.put(first, damage(world.read(first)))
    broken, rest = world.read(first), set(waves(dataset)[1])
    assert claimed(world, dataset) == rest
    assert {time for time in waves(dataset)[0] for claim in looked.coverage().claims if time in claim.span and claim.kind != "hole"} <= rest
    assert [line for line in world.tape.known(VENUE, dataset).unreadable if line.startswith(first)]
    assert [(found.path, found.kind) for found in world.tape.verify()] == [(first, "coverage")]
    with pytest.warns(UserWarning, match=first):
        rows = world.tape.read(dataset, [NAME])
    assert rows.num_rows == len(rest)
    with pytest.warns(UserWarning, match=first):
        assert world.tape.sql(f"SELECT count(*) AS n FROM {dataset}").to_pylist() == [{"n": len(rest)}]
    (line,) = publish(world)
    assert line.startswith(f"{first} cannot be read")
    assert broken in [world.read(path) for path in paths(world, layout.quarantine(VENUE, dataset))]
    assert claimed(world, dataset) == rest
    world.later(2)
    publish(world)
    assert paths(world, layout.segments(VENUE, dataset)) == []
    assert publish(world) == []
    assert claimed(world, dataset) == rest
    assert world.tape.verify() == []
    assert world.tape.read(dataset, [NAME]).num_rows == len(rest)


def test_repair_keeps_it_aside_too(world) -> None:
    list(write(world.tape, lambda: NOW, "w", [VENUE], ["open_interest"]))
    first, _ = paths(world, layout.segments(VENUE, "open_interest"))
    world.put(first, rows_damaged(world.read(first)))
    world.later(1)
    assert any(first in line for line in repair(world.tape, world.tape.verify(), "mender"))
    assert world.tape.verify() == []
    assert claimed(world, "open_interest") == set(waves("open_interest")[1])


def heard(one: World, start: int, end: int, connection: str) -> None:
    one.tape.prepare("live", "nautilus1")
    claim = Claim(NAME, STREAM, "complete", start, end, "", start, end, frozenset([connection]))
    want = Want("spec", "session", NAME, STREAM, START, end, None, "BTCUSDT-PERP")
    rows = liquidations(VENUE, range(start, end, MINUTE), end)
    one.tape.commit(VENUE, "liquidations", rows, [claim], [want], connection, lambda: NOW)


def holes(one: World) -> list[tuple[Interval, str]]:
    (found,) = of_coverage(VENUE, "liquidations", one.tape.coverage(VENUE, "liquidations"), (), START + 3 * HOUR)
    return [(hole, why) for hole, why in found.holes("lost") if why != "unknown"]


def test_the_time_of_a_stream_is_lost_as_damaged_but_where_another_replica_heard_it(world) -> None:
    heard(world, START, START + HOUR, "a")
    heard(world, START + 30 * MINUTE, START + 2 * HOUR, "b")
    first, _ = paths(world, layout.segments(VENUE, "liquidations"))
    assert holes(world) == []
    world.put(first, rows_damaged(world.read(first)))
    lost = [(Interval(START, START + 30 * MINUTE), "damaged")]
    assert holes(world) == lost
    publish(world)
    assert holes(world) == lost
    world.later(2)
    publish(world)
    assert paths(world, layout.segments(VENUE, "liquidations")) == []
    assert holes(world) == lost


def test_what_is_wanted_is_known_though_no_other_segment_says_it(world) -> None:
    heard(world, START, START + HOUR, "a")
    (only,) = paths(world, layout.segments(VENUE, "liquidations"))
    world.put(only, rows_damaged(world.read(only)))
    for hours in (0, 2, 2):
        world.later(hours)
        publish(world)
        assert [(hole.start, why) for hole, why in holes(world)] == [(START, "damaged")]
        assert world.tape.looked(VENUE, "liquidations").coverage() == world.tape.coverage(VENUE, "liquidations")


def test_a_flipped_bit_anywhere_in_a_segment_is_noticed_by_who_asks_for_its_claims_alone() -> None:
    one = InBucket()
    list(write(one.tape, lambda: NOW, "w", [VENUE], ["liquidations"]))
    path, _ = paths(one, layout.segments(VENUE, "liquidations"))
    data, schema = one.read(path), DATASETS["liquidations"].schema
    whole, noticed = decode_segment(data, path, schema), 0
    for place in range(0, len(data), 3):
        flipped = data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
        try:
            found = decode_segment(flipped, path, schema, rows=False)
        except StoreError:
            noticed += 1
        else:  # only the name of the digest is another: its pages were read
            assert replace(found, rows=whole.rows) == decode_segment(flipped, path, schema) == whole
    assert noticed > len(data) // 3 - 10


def test_of_a_segment_of_an_earlier_perptape_the_pages_are_looked_at() -> None:
    schema, claims = DATASETS["open_interest"].schema, (Claim(NAME, "1h", "complete", START, START + HOUR, "", NOW, NOW),)
    said = [VENUE, "open_interest", "old", "live", claims_text(claims), wants_text(())]
    data = bytes(encode(open_interest(VENUE, [START], NOW), sealed(dict(zip(segment._NAMES, said, strict=True)))))
    for rows in (False, True):
        found = decode_segment(data, "old", schema, rows=rows)
        assert (found.claims, found.rows.num_rows) == (claims, int(rows))
        with pytest.raises(Damaged, match=r"^old cannot be read"):
            decode_segment(rows_damaged(data), "old", schema, rows=rows)


@pytest.mark.parametrize("folded", [False, True])
def test_a_folder_in_the_place_of_a_data_file_is_named_and_everything_else_is_looked_at(tmp_path: Path, folded: bool) -> None:
    one = InFolder(tmp_path)
    list(write(one.tape, lambda: NOW, "w", VENUES[:2], ["open_interest", "funding"]))
    publish(one)
    for _ in range(2 * folded):
        one.later(2)
        publish(one)
    path, *_ = paths(one, f"data/custom_open_interest/{NAME}")
    other, *_ = paths(one, f"data/funding_rate_update/{name_of(VENUES[1])}")
    (tmp_path / path).unlink()
    (tmp_path / path).mkdir()
    (tmp_path / other).write_bytes(b"garbage")
    found = {(one.path, one.kind): one.message for one in one.tape.verify()}
    assert "is a folder, and a file belongs there: move it away" in found[path, "stray"]
    assert (other, "unreadable") in found
    lines = repair(one.tape, one.tape.verify(), "mender")
    assert any(other in line for line in lines)
    assert folded or any(f"{path} is a folder" in line for line in lines)
    assert (path, "stray") in {(one.path, one.kind) for one in one.tape.verify()} or folded
    assert other not in {one.path for one in one.tape.verify()}
    times = waves("open_interest")
    one.tape.commit(VENUE, "open_interest", open_interest(VENUE, times[0], NOW), (), (), "again", lambda: NOW)
    one.tape.commit(VENUES[1], "open_interest", open_interest(VENUES[1], [START + 9 * DAY], NOW), (), (), "again", lambda: NOW)
    reports = {(r.venue, r.dataset): r for r in one.tape.publish(lease=False)}
    assert f"{path} is a folder" in str(reports[VENUE, "open_interest"].error)
    assert reports[VENUES[1], "open_interest"].files == 1
    (tmp_path / path).rmdir()
    assert publish(one) == []
    assert one.tape.verify() == []
