"""Whatever becomes of a dead process' log: what can be read of it is in the store, nothing else is, and what was lost is said."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from perptape.claims import join
from perptape.collect.stream_adopt import Adopted, adopt
from perptape.datasets import LIQUIDATIONS
from perptape.errors import Unwritable
from perptape.interval import NS
from perptape.store.log_aside import KEPT, put_aside
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_record import Begun, Events, Lost, Rolled, encode
from perptape.store.log_space import HEAD, PAGE, Ring, signature
from perptape.store.logs import Logs
from streams.test_log import everything, of_version
from streams.test_log import head as head_of
from streams.test_parts import START, STEPS, WHOLE, copied, died

ROOT = "/state/log"
Steps = Sequence[tuple[str, str, int]]


def possible(steps: Steps) -> Iterator[tuple[str, str, int]]:
    """The same as a sink says it: nothing of a connection that is not acknowledged, and all anew where something was dropped."""
    known = {"c"}
    for what, connection, passed in steps:
        if what in ("speaks", "mute", "malformed") and connection not in known:
            what = "acknowledged"
        if what == "acknowledged":
            known.add(connection)
        if what == "closed":
            known.discard(connection)
        yield what, connection, passed
        if what == "dropped":
            yield from (("acknowledged", one, 0) for one in sorted(known))


def left(disk: Any) -> tuple[str, Ring, list[tuple[bytes, set[int]]]]:
    """A log's file, its ring, and of each record its kind and where in the file its bytes are."""
    (path,) = (one for one in disk.files if one.endswith("/records"))
    ring = Ring.found(disk, path)
    assert ring is not None
    records, _ = ring.read()
    found = []
    for kind, place, size in records._whole(records.start):
        pieces = ring._pieces(place - 9, size + 9)
        found.append((kind, {at for offset, begin, end in pieces for at in range(offset, offset + end - begin)}))
    return path, ring, found


def rows_of(store: Any) -> set[tuple[Any, ...]]:
    return {tuple(row.items()) for row in store.rows}


def untrue(store: Any, truth: set[tuple[Any, ...]]) -> list[Any]:
    """Claims about rows that are not all in the store."""
    own = rows_of(store)
    missing = [dict(row) for row in truth - own]
    proven = [claim for claim in join(store.claims) if claim.kind != "hole"]
    return [c for c in proven for row in missing if row["instrument_id"] == c.instrument and row["ts_event"] // NS in c.span]


PLACES = st.tuples(
    st.sampled_from(["signature", "first slot", "second slot", "records", "records", "records", "records"]), st.integers(0, 10**6)
)
FLIPS = st.lists(st.tuples(PLACES, st.integers(1, 255), st.sampled_from([1, 1, 4, 600])), min_size=1, max_size=4)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, flips=FLIPS, part=st.sampled_from([1, 20_000, WHOLE]), market=st.booleans(), limit=st.sampled_from([2**15, 2**18]))
def test_whatever_bytes_of_a_log_are_damaged(kit: Any, steps: Steps, flips: Any, part: int, market: bool, limit: int) -> None:
    disk, store = died(kit, [*possible(steps)], market=market, limit=limit)
    path, _, records = left(disk.after_kill())
    places = sorted(set().union(*(places for _, places in records)))
    data = bytearray(disk.files[path])
    for (where, at), xor, length in flips:
        begin = {"signature": at % 22, "first slot": PAGE + at % 28, "second slot": 2 * PAGE + at % 28}.get(where, places[at % len(places)])
        for place in range(begin, min(begin + length, len(data))):
            data[place] ^= xor
    stands(kit, disk, store, data, part)


LIVES = [step for n in range(9) for step in [*[("speaks", "cd"[n % 2], 1_000)] * 3, ("roll", "c", 300), ("put", "c", 300)]]
LIVES[7:7] = [("acknowledged", "d", 300), ("malformed", "c", 300)]


@pytest.mark.parametrize("limit", [2**15, 2**18])
def test_whatever_records_one_behind_another_are_damaged(kit: Any, limit: int) -> None:
    """Also those that begin a life, and what it carried on: its marks prove time that is before it."""
    disk, store = died(kit, [*possible(LIVES)], limit=limit)
    path, _, records = left(disk.after_kill())
    assert sum(kind == b"B" for kind, _ in records) == (1 if limit == 2**18 else 2)
    for first in range(len(records)):
        for end in (first + 1, first + 2, first + 4) if limit == 2**15 else (first + 1,):
            data = bytearray(disk.files[path])
            for _, places in records[first:end]:
                data[max(places)] ^= 1
            stands(kit, disk, store, data, WHOLE)


def stands(kit: Any, disk: Any, store: Any, data: bytearray, part: int) -> None:
    """What was promised of a log that holds `data` now."""
    (whole_disk, whole), (bad_disk, bad) = copied(kit, disk, store), copied(kit, disk, store)
    adopt(Logs(ROOT, whole_disk), whole, WHOLE)
    path, _, records = left(disk.after_kill())
    touched = {at for at, (one, other) in enumerate(zip(data, bad_disk.files[path], strict=True)) if one != other}
    bad_disk.files[path] = bytes(data)
    hurt = [bool(touched & places) for _, places in records]

    found = adopt(Logs(ROOT, bad_disk), bad, part)

    assert rows_of(bad) <= rows_of(whole), "a row that nobody heard"
    assert untrue(bad, rows_of(whole)) == []
    kept = f"{ROOT}-damaged/{path.split('/')[-2]}"
    if found.unreadable:
        assert bad.segments == store.segments
        assert bad_disk.files[path] == bytes(data)
        begun = [not bit for (kind, _), bit in zip(records, hurt, strict=True) if kind == b"B"]
        assert touched & set(range(HEAD)) or not any(begun), "it could have been read"
        return
    ends = len(hurt) - [*hurt[::-1], False].index(False)
    if hurt[:ends] != [False] * ends:
        assert found.damaged == [kept]
    elif not touched & set(range(HEAD)):
        assert found.damaged == [], "a torn end is cut, and no word is lost about it"
    assert (kept in bad_disk.files) == bool(found.damaged)
    assert bad_disk.folders(ROOT) == []
    for (kind, places), bit in zip(records, hurt, strict=True):
        assert kind != b"E" or bit or rows_at(data, places) <= rows_of(bad), "a record that was not touched is lost"
    before = dict(bad.segments)
    assert adopt(Logs(ROOT, bad_disk), bad, part) == Adopted()
    assert bad.segments == before


def rows_at(data: bytes, places: set[int]) -> set[tuple[Any, ...]]:
    """The rows of an events' record that is not damaged."""
    ordered = sorted(places)
    if ordered[-1] - ordered[0] >= len(ordered):  # the ring closes in it
        second = [at for n, at in enumerate(ordered) if at - ordered[0] == n]
        ordered = [*ordered[len(second) :], *second]
    payload = bytes(data[at] for at in ordered)[9:]
    batch = pa.ipc.read_record_batch(pa.py_buffer(payload), LIQUIDATIONS.schema)
    return {tuple(row.items()) for row in batch.to_pylist()}


SPOKEN = [("speaks", "c", 1_000)] * 20


def damaged(kit: Any, at: int, size: int = 1) -> tuple[Any, str, bytes]:
    """The log of a process that was killed after it heard for 20 seconds, of which `size` bytes from `at` on are not as they were."""
    disk, _ = died(kit, SPOKEN)
    path, _, _ = left(disk.after_kill())
    data = bytearray(disk.files[path])
    for place in range(at, at + size):
        data[place] ^= 0xFF
    disk.files[path] = bytes(data)
    return disk, path, bytes(data)


def middle(kit: Any) -> int:
    """Where in the file a record of events in the middle begins."""
    disk, _ = died(kit, SPOKEN)
    events = [places for kind, places in left(disk.after_kill())[2] if kind == b"E"]
    return min(events[len(events) // 2])


def test_what_is_before_and_behind_a_damaged_record_is_in_the_store_and_the_time_between_is_lost_as_damaged(kit: Any) -> None:
    disk, path, data = damaged(kit, middle(kit) + 20, 4)
    store = kit.Store()
    with capture_logs() as said:
        found = adopt(Logs(ROOT, disk), store)
    assert len(store.rows) == 19 * 4
    assert (found.rows, found.logs, found.waiting, found.unreadable) == (19 * 4, 1, [], [])
    [(hole, *more)] = [
        sorted(
            (c.start, c.end, c.cause) for c in join(store.claims) if c.kind == "hole" and c.instrument == kit.BTC and c.cause == "damaged"
        )
    ]
    assert (more, 2_000 < hole[1] - hole[0] < 7_000) == ([], True)
    proven = [c for c in join(store.claims) if c.kind == "complete" and c.instrument == kit.BTC]
    assert [c.end <= hole[0] or c.start >= hole[1] for c in proven] == [True, True], "both sides are claimed"
    [line] = [one for one in said if one["event"] == "log damaged"]
    assert (line["log_level"], line["kept"]) == ("warning", found.damaged[0])
    assert "delete it" in line["outcome"]
    assert disk.files[found.damaged[0]] == data, "it is kept as it was found"
    assert path not in disk.files


@pytest.mark.parametrize("before", [2, 3, 4])
def test_what_came_behind_the_damage_and_proves_nothing_yet_is_lost_as_damaged_too(kit: Any, before: int) -> None:
    """So near the end that nothing behind it was proven: until the last mark the time is the damage's, then no process was there."""
    disk, _ = died(kit, SPOKEN)
    events = [places for kind, places in left(disk.after_kill())[2] if kind == b"E"]
    disk, _, _ = damaged(kit, min(events[-before]) + 20, 4)
    store = kit.Store()
    found = adopt(Logs(ROOT, disk), store)
    assert len(store.rows) == 19 * 4
    end = START + 20_000
    assert set(found.said["fake", "liquidations"].values()) == {end}
    holes = [(c.end, c.cause) for c in join(store.claims) if c.kind == "hole" and c.instrument == kit.BTC and c.start > START]
    assert holes == [(end, "damaged")]


@pytest.mark.parametrize(("at", "size"), [(12, 1), (10, 4), (HEAD + 12, 1), (PAGE, 2 * PAGE)], ids=["header", "version", "first", "slots"])
def test_a_log_whose_beginning_cannot_be_read_is_left_as_it_is_and_named_with_what_to_do(kit: Any, at: int, size: int) -> None:
    disk, path, data = damaged(kit, at, size)
    store = kit.Store()
    with capture_logs() as said:
        found = adopt(Logs(ROOT, disk), store)
    assert (disk.files[path], store.segments, found.logs) == (data, {}, 0)
    [line] = found.unreadable
    assert "log0" in line
    assert "move its folder away" in line
    assert [(one["log_level"], one["outcome"]) for one in said] == [("error", line)]


def written(kit: Any, folder: Path, data: bytes) -> Path:
    place = folder / "log" / "log0"
    place.mkdir(parents=True)
    (place / "records").write_bytes(data)
    return place / "records"


@pytest.mark.parametrize("size", [0, 10, 5_000, HEAD + 5])
def test_a_log_that_was_cut_off_at_its_beginning_is_left_as_it_is(kit: Any, tmp_path: Path, size: int) -> None:
    data = damaged(kit, 0, 0)[2][:size]
    place = written(kit, tmp_path, data)
    found = adopt(Logs(str(tmp_path / "log"), LocalLogDisk()), kit.Store())
    assert (len(found.unreadable), place.read_bytes()) == (1, data)


def test_of_a_log_that_was_cut_off_in_its_middle_the_rest_is_in_the_store_and_it_is_kept(kit: Any, tmp_path: Path) -> None:
    data = damaged(kit, 0, 0)[2][: middle(kit)]
    written(kit, tmp_path, data)
    store = kit.Store()
    found = adopt(Logs(str(tmp_path / "log"), LocalLogDisk()), store)
    assert (len(store.rows), found.unreadable) == (40, [])
    assert found.damaged == [str(tmp_path / "log-damaged" / "log0")]
    assert Path(found.damaged[0]).read_bytes() == data
    assert list((tmp_path / "log").iterdir()) == []


def test_of_a_log_whose_end_is_damaged_too_nothing_is_written(kit: Any) -> None:
    disk, path, _ = damaged(kit, middle(kit) + 20, 4)
    _, _, records = left(disk.after_kill())
    data = bytearray(disk.files[path])
    data[max(max(places) for _, places in records) - 1] ^= 0xFF
    disk.files[path] = bytes(data)
    store = kit.Store(away=True)
    assert adopt(Logs(ROOT, disk), store).waiting == ["log0"]
    assert disk.files[path] == data
    store.away = False
    [kept] = adopt(Logs(ROOT, disk), store).damaged
    assert disk.files[kept] == data


def test_a_log_of_the_version_before_whose_process_died_before_it_was_begun_goes_without_a_word(kit: Any, tmp_path: Path) -> None:
    """That one gave it its name first."""
    place = tmp_path / "log" / "log0"
    place.mkdir(parents=True)
    Ring.made(LocalLogDisk(), str(place / "records"), 3 * 2**20 + 5)
    assert adopt(Logs(str(tmp_path / "log"), LocalLogDisk()), kit.Store()) == Adopted()
    assert list((tmp_path / "log").iterdir()) == []


@pytest.mark.parametrize("hurt", ["a byte", "cut"])
def test_a_log_of_which_all_but_a_byte_is_as_it_was_made_was_begun(kit: Any, tmp_path: Path, hurt: str) -> None:
    place = written(kit, tmp_path, b"")
    Ring.made(LocalLogDisk(), str(place), 2**20)
    whole = place.read_bytes()
    place.write_bytes(data := whole[:-1] + (b"x" if hurt == "a byte" else b""))
    [line] = adopt(Logs(str(tmp_path / "log"), LocalLogDisk()), kit.Store()).unreadable
    assert ("its beginning is damaged" in line, place.read_bytes()) == (True, data)


def test_a_log_of_a_newer_perptape_is_named(kit: Any, tmp_path: Path) -> None:
    for name, data in {"ring": signature(9) + bytes(PAGE), "grown": of_version(head_of(kit), 3)}.items():
        place = written(kit, tmp_path / name, data)
        found = adopt(Logs(str(tmp_path / name / "log"), LocalLogDisk()), kit.Store())
        assert ["a newer perptape wrote it" in line and "move its folder away" in line for line in found.unreadable] == [True]
        assert place.read_bytes() == data


def test_a_folder_in_a_logs_place_is_named_and_keeps_no_other_log_from_being_adopted(kit: Any, tmp_path: Path) -> None:
    (tmp_path / "log" / "first" / "records").mkdir(parents=True)
    written(kit, tmp_path, damaged(kit, 0, 0)[2])
    store = kit.Store()
    found = adopt(Logs(str(tmp_path / "log"), LocalLogDisk()), store)
    assert (len(found.unreadable), "move its folder away" in found.unreadable[0], len(store.rows)) == (1, True, 80)
    assert (tmp_path / "log" / "first" / "records").is_dir()


def test_who_adopts_a_damaged_log_may_be_killed_at_any_point(kit: Any) -> None:
    at = middle(kit) + 20
    expected, fate = kit.Store(), kit.Fate()
    disk, _, _ = damaged(kit, at)
    disk.fate = expected.fate = fate
    adopt(Logs(ROOT, disk), expected, 1)
    for step in range(fate.count):
        for after in (False, True):
            (disk, _, _), again = damaged(kit, at), kit.Store()
            disk.fate = again.fate = kit.Fate(step, after)
            with pytest.raises(kit.Killed):
                adopt(Logs(ROOT, disk), again, 1)
            disk, again.fate = disk.after_kill(), kit.Fate()
            adopt(Logs(ROOT, disk), again, 1)
            assert again.segments == expected.segments
            assert (disk.folders(ROOT), [one for one in disk.files if "damaged" in one]) == ([], [f"{ROOT}-damaged/log0"])


def test_no_more_damaged_logs_are_kept_than_a_few_and_the_oldest_go(kit: Any, tmp_path: Path) -> None:
    root = tmp_path / "log"
    root.mkdir()
    for number in range(KEPT + 3):
        (root / f"{number}").write_bytes(b"log")
        os.utime(root / f"{number}", (number, number))
        put_aside(LocalLogDisk(), str(root), str(root / f"{number}"), f"{number}")
    assert sorted(one.name for one in (tmp_path / "log-damaged").iterdir()) == [f"{number}" for number in range(3, KEPT + 3)]


@pytest.mark.parametrize(("says", "stay"), [(errno.ENOSPC, ["2"]), (errno.EDQUOT, ["2"]), (errno.EACCES, ["0", "1", "2"])])
def test_where_a_new_log_has_no_room_the_oldest_damaged_ones_go(kit: Any, tmp_path: Path, says: int, stay: list[str]) -> None:
    aside = tmp_path / "log-damaged"
    aside.mkdir()
    for number in range(3):
        (aside / f"{number}").write_bytes(b"log")
        os.utime(aside / f"{number}", (number, number))

    class Full(LocalLogDisk):
        def allocate(self, path: str, size: int) -> None:
            if len(list(aside.iterdir())) > 1:
                Path(path).touch()
                raise OSError(says, os.strerror(says))
            super().allocate(path, size)

    logs = Logs(str(tmp_path / "log"), Full())
    if says == errno.EACCES:
        with pytest.raises(Unwritable, match="Permission denied"):
            logs.create(head_of(kit), 2**16)
    else:
        log = logs.create(head_of(kit), 2**16)
        assert log is not None
        log.write(everything(kit)[1:])
        log.release()
        [(log, records)] = logs.adopt()
        assert (len(list(records)), log.used, os.listdir(tmp_path / "log" / "0123").count("records")) == (6, log.end, 1)
        log.release()
    assert sorted(one.name for one in aside.iterdir()) == stay


def test_a_disk_that_is_full_whatever_goes_has_no_room_for_a_log(kit: Any, tmp_path: Path) -> None:
    class Full(LocalLogDisk):
        def allocate(self, path: str, size: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "log-damaged").mkdir()
    (tmp_path / "log-damaged" / "one").write_bytes(b"log")
    with pytest.raises(Unwritable, match="are not to be had: No space left") as refused:
        Logs(str(tmp_path / "log"), Full()).create(head_of(kit), 2**16)
    assert refused.value.reason == "disk full"
    assert [list((tmp_path / one).iterdir()) for one in ("log", "log-damaged")] == [[], []]


def test_a_log_that_waits_is_not_said_to_be_adopted(kit: Any) -> None:
    disk, _, _ = damaged(kit, 0, 0)
    with capture_logs() as said:
        found = adopt(Logs(ROOT, disk), kit.Store(away=True))
    assert found.waiting == ["log0"]
    assert [(one["event"], one["log_level"], one["outcome"]) for one in said] == [("log waits", "warning", "the store is away")]


def test_a_damaged_log_of_which_the_store_takes_nothing_waits_where_it_is(kit: Any) -> None:
    disk, path, _ = damaged(kit, middle(kit))
    store = kit.Store(away=True)
    assert adopt(Logs(ROOT, disk), store).damaged == []
    assert path in disk.files
    store.away = False
    again = adopt(Logs(ROOT, disk), store)
    assert (again.waiting, len(again.damaged), len(store.rows)) == ([], 1, 76)


def test_a_grown_log_of_an_earlier_version_that_is_damaged_is_read_on_both_sides(kit: Any, tmp_path: Path) -> None:
    pieces = [encode(record) for record in everything(kit)]
    pieces[2] = pieces[2][:-1] + b"?"
    written(kit, tmp_path, b"".join(pieces))
    [(log, records)] = Logs(str(tmp_path / "log"), LocalLogDisk()).adopt()
    assert [type(one) for one in records][:4] == [Begun, Events, Lost, Rolled]
    assert records.damaged
    log.release()
