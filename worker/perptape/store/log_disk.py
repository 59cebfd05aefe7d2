"""What a stream's log needs of a disk beside the primitives of `disk`: room that is its own, to write and read within it, to cut a
file, to list folders and to remove one."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from perptape.store.disk import Disk, LocalDisk

NO_ALLOCATION: Final = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
PIECE: Final = 2**20
LOOKS: Final = 5
PAUSE_S: Final = 0.05
"""Who only looks at a lock lets it go within microseconds: so often it is asked for, so far apart."""


class LogDisk(Disk, Protocol):
    """A disk that logs can be kept on. What `locked` does not wait for is who holds a lock, not who only looks at it (`held`): it raises
    BlockingIOError where such a one is not done in a while."""

    def allocate(self, path: str, size: int) -> None:
        """Makes a file of `size` zeros whose room nobody else can take; not durable before `fsync`."""

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        """Writes within what was allocated; not durable before `fsync`."""

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        """At most `size` bytes: fewer at the file's end."""

    def truncate(self, path: str, size: int) -> None:
        """Leaves the first `size` bytes of a file; not durable before `fsync`."""

    def rmdir(self, path: str) -> None:
        """Removes an empty folder; not durable before `fsync_dir` of its parent."""

    def held(self, path: str) -> bool:
        """Whether anybody holds the lock of a file, which is not made for it: where there is none, nobody does."""

    def folders(self, path: str) -> Sequence[str]:
        """The names of the folders in a folder, sorted; none where there is no folder."""


class LocalLogDisk(LocalDisk):
    """The operating system's files."""

    def __init__(self, sleep: Callable[[float], object] = time.sleep) -> None:
        self._sleep = sleep

    @contextmanager
    def locked(self, path: str, *, wait: bool = True) -> Iterator[bool]:
        for _ in range(LOOKS):
            with super().locked(path, wait=wait) as taken:
                if taken or self.held(path):
                    yield taken
                    return
            self._sleep(PAUSE_S)
        raise BlockingIOError(errno.EAGAIN, "somebody looks at it")

    def allocate(self, path: str, size: int) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            try:
                os.posix_fallocate(handle, 0, size)
            except AttributeError:  # macOS has no such call
                _zeros(handle, size)
            except OSError as error:
                if error.errno not in NO_ALLOCATION:  # a file system may know none, and then takes zeros
                    raise
                _zeros(handle, size)
        finally:
            os.close(handle)

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            view = memoryview(data)
            while view:
                done = os.pwrite(handle, view, offset)
                view, offset = view[done:], offset + done
        finally:
            os.close(handle)

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def truncate(self, path: str, size: int) -> None:
        os.truncate(path, size)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def held(self, path: str) -> bool:
        """Shared, so that two who look do not take one another for a writer; and let go at once."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def folders(self, path: str) -> Sequence[str]:
        try:
            return sorted(entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return []


def _zeros(handle: int, size: int) -> None:
    piece = bytes(min(size, PIECE))
    while size > 0:
        size -= os.write(handle, piece[:size])
