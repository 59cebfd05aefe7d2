"""The port to a disk: its primitive operations, each of which can be cut short by a kill or a loss of power, and nothing smarter.

What `write` and `append` wrote is only there for good after `fsync`; a name that `replace`, `unlink` or `mkdir` changed is only
there for good after `fsync_dir` of the folder that holds it. Paths are absolute. Raises OSError as the system does.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Disk(Protocol):
    """Primitive operations on files."""

    def read(self, path: str) -> bytes: ...

    def write(self, path: str, data: bytes) -> None:
        """Makes or overwrites a file; not durable before `fsync`."""

    def append(self, path: str, data: bytes) -> None:
        """Adds to a file's end, making it where there is none; not durable before `fsync`."""

    def fsync(self, path: str) -> None: ...

    def fsync_dir(self, path: str) -> None: ...

    def replace(self, source: str, target: str) -> None:
        """Gives `source` the name `target`, atomically."""

    def unlink(self, path: str) -> None: ...

    def mkdir(self, path: str) -> None:
        """Makes one folder; FileExistsError where it is there."""

    def isdir(self, path: str) -> bool: ...

    def walk(self, path: str) -> Iterator[tuple[str, int, int]]:
        """(path, size, modified in ms) of every file below a folder; nothing where there is no folder."""

    @contextmanager
    def locked(self, path: str, *, wait: bool = True) -> Iterator[bool]:
        """Holds the lock of a file that is made for it; yields False when another holds it and `wait` is False. Death frees it."""
        yield True


def _within(path: str, folder: str) -> bool:
    """Whether a folder holds the path, whatever links lead there."""
    return os.path.commonpath([os.path.realpath(path), real := os.path.realpath(folder)]) == real


class LocalDisk:
    """The operating system's files."""

    def read(self, path: str) -> bytes:
        with open(path, "rb", buffering=0) as file:
            return file.readall()

    def write(self, path: str, data: bytes) -> None:
        self._put(path, data, os.O_TRUNC)

    def append(self, path: str, data: bytes) -> None:
        self._put(path, data, os.O_APPEND)

    @staticmethod
    def _put(path: str, data: bytes, flag: int) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
        finally:
            os.close(handle)

    def fsync(self, path: str) -> None:
        self._sync(path, os.O_RDONLY)

    def fsync_dir(self, path: str) -> None:
        self._sync(path, os.O_RDONLY | os.O_DIRECTORY)

    @staticmethod
    def _sync(path: str, flags: int) -> None:
        handle = os.open(path, flags | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def replace(self, source: str, target: str) -> None:
        os.replace(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str) -> None:
        os.mkdir(path)

    def isdir(self, path: str) -> bool:
        return os.path.isdir(path)

    def walk(self, path: str) -> Iterator[tuple[str, int, int]]:
        try:
            found = list(os.scandir(path))
        except FileNotFoundError:
            return
        for entry in found:
            if entry.is_dir():  # also one that was moved to another disk, with a link in its place
                if not entry.is_symlink() or not _within(path, entry.path):
                    yield from self.walk(entry.path)
                continue
            try:
                stat = entry.stat()
            except FileNotFoundError:
                continue
            yield entry.path, stat.st_size, stat.st_mtime_ns // 1_000_000

    @contextmanager
    def locked(self, path: str, *, wait: bool = True) -> Iterator[bool]:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(handle)
