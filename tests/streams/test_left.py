"""Who looks at the logs of dead processes learns what nobody has brought in yet, and leaves everything as it is."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from perptape.collect.adoption import AGAIN_S
from perptape.collect.asking import Environment
from perptape.collect.mark_rules import Rules
from perptape.collect.outcome import Outcome
from perptape.collect.stay import Stay
from perptape.collect.stream_adopt import Adopted, adopt
from perptape.collect.summary import Summary
from perptape.datasets import LIQUIDATIONS
from perptape.store.log import MAKING, RECORDS
from perptape.store.log_disk import LOOKS, PAUSE_S, LocalLogDisk
from perptape.store.log_left import Left, left
from perptape.store.log_place import logs_of
from perptape.store.log_record import Begun, Owner
from perptape.store.log_space import PAGE, signature
from perptape.store.logs import Logs
from perptape.store.tape import Tape

RULES = asdict(Rules(("BTCUSDT-LINEAR.BYBIT",), push=2_000, quiet=300_000, kind="complete", basis="feed", market=False))
OWNER = Owner("here", "live")
DISK = LocalLogDisk()


def begun(name: str, owner: Owner = OWNER) -> Begun:
    return Begun(name, "bybit", "liquidations", 0, {}, RULES, LIQUIDATIONS.schema, owner.store, owner.origin)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(str(tmp_path / "log"), DISK, OWNER)


@contextmanager
def living(logs: Logs, name: str, owner: Owner = OWNER) -> Iterator[Path]:
    """The folder of a log while its process lives; it stays when that is dead."""
    log = logs.create(begun(name, owner), 2**16)
    assert log is not None
    yield Path(logs.root, name)
    log.release()


def dead(logs: Logs, name: str, owner: Owner = OWNER) -> Path:
    with living(logs, name, owner) as folder:
        return folder


def everything(root: str) -> dict[str, tuple[int, bytes]]:
    """Each file's time and bytes."""
    files = [path for path in Path(root).parent.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files} | {
        str(path): (path.stat().st_mtime_ns, b"") for path in Path(root).parent.rglob("*") if path.is_dir()
    }


def test_the_log_of_a_dead_process_waits_and_stays_to_be_adopted(logs: Logs) -> None:
    with living(logs, "a"):
        assert left(logs, DISK).waiting == ()
    dead(logs, "b")
    dead(logs, "c", Owner("elsewhere", "live"))
    before = everything(logs.root)
    found = left(logs, DISK)
    assert found == Left(logs.root, f"{logs.root}-damaged", ("a", "b"))
    assert everything(logs.root) == before
    assert sorted(log.name for log, _ in logs.adopt()) == ["a", "b", "c"]


def test_a_torn_end_is_left_as_it_is(logs: Logs) -> None:
    folder = dead(logs, "a")
    with (folder / RECORDS).open("r+b") as file:
        file.seek(2**15)
        file.write(b"torn")
    before = everything(logs.root)
    assert left(logs, DISK).waiting == ("a",)
    assert everything(logs.root) == before


def test_one_that_cannot_be_read_is_named_with_what_to_do_and_one_kept_aside_is_counted(logs: Logs) -> None:
    folder = dead(logs, "a")
    with (folder / RECORDS).open("r+b") as file:
        file.write(b"\xff" * 2**14)
    aside = Path(f"{logs.root}-damaged", "old")
    aside.parent.mkdir()
    aside.write_bytes(b"damaged")
    before = everything(logs.root)
    found = left(logs, DISK)
    ((path, why),) = found.unreadable
    assert (path, found.waiting, found.aside) == (str(folder), (), (str(aside),))
    assert "the log a cannot be read: its beginning is damaged" in why
    assert "move its folder away" in why
    assert everything(logs.root) == before


@pytest.mark.parametrize(("data", "why"), [(b"", "its beginning is damaged"), (signature(9) + bytes(PAGE), "a newer perptape wrote it")])
def test_one_that_is_empty_or_newer_is_what_adoption_says_it_is(logs: Logs, data: bytes, why: str) -> None:
    """A log has its name only once it is begun: an empty one was emptied."""
    folder, said = dead(logs, "a"), list[str]()
    (folder / RECORDS).write_bytes(data)
    assert list(logs.adopt(said)) == []
    found = left(logs, DISK)
    assert (found.unreadable, found.waiting) == (((str(folder), said[0]),), ())
    assert f"the log a cannot be read: {why}" in said[0]


class Disturbed(LocalLogDisk):
    """Something happens when a log is read for the first time. `stale`: that read fails."""

    def __init__(self, happens: Callable[[], object], *, stale: bool) -> None:
        super().__init__()
        self.happens, self.stale = iter([happens]), stale

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        data = super().read_at(path, offset, size)
        if size and (happens := next(self.happens, None)) is not None:
            happens()
            if self.stale:
                raise OSError(errno.ESTALE, "Stale file handle")
        return data


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("data", [None, signature(9) + bytes(PAGE)], ids=["stale", "newer"])
def test_one_that_somebody_brings_in_while_it_is_read_is_not_called_unreadable(logs: Logs, gone: bool, data: bytes | None) -> None:
    """The log of a newer perptape is brought in by that one."""
    folder = dead(logs, "a")
    if data is not None:
        (folder / RECORDS).write_bytes(data)
    with ExitStack() as lock:

        def adopting() -> None:
            assert lock.enter_context(DISK.locked(str(folder / "lock"), wait=False))
            if gone:
                (folder / RECORDS).unlink()
                lock.close()

        assert left(logs, Disturbed(adopting, stale=data is None)) == Left(logs.root, f"{logs.root}-damaged")
    assert (folder / RECORDS).exists() != gone


def test_one_that_nobody_brings_in_and_that_cannot_be_read_is_named_with_what_the_disk_said(logs: Logs) -> None:
    dead(logs, "a")
    [(_, why)] = left(logs, Disturbed(lambda: None, stale=True)).unreadable
    assert "the log a cannot be read: Stale file handle; it stays" in why


class Watched(LocalLogDisk):
    """Remembers whose lock was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def held(self, path: str) -> bool:
        self.asked.append(path)
        return super().held(path)


def test_of_a_log_that_is_being_begun_nobody_takes_the_lock(logs: Logs) -> None:
    """A streamer that does not get the lock of its new folder at once takes its name for another's."""
    for name, files in {"bare": (), "locked": ("lock",), "made": ("lock", MAKING)}.items():
        os.makedirs(os.path.join(logs.root, name))
        for file in files:
            Path(logs.root, name, file).touch()
    dead(logs, "z")
    disk, before = Watched(), everything(logs.root)
    assert left(logs, disk).waiting == ("z",)
    assert disk.asked == [os.path.join(logs.root, "z", "lock")]
    assert everything(logs.root) == before


def test_one_that_looks_does_not_pass_for_a_writer(logs: Logs) -> None:
    lock = str(dead(logs, "a") / "lock")
    with open(lock) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not DISK.held(lock)
    with DISK.locked(lock):
        assert DISK.held(lock)
    assert not DISK.held(lock)


@contextmanager
def looking(lock: Path) -> Iterator[None]:
    """As one that looks, and is not done with it."""
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


def test_a_look_in_the_instant_of_an_adoption_costs_nobody_a_log(logs: Logs) -> None:
    lock, slept = dead(logs, "a") / "lock", list[float]()
    with ExitStack() as look:

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 2:
                look.close()

        look.enter_context(looking(lock))
        [(log, _)] = Logs(logs.root, LocalLogDisk(sleep), OWNER).adopt()
    log.release()
    assert (log.name, slept) == ("a", [PAUSE_S] * 2)


def test_nobody_waits_for_a_log_whose_process_lives(logs: Logs) -> None:
    slept = list[float]()
    with living(logs, "a"):
        assert list(Logs(logs.root, LocalLogDisk(slept.append), OWNER).adopt()) == []
    assert slept == []


def test_a_log_that_somebody_looks_at_for_long_waits_for_the_next_adoption(kit: Any, logs: Logs) -> None:
    lock, slept, store = dead(logs, "a") / "lock", list[float](), kit.Store()
    with looking(lock):
        assert adopt(Logs(logs.root, LocalLogDisk(slept.append), OWNER), store) == Adopted(logs=1, waiting=["a"])
    assert slept == [PAUSE_S] * LOOKS
    found = adopt(logs, store)
    assert (found.logs, found.waiting, lock.exists()) == (1, [], False)


def test_what_a_later_adoption_found_takes_the_place_of_what_one_before_did() -> None:
    first = Adopted(waiting=["a", "b"], unreadable=["the log c", "the log d"])
    failed = first.named(["no answer"])
    assert failed == ["no answer", "the log c", "the log d"]
    assert first.named(failed) == failed
    first.go_on(later := Adopted(waiting=["b"], unreadable=["the log a", "the log d"]))
    assert (first.waiting, first.unreadable) == (["b"], later.unreadable)
    assert first.named(failed, ["the log c", "the log d"]) == ["no answer", "the log a", "the log d"]


@pytest.mark.looptime
async def test_what_only_a_later_adoption_cannot_read_is_named_while_a_run_stays_and_noted_at_its_end(kit: Any, tmp_path: Path) -> None:
    tape, loop, stop = Tape.open(str(tmp_path / "tape")), asyncio.get_running_loop(), asyncio.Event()
    tape.prepare("live", "nautilus1")
    logs, summary = logs_of(tape, None), Summary("file", "run", outcomes=[Outcome("bybit", "liquidations"), Outcome("bybit", "funding")])
    assert logs is not None
    environment = Environment(
        lambda: 0, loop.time, asyncio.sleep, lambda: 0.5, lanes=kit.Inline, log_disk=LocalLogDisk(lambda seconds: None)
    )
    spec = SimpleNamespace(store=SimpleNamespace(published_every=SimpleNamespace(ms=60_000)))
    request = SimpleNamespace(state=None, datasets=(), venues=(), namespace="trading", spec=spec)
    run: Any = SimpleNamespace(environment=environment, stop=stop, tape=tape, request=request, summary=summary)
    streamed, fetched = summary.outcomes
    staying = asyncio.create_task(Stay(run, {}, None).carry_out())
    folder = dead(logs, "a", logs.owner)
    with looking(folder / "lock"):
        await asyncio.sleep(1)
        assert streamed.failed == []
    (folder / RECORDS).write_bytes(b"")
    await asyncio.sleep(AGAIN_S)
    [said] = streamed.failed
    assert said.startswith("the log a cannot be read: its beginning is damaged")
    assert fetched.failed == []
    stop.set()
    await staying
    assert (streamed.failed, summary.notes) == ([], [said])


def test_where_no_log_can_be_listed_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("no folder")
    found = left(Logs(str(tmp_path / "log"), DISK, OWNER), DISK)
    assert [path for path, _ in found.unreadable] == [str(tmp_path / "log")]
    assert left(Logs(str(tmp_path / "none"), DISK, OWNER), DISK).unreadable == ()
