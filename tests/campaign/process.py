"""A process of the campaign: tasks that can die at any side effect, and what they see of disk, bucket and clock.

A dead process reaches nothing: every look and every effect of it raises `Killed`, and the locks that it held are free.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from perptape.errors import StoreError
from perptape.store.filesystem import Entry, Stored
from perptape.store.folder import Folder
from support.storage import Actor, Bucket, Killed, MemoryFileSystem, RecordingDisk

T = TypeVar("T")
CURRENT: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def tracked(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], **more: Any) -> asyncio.Task[T]:
    """A task factory: every task is its process'."""
    task = asyncio.Task(coroutine, loop=loop, **more)
    process = CURRENT.get()
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(process.ended)
    return task


@dataclass(eq=False)
class Process:
    """`fatal`: the side effects that it has left before it dies in one (None: it does not). `skew`: its clock less the true one, ms."""

    name: str
    loop: asyncio.AbstractEventLoop
    chance: random.Random
    skew: Callable[[], int] = lambda: 0
    alive: bool = True
    fatal: int | None = None
    tasks: dict[asyncio.Task[Any], None] = field(default_factory=dict)
    actors: list[Actor] = field(default_factory=list)
    main: asyncio.Task[Any] | None = None
    began: float = 0.0
    died: float | None = None
    streams: bool = False
    ended_well: bool = False
    """It was told to stop, and did."""

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        context = contextvars.copy_context()
        context.run(CURRENT.set, self)
        self.began = self.loop.time()
        self.main = context.run(self.loop.create_task, coroutine)
        return self.main

    def ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)
        if not task.cancelled():
            task.exception()  # seen: one that is killed dies of it

    def look(self) -> None:
        """Before anything outside is read."""
        if not self.alive:
            raise Killed

    def dies(self) -> bool:
        """Before a side effect: whether it dies in this one."""
        self.look()
        if self.fatal is None:
            return False
        self.fatal -= 1
        return self.fatal < 0

    def kill(self) -> None:
        """At once: nothing that it still does reaches anything."""
        self.alive = False
        self.died = self.loop.time() if self.died is None else self.died
        for actor in self.actors:
            actor.kill()
        for task in list(self.tasks):
            task.cancel()

    def die(self) -> None:
        """In the middle of something."""
        self.alive, self.died = False, self.loop.time()
        self.loop.call_soon(self.kill)
        raise Killed


class Lane:
    """Runs what blocks in its turn, some milliseconds later, in one go."""

    def __init__(self, process: Process, seconds: float = 0.004) -> None:
        self._process, self._seconds = process, seconds

    async def __call__(self, call: Callable[[], T]) -> T:
        await asyncio.sleep(self._seconds)
        self._process.look()
        return call()

    def close(self) -> None:
        pass


class ProcessDisk:
    """One process' view of a disk. `full`: whether there is no room now."""

    def __init__(self, disk: RecordingDisk, process: Process, full: Callable[[], bool], holders: dict[str, Process]) -> None:
        self._disk, self._process, self._full, self._holders = disk, process, full, holders

    def write(self, path: str, data: bytes) -> None:
        self._put(self._disk.write, path, data)

    def append(self, path: str, data: bytes) -> None:
        self._put(self._disk.append, path, data)

    def _put(self, put: Callable[[str, bytes], None], path: str, data: bytes) -> None:
        process = self._process
        dies = process.dies()
        if dies or (data and self._full()):
            if part := process.chance.randrange(len(data) + 1):
                put(path, data[:part])
            if dies:
                process.die()
            raise OSError(errno.ENOSPC, "No space left on device", path)
        put(path, data)

    def allocate(self, path: str, size: int) -> None:
        if self._full():
            raise OSError(errno.ENOSPC, "No space left on device", path)
        self._done(self._disk.allocate, path, size)

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        """Room was taken before, which file systems that copy on writing do not honour. The process may die when a part is written."""
        dies = self._process.dies()
        if not dies and self._full() and self._process.chance.random() < 0.5:
            self._disk.write_at(path, offset, data[: self._process.chance.randrange(len(data) + 1)])
            raise OSError(errno.ENOSPC, "No space left on device", path)
        self._disk.write_at(path, offset, data[: self._process.chance.randrange(len(data) + 1)] if dies else data)
        if dies:
            self._process.die()

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        self._process.look()
        return self._disk.read_at(path, offset, size)

    def _done(self, effect: Callable[..., None], *args: Any) -> None:
        dies = self._process.dies()
        if not dies or self._process.chance.random() < 0.5:
            effect(*args)
        if dies:
            self._process.die()

    def fsync(self, path: str) -> None:
        self._done(self._disk.fsync, path)

    def fsync_dir(self, path: str) -> None:
        self._done(self._disk.fsync_dir, path)

    def replace(self, source: str, target: str) -> None:
        self._done(self._disk.replace, source, target)

    def unlink(self, path: str) -> None:
        self._done(self._disk.unlink, path)

    def mkdir(self, path: str) -> None:
        self._done(self._disk.mkdir, path)

    def truncate(self, path: str, size: int) -> None:
        self._done(self._disk.truncate, path, size)

    def rmdir(self, path: str) -> None:
        self._done(self._disk.rmdir, path)

    def read(self, path: str) -> bytes:
        self._process.look()
        return self._disk.read(path)

    def isdir(self, path: str) -> bool:
        self._process.look()
        return self._disk.isdir(path)

    def walk(self, path: str) -> Iterator[tuple[str, int, int]]:
        self._process.look()
        return self._disk.walk(path)

    def folders(self, path: str) -> Sequence[str]:
        self._process.look()
        return self._disk.folders(path)

    @contextmanager
    def locked(self, path: str, *, wait: bool = True) -> Iterator[bool]:
        """The dead hold nothing."""
        self._process.look()
        holder = self._holders.get(path)
        if holder is not None and holder.alive:
            assert not wait, "nobody can wait here"
            yield False
            return
        self._holders[path] = self._process
        try:
            yield True
        finally:
            if self._holders.get(path) is self._process:
                del self._holders[path]


class Hooked:
    """A store as a process sees it: `before` each call it may be found dead, away, or made to wait."""

    before: Callable[[str, str], None] = staticmethod(lambda call, path: None)
    made: Callable[[str, bytes], None] = staticmethod(lambda path, data: None)
    """Told of each new object when it is about to be there."""
    process: Process

    def read(self, path: str) -> Stored:
        self.before("read", path)
        return super().read(path)  # type: ignore[misc]

    def create(self, path: str, data: bytes) -> None:
        self.before("create", path)
        self.made(path, data)
        self.effect(lambda: super(Hooked, self).create(path, data))  # type: ignore[misc]

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        self.before("replace", path)
        return self.effect(lambda: super(Hooked, self).replace(path, data, expected))  # type: ignore[misc]

    def delete(self, path: str) -> None:
        self.before("delete", path)
        self.effect(lambda: super(Hooked, self).delete(path))  # type: ignore[misc]

    def list(self, prefix: str) -> Sequence[Entry]:
        self.before("list", prefix)
        return super().list(prefix)  # type: ignore[misc]

    def effect(self, call: Callable[[], T]) -> T:
        return call()


class FolderView(Hooked, Folder):
    """A folder on a disk; the process dies in the disk's operations."""


class BucketView(Hooked, MemoryFileSystem):
    """A bucket; a put is there or not when the process dies in it."""

    def __init__(self, bucket: Bucket, clock: Callable[[], int], process: Process) -> None:
        super().__init__(bucket, clock)
        self.process = process

    def effect(self, call: Callable[[], T]) -> T:
        dies = self.process.dies()
        if dies and self.process.chance.random() < 0.5:
            self.process.die()
        done = call()
        if dies:
            self.process.die()
        return done


def hook(process: Process, away: Callable[[], bool], actor: Callable[[], Actor | None]) -> Callable[[str, str], None]:
    """What happens before a call to the store."""

    def before(call: str, path: str) -> None:
        if (stepped := actor()) is not None:
            stepped.wait(call, path)
        process.look()
        if away():
            raise StoreError(f"{path}: the store does not answer")

    return before
