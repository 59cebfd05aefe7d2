"""The log is durable up to a record, whole, and one process'; a roll is the same whoever makes it."""

from __future__ import annotations

import multiprocessing
import struct
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from perptape.claims import Want
from perptape.datasets import LIQUIDATIONS
from perptape.errors import StoreError
from perptape.store.log import Logs, Owner
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_record import Begun, Closed, Confirmed, Events, Mark, Marks, Record, Rolled, decode, encode
from support.fake_exchange import START


def head(kit, name: str = "0123") -> Begun:
    return Begun(name, "fake", "liquidations", 1_000, {kit.BTC: 500}, asdict(kit.RULES), LIQUIDATIONS.schema, "s3://tape", "live")


def of_version(record: Begun, version: int) -> bytes:
    """The first record as another version wrote it; the first one said neither store nor origin."""
    payload = encode(record)[9:].replace(b'"version":2', b'"version":%d' % version)
    if version == 1:
        payload = payload.replace(b'"store":"s3://tape","origin":"live",', b"")
    return struct.pack("<IIc", len(payload), zlib.crc32(payload, zlib.crc32(b"B")), b"B") + payload


def everything(kit) -> list[Record]:
    """One record of each kind."""
    want = Want("file", "session", kit.BTC, "stream", 0, 1_000, None, "BTCUSDT-PERP")
    rows = LIQUIDATIONS.table([kit.liquidation(START), kit.liquidation(START, 1)]).to_batches()[0]
    marks = Marks((Mark("control", "c", 5_000), Mark("malformed", "c", 6_000, text='{"half')))
    return [head(kit), Events(rows), marks, Rolled(1, 3, "name", 7_000, (want,)), Confirmed("name"), Closed()]


def same(one: Record, other: Record) -> bool:
    return encode(one) == encode(other) and type(one) is type(other)


def test_every_record_is_read_as_it_was_written(kit) -> None:
    records = everything(kit)
    data = b"".join(map(encode, records))
    found, size = decode(data)
    assert size == len(data)
    assert len(found) == len(records)
    assert all(map(same, found, records))
    assert found[3] == records[3]


def test_a_torn_or_damaged_end_is_cut_at_the_last_whole_record(kit) -> None:
    records = everything(kit)
    pieces = [encode(record) for record in records]
    data = b"".join(pieces)
    ends = [sum(map(len, pieces[: n + 1])) for n in range(len(pieces))]
    for size in range(0, len(data), 3):
        for torn in (data[:size], data[:size] + bytes(len(data) - size)):
            good = next((at for at, (one, other) in enumerate(zip(torn, data, strict=False)) if one != other), len(torn))
            whole = sum(end <= good for end in ends)
            found, kept = decode(torn)
            assert (len(found), kept) == (whole, ends[whole - 1] if whole else 0)


def test_a_log_can_be_written_read_and_removed_in_a_folder(kit, tmp_path: Path) -> None:
    logs = Logs(str(tmp_path / "deep" / "log"), LocalLogDisk())
    log = logs.create(head(kit))
    assert log is not None
    log.write(everything(kit)[1:])
    assert logs.create(head(kit)) is None
    assert list(logs.adopt()) == []
    log.release()
    with open(tmp_path / "deep" / "log" / "0123" / "records", "ab") as file:
        file.write(b"torn")
    [(adopted, records)] = logs.adopt()
    assert [type(one) for one in records] == [type(one) for one in everything(kit)]
    assert (tmp_path / "deep" / "log" / "0123" / "records").stat().st_size == adopted.size
    adopted.write([Closed()])
    adopted.remove()
    assert list((tmp_path / "deep" / "log").iterdir()) == []


def _write_and_die(root: str, log: Begun, ready) -> None:
    held = Logs(root, LocalLogDisk()).create(log)
    assert held is not None
    ready.set()
    ready.wait()
    import os
    import time

    time.sleep(60)
    os._exit(0)


def test_a_log_is_locked_for_as_long_as_its_process_lives(kit, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_write_and_die, args=(str(tmp_path), head(kit), ready))
    process.start()
    try:
        assert ready.wait(20)
        assert list(Logs(str(tmp_path), LocalLogDisk()).adopt()) == []
    finally:
        process.kill()
        process.join()
    [(log, records)] = Logs(str(tmp_path), LocalLogDisk()).adopt()
    assert [type(one) for one in records] == [Begun]
    log.release()


def test_a_folder_without_the_beginning_of_a_log_is_cleared_away(kit, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "records").write_bytes(encode(head(kit))[:-1])
    assert list(Logs(str(tmp_path), LocalLogDisk()).adopt()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_log_of_a_newer_perptape_is_left_alone(kit, tmp_path: Path) -> None:
    newer = of_version(head(kit), 3)
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "records").write_bytes(newer)
    assert list(Logs(str(tmp_path), LocalLogDisk()).adopt()) == []
    assert (tmp_path / "newer" / "records").read_bytes() == newer


def test_a_log_of_the_first_version_is_read_and_belongs_to_the_store_it_lies_in(kit) -> None:
    [first], size = decode(of_version(head(kit), 1))
    assert isinstance(first, Begun)
    assert (first.store, first.origin, size) == (None, None, len(of_version(head(kit), 1)))
    assert encode(replace(first, store="s3://tape", origin="live")) == encode(head(kit))
    assert Owner("s3://other", "simulated:1").owns(first)


def test_a_log_belongs_to_one_store_and_one_origin(kit) -> None:
    assert Owner("s3://tape", "live").owns(head(kit))
    assert not Owner("s3://tape at http://elsewhere", "live").owns(head(kit))
    assert not Owner("s3://tape", "simulated:1").owns(head(kit))


@pytest.mark.parametrize("failing", ["append", "fsync"])
def test_a_write_that_fails_leaves_nothing_and_what_was_there_stays(kit, failing: str) -> None:
    disk = kit.Disk(dirs={"/", "/log"})
    log = Logs("/log", disk).create(head(kit))
    assert log is not None
    before = disk.read("/log/0123/records")
    if failing == "append":
        disk.room = 10
    else:
        disk.refuses_sync = True
    with pytest.raises(StoreError, match="No space left"):
        log.write([Closed()] * 5)
    assert disk.read("/log/0123/records") == before
    disk.room, disk.refuses_sync = None, False
    log.write([Closed()])
    records, size = decode(disk.synced["/log/0123/records"])
    assert [type(one) for one in records] == [Begun, Closed]
    assert (size, log.count) == (log.size, 2)


def test_a_folder_of_logs_that_cannot_be_listed_is_an_error_of_the_store(tmp_path: Path) -> None:
    place = tmp_path / "log"
    place.write_text("a file")
    with pytest.raises(StoreError, match="cannot be listed"):
        list(Logs(str(place), LocalLogDisk()).adopt())
