"""Stores to test with: a bucket in memory, and a disk that remembers its operations, for a kill or a loss of power at each."""

from __future__ import annotations

import errno
import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from perptape.store.filesystem import Absent, Conflict, Entry, Stored
from perptape.store.lease import leased


class Killed(BaseException):
    """The process died here. Not an Exception: no code of ours may catch it."""


@dataclass
class Bucket:
    """Objects that outlive their writers: path -> (data, version, modified)."""

    objects: dict[str, tuple[bytes, str, int]] = field(default_factory=dict)
    history: list[tuple[str, dict[str, tuple[bytes, str, int]]]] = field(default_factory=list)
    """After each side effect: what it was, and all objects."""
    remember: bool = False
    versions: Iterator[int] = field(default_factory=itertools.count)
    effects: int = 0
    """How many side effects there were."""

    def changed(self, effect: str) -> None:
        self.effects += 1
        if self.remember:
            self.history.append((effect, dict(self.objects)))

    def copy(self) -> Bucket:
        return Bucket(dict(self.objects), versions=itertools.count(10**9))


class MemoryFileSystem:
    """One process' view of a bucket. `before` and `after` see each call; they may wait, fail, or kill."""

    location = "memory://"
    identity = "memory"
    parallel = 1

    def __init__(
        self,
        bucket: Bucket,
        clock: Callable[[], int],
        *,
        swaps: bool = True,
        before: Callable[[str, str], None] = lambda call, path: None,
        after: Callable[[str, str], None] = lambda call, path: None,
    ) -> None:
        self.bucket, self.swaps, self._clock, self._before, self._after = bucket, swaps, clock, before, after

    @contextmanager
    def _call(self, call: str, path: str) -> Iterator[None]:
        self._before(call, path)
        try:
            yield
        finally:
            self._after(call, path)

    def read(self, path: str) -> Stored:
        with self._call("read", path):
            if path not in self.bucket.objects:
                raise Absent(f"{path} is not there")
            data, version, _ = self.bucket.objects[path]
            return Stored(data, version)

    def create(self, path: str, data: bytes) -> None:
        with self._call("create", path):
            self._put("create", path, data)

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        with self._call("replace", path):
            there = self.bucket.objects.get(path)
            if self.swaps and (None if there is None else there[1]) != expected:
                raise Conflict(f"{path} was changed")
            return self._put("replace", path, data)

    def _put(self, effect: str, path: str, data: bytes) -> str:
        version = f"v{next(self.bucket.versions)}"
        self.bucket.objects[path] = (bytes(data), version, self._clock())
        self.bucket.changed(f"{effect} {path}")
        return version

    def delete(self, path: str) -> None:
        with self._call("delete", path):
            if self.bucket.objects.pop(path, None) is not None:
                self.bucket.changed(f"delete {path}")

    def list(self, prefix: str) -> Sequence[Entry]:
        with self._call("list", prefix):
            found = [Entry(p, len(data), at) for p, (data, _, at) in self.bucket.objects.items() if p.startswith(f"{prefix}/")]
            return sorted(found, key=lambda entry: entry.path)

    def now(self) -> int:
        with self._call("now", ""):
            return self._clock()

    @contextmanager
    def lease(self, holder: str) -> Iterator[bool]:
        with leased(self, holder) as free:
            yield free


@dataclass(frozen=True)
class Operation:
    """One primitive operation on a disk, as it was done."""

    name: str
    path: str
    data: bytes = b""
    target: str = ""
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.path} {self.target}".strip()


@dataclass
class File:
    durable: bytes = b""
    now: bytes = b""
    synced: bool = False


@dataclass
class Names:
    """One folder: names that are durable, and what was done to names since."""

    durable: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)
    pending: list[tuple[str, Any]] = field(default_factory=list)

    def set(self, name: str, node: Any) -> None:
        if node is None:
            self.now.pop(name, None)
        else:
            self.now[name] = node
        self.pending.append((name, node))

    def sync(self) -> None:
        self.durable, self.pending = dict(self.now), []


class RecordingDisk:
    """A disk in memory which knows what would survive a loss of power. `fault` sees each operation before it is done."""

    def __init__(self, clock: Callable[[], int] = lambda: 0, fault: Callable[[Operation], None] = lambda operation: None) -> None:
        self.root, self._clock, self._fault = Names(), clock, fault
        self._locks: set[str] = set()
        self.times: dict[int, int] = {}
        self.operations: list[Operation] = []

    def read(self, path: str) -> bytes:
        node = self._node(path)
        if isinstance(node, Names):
            raise IsADirectoryError(errno.EISDIR, "is a folder", path)
        return node.now

    def write(self, path: str, data: bytes) -> None:
        self._do(Operation("write", path, bytes(data)))

    def append(self, path: str, data: bytes) -> None:
        self._do(Operation("append", path, bytes(data)))

    def fsync(self, path: str) -> None:
        self._do(Operation("fsync", path))

    def fsync_dir(self, path: str) -> None:
        self._do(Operation("fsync_dir", path))

    def replace(self, source: str, target: str) -> None:
        self._do(Operation("replace", source, target=target))

    def unlink(self, path: str) -> None:
        self._do(Operation("unlink", path))

    def mkdir(self, path: str) -> None:
        self._do(Operation("mkdir", path))

    def truncate(self, path: str, size: int) -> None:
        self._do(Operation("truncate", path, bytes(size)))

    def rmdir(self, path: str) -> None:
        self._do(Operation("rmdir", path))

    def allocate(self, path: str, size: int) -> None:
        self._do(Operation("allocate", path, bytes(size)))

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        self._do(Operation("write_at", path, bytes(data), offset=offset))

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        return self.read(path)[offset : offset + size]

    def folders(self, path: str) -> Sequence[str]:
        try:
            node = self._node(path)
        except FileNotFoundError:
            return []
        return sorted(name for name, inside in node.now.items() if isinstance(inside, Names))

    def isdir(self, path: str) -> bool:
        try:
            return isinstance(self._node(path), Names)
        except OSError:
            return False

    def walk(self, path: str) -> Iterator[tuple[str, int, int]]:
        try:
            node = self._node(path)
        except FileNotFoundError:
            return
        for name, inside in sorted(node.now.items()):
            if isinstance(inside, Names):
                yield from self.walk(f"{path}/{name}")
            else:
                yield f"{path}/{name}", len(inside.now), self.times.get(id(inside), 0)

    @contextmanager
    def locked(self, path: str, *, wait: bool = True) -> Iterator[bool]:
        if path in self._locks:
            assert not wait, "one thread cannot wait for itself"
            yield False
            return
        self._locks.add(path)
        try:
            yield True
        finally:
            self._locks.discard(path)

    def lose_power(self, chance: random.Random | None) -> None:
        """What was not fsynced is gone, or torn, or there (see `power_lost_after`), and all locks are free."""
        before, self.root, self.times = self.root, Names(), dict(self.times)
        _survive(before, self.root, chance, self.times, self._clock)
        self._locks.clear()

    def _do(self, operation: Operation) -> None:
        self._fault(operation)
        self.apply(operation)
        self.operations.append(operation)

    def apply(self, operation: Operation) -> None:
        folder, _, name = operation.path.rpartition("/")
        getattr(self, f"_{operation.name}")(operation, self._folder(folder), name)

    def _write(self, operation: Operation, folder: Names, name: str) -> None:
        node = folder.now.get(name)
        if node is None:
            node = File()
            folder.set(name, node)
        added = operation.name == "append"
        node.now, node.synced = (node.now if added else b"") + operation.data, False
        self.times[id(node)] = self._clock()

    _append = _allocate = _write

    def _write_at(self, operation: Operation, folder: Names, name: str) -> None:
        node, start = folder.now[name], operation.offset
        node.now = node.now[:start].ljust(start, b"\0") + operation.data + node.now[start + len(operation.data) :]
        node.synced = False
        self.times[id(node)] = self._clock()

    def _truncate(self, operation: Operation, folder: Names, name: str) -> None:
        node = folder.now[name]
        node.now, node.synced = node.now[: len(operation.data)], False

    def _fsync(self, operation: Operation, folder: Names, name: str) -> None:
        node = self._node(operation.path)
        node.durable, node.synced = node.now, True

    def _fsync_dir(self, operation: Operation, folder: Names, name: str) -> None:
        self._folder(operation.path).sync()

    def _replace(self, operation: Operation, folder: Names, name: str) -> None:
        node = self._node(operation.path)
        to, _, last = operation.target.rpartition("/")
        self._folder(to).set(last, node)
        folder.set(name, None)

    def _unlink(self, operation: Operation, folder: Names, name: str) -> None:
        self._node(operation.path)
        folder.set(name, None)

    _rmdir = _unlink

    def _mkdir(self, operation: Operation, folder: Names, name: str) -> None:
        if name in folder.now:
            raise FileExistsError(errno.EEXIST, "is there", operation.path)
        folder.set(name, Names())

    def _folder(self, path: str) -> Names:
        node = self._node(path)
        if not isinstance(node, Names):
            raise NotADirectoryError(errno.ENOTDIR, "is no folder", path)
        return node

    def _node(self, path: str) -> Any:
        node: Any = self.root
        for part in path.split("/"):
            if not part:
                continue
            if not isinstance(node, Names):
                raise NotADirectoryError(errno.ENOTDIR, "is no folder", path)
            if part not in node.now:
                raise FileNotFoundError(errno.ENOENT, "is not there", path)
            node = node.now[part]
        return node


def killed_after(operations: Sequence[Operation], clock: Callable[[], int]) -> RecordingDisk:
    """The disk as the next process finds it when the process died after these operations: the system kept all that was written."""
    disk = RecordingDisk(clock)
    for operation in operations:
        disk.apply(operation)
    return disk


def power_lost_after(operations: Sequence[Operation], clock: Callable[[], int], chance: random.Random | None) -> RecordingDisk:
    """The disk after the power went: what was not fsynced is gone (`chance` is None), or is there, torn or absent as it falls."""
    before, after = killed_after(operations, clock), RecordingDisk(clock)
    _survive(before.root, after.root, chance, after.times, clock)
    return after


def _survive(before: Names, after: Names, chance: random.Random | None, times: dict[int, int], clock: Callable[[], int]) -> None:
    names = dict(before.durable)
    for name, node in before.pending:
        if chance is not None and chance.random() < 0.5:
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node
    for name, node in names.items():
        kept: Names | File
        if isinstance(node, Names):
            kept = Names()
            _survive(node, kept, chance, times, clock)
        else:
            data = node.durable if node.synced else _torn(node, chance)
            kept = File(data, data, True)
            times[id(kept)] = clock()
        after.durable[name] = after.now[name] = kept


def _torn(file: File, chance: random.Random | None) -> bytes:
    if chance is None:
        return file.durable
    cut = chance.randint(0, len(file.now))
    torn = [file.durable, file.now, file.now[:cut], file.now[:cut] + bytes(len(file.now) - cut)]
    if len(file.durable) == len(file.now):  # written in place: what is behind the tear is as it was
        torn[2:] = [file.now[:cut] + file.durable[cut:], file.durable[:cut] + file.now[cut:]]
    return chance.choice(torn)


class Actor:
    """Runs a function in a thread of its own, one call to the store at a time, as somebody else says."""

    def __init__(self, run: Callable[[Actor], Any]) -> None:
        self._go, self._arrived = threading.Lock(), threading.Lock()  # each is let go once for every time that it is waited for
        self._go.acquire()
        self._arrived.acquire()
        self._dead = False
        self.done, self.result, self.error = False, None, None
        self._thread = threading.Thread(target=self._run, args=(run,), daemon=True)
        self._thread.start()

    result: Any
    error: BaseException | None
    at: tuple[str, str] = ("", "")
    """The call that it stands at."""

    def _run(self, run: Callable[[Actor], Any]) -> None:
        try:
            self._go.acquire()
            self.result = run(self)
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        self.done = True
        self._arrived.release()

    def wait(self, call: str = "", path: str = "") -> None:
        """Called by the store: stands here until the next step."""
        if self._dead:
            raise Killed
        self.at = (call, path)
        self._arrived.release()
        self._go.acquire()
        if self._dead:
            raise Killed

    def step(self) -> None:
        """Lets it go on to its next call, or to its end."""
        if not self.done:
            self._go.release()
            self._arrived.acquire()

    def until(self, call: str, start: str) -> None:
        """Lets it go on until it stands at such a call."""
        while True:
            self.step()
            if self.done:
                raise AssertionError(f"it ended before any {call} of {start}") from self.error
            if self.at[0] == call and self.at[1].startswith(start):
                return

    def finish(self) -> Any:
        """Lets it go on to its end; its result."""
        while not self.done:
            self.step()
        if self.error is not None:
            raise self.error
        return self.result

    def kill(self) -> None:
        self._dead = True
        self.step()
        self._thread.join()
