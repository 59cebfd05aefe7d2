"""What a process of the campaign sees of disk and bucket: everything it does there passes its fate first."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from campaign.process import Process
from perptape.errors import StoreError
from perptape.store.filesystem import Entry, Stored
from perptape.store.folder import Folder
from support.storage import Actor, Bucket, MemoryFileSystem, RecordingDisk

T = TypeVar("T")


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
