"""The log is durable up to a record, whole, and one process'; a roll is the same whoever makes it."""

from __future__ import annotations

import multiprocessing
import struct
import tracemalloc
import zlib
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from perptape.claims import Want
from perptape.datasets import LIQUIDATIONS
from perptape.errors import Newer, StoreError, Unwritable
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_record import Begun, Closed, Confirmed, Events, Mark, Marks, Owner, Record, Rolled, encode
from perptape.store.log_space import HEAD, PAGE, signature
from perptape.store.logs import Logs
from support.fake_exchange import START
from support.logged import decode


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
    records = tmp_path / "deep" / "log" / "0123" / "records"
    LocalLogDisk().write_at(str(records), HEAD + log.end, b"torn")
    [(adopted, found)] = logs.adopt()
    assert [type(one) for one in found] == [type(one) for one in everything(kit)]
    assert adopted.end == log.end
    assert not any(records.read_bytes()[HEAD + log.end :])
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


def test_a_log_whose_process_died_while_it_was_made_is_cleared_away(kit, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "records.new").write_bytes(encode(head(kit))[:-1])
    assert list(Logs(str(tmp_path), LocalLogDisk()).adopt()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_log_of_which_nothing_says_where_it_begins_is_an_error_and_stays(kit, tmp_path: Path) -> None:
    logs = Logs(str(tmp_path), LocalLogDisk())
    log = logs.create(head(kit), 2**20)
    assert log is not None
    log.release()
    path = tmp_path / "0123" / "records"
    whole = bytearray(path.read_bytes())
    whole[PAGE : PAGE + 4] = whole[2 * PAGE : 2 * PAGE + 4] = b"rust"
    path.write_bytes(whole)
    with pytest.raises(StoreError, match="both its beginnings are damaged"):
        list(logs.adopt())
    assert path.read_bytes() == whole


def test_a_log_is_of_which_little_is_used_is_adopted_in_little_memory(kit, tmp_path: Path) -> None:
    logs, size = Logs(str(tmp_path), LocalLogDisk()), 2**25
    log = logs.create(head(kit), size)
    assert log is not None
    log.release()
    tracemalloc.start()
    try:
        [(adopted, _)] = logs.adopt()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    adopted.release()
    assert peak < size / 8


def test_a_perptape_before_takes_a_log_that_owns_its_room_for_one_of_a_newer_and_leaves_it_alone() -> None:
    with pytest.raises(Newer):
        decode(signature())


def test_a_log_that_grew_with_its_records_is_brought_to_its_end(kit, tmp_path: Path) -> None:
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "records").write_bytes(b"".join(map(encode, everything(kit)[:3])) + b"torn")
    [(log, records)] = Logs(str(tmp_path), LocalLogDisk()).adopt()
    assert [type(one) for one in records] == [Begun, Events, Marks]
    log.write([Closed()])
    assert decode((tmp_path / "older" / "records").read_bytes())[0][3:] == [Closed()]
    log.release()


def batch(kit, number: int, rows: int = 5) -> Events:
    return Events(LIQUIDATIONS.table([kit.liquidation(START + number, one) for one in range(rows)]).to_batches()[0])


def test_room_that_is_not_needed_any_more_is_used_again_and_what_stood_there_is_never_read(kit) -> None:
    """Records of one length come to stand exactly where others stood."""
    disk = kit.Disk(dirs={"/", "/log"})
    size = len(encode(batch(kit, 0)))
    log = Logs("/log", disk).create(head(kit), 6 * size)
    assert log is not None
    begins = [0]
    for number in range(400):
        records = [batch(kit, number)] if number % 4 else [Closed(), head(kit, f"life{number}"), batch(kit, number)]
        log.write(records)
        if number % 4 == 0:
            begins.append(log.end - sum(map(len, map(encode, records[1:]))))
            log.forget(begins[-1])
        left = disk.after_kill()
        [(found, records)] = Logs("/log", left).adopt()
        kept = list(records)
        assert isinstance(kept[0], Begun)
        assert (kept[0].log, found.end, len(kept)) == (f"life{number // 4 * 4}", log.end, 2 + number % 4)
        assert kept[-1].rows == batch(kit, number).rows
    assert log.end > 8 * len(disk.read("/log/0123/records"))


def test_of_a_ring_that_was_gone_round_no_more_is_looked_at_than_where_the_newest_life_ends(kit, tmp_path: Path) -> None:
    looked: list[int] = []

    class Counted(LocalLogDisk):
        def read_at(self, path: str, offset: int, size: int) -> bytes:
            looked.append(size)
            return super().read_at(path, offset, size)

    log = Logs(str(tmp_path), LocalLogDisk()).create(head(kit), size := 2**24)
    assert log is not None
    while log.end < 2 * size:
        log.write([batch(kit, 0, 1_000)] * 20)
        log.forget(log.end)
    begin = log.end
    log.write([head(kit, "newest"), batch(kit, 1)])
    log.forget(begin)
    log.release()
    [(log, records)] = Logs(str(tmp_path), Counted()).adopt()
    assert (records.head.log, log.used, sum(looked) < size // 2) == ("newest", log.end - begin, True)
    log.release()


@pytest.mark.parametrize("loss", ["kept", "torn", "zeroed", "dropped"])
def test_a_loss_of_power_while_room_is_given_back_leaves_either_beginning(kit, loss: str) -> None:
    for at in range(3):
        disk = kit.Disk(dirs={"/", "/log"})
        log = Logs("/log", disk).create(head(kit), 4_000)
        assert log is not None
        begins = log.end + len(encode(Closed()))
        log.write([Closed(), head(kit, "second")])
        disk.fate.at = disk.fate.count + at
        with suppress(kit.Killed):
            log.forget(begins)
        [(_, records)] = Logs("/log", disk.after_power_loss(loss)).adopt()
        assert [one.log for one in records if isinstance(one, Begun)] in (["0123", "second"], ["second"])


def test_what_is_received_leaves_room_for_what_empties_the_log(kit) -> None:
    disk = kit.Disk(dirs={"/", "/log"}, owned=True)
    log = Logs("/log", disk).create(head(kit), 20_000)
    assert log is not None
    disk.room = 0
    written = log.end
    while written + len(encode(batch(kit, 0))) <= 20_000:
        log.write([batch(kit, 0)], last_words=False)
        written += len(encode(batch(kit, 0)))
    with pytest.raises(Unwritable, match="used up its reserve") as refused:
        log.write([batch(kit, 0)], last_words=False)
    assert refused.value.reason == "disk full"
    assert log.end == written
    log.write([Marks((Mark("control", "c", 5_000),)), Closed()])


def test_a_log_whose_room_is_not_to_be_had_is_not_made_and_leaves_nothing(kit) -> None:
    disk = kit.Disk(dirs={"/", "/log"}, room=4_000)
    with pytest.raises(Unwritable, match=r"4096 bytes \(PERPTAPE_LOG_RESERVE\) are not to be had") as refused:
        Logs("/log", disk).create(head(kit), 4_096)
    assert refused.value.reason == "disk full"
    assert disk.folders("/log") == []


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


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_write_that_fails_leaves_nothing_and_what_was_there_stays(kit, failing: str) -> None:
    disk = kit.Disk(dirs={"/", "/log"})
    log = Logs("/log", disk).create(head(kit), 4_000)
    assert log is not None
    before, end = disk.read("/log/0123/records"), log.end
    if failing == "write":
        disk.full, disk.left = [disk.writes], 10
    else:
        disk.refuses_sync = True
    with pytest.raises(StoreError, match="No space left"):
        log.write([Closed()] * 5)
    assert disk.read("/log/0123/records") == before
    disk.refuses_sync = False
    log.write([Closed()])
    assert log.end == end + len(encode(Closed()))
    log.release()
    [(_, records)] = Logs("/log", type(disk)(files={"/log/0123/records": disk.synced["/log/0123/records"]}, dirs=disk.dirs)).adopt()
    assert [type(one) for one in records] == [Begun, Closed]


def test_a_folder_of_logs_that_cannot_be_listed_is_an_error_of_the_store(tmp_path: Path) -> None:
    place = tmp_path / "log"
    place.write_text("a file")
    with pytest.raises(StoreError, match="cannot be listed"):
        list(Logs(str(place), LocalLogDisk()).adopt())
