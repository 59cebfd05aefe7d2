"""What a stream's log needs of a disk beside the primitives of `disk`: to cut a file, to list folders and to remove one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from perptape.store.disk import Disk, LocalDisk


class LogDisk(Disk, Protocol):
    """A disk that logs can be kept on."""

    def truncate(self, path: str, size: int) -> None:
        """Leaves the first `size` bytes of a file; not durable before `fsync`."""

    def rmdir(self, path: str) -> None:
        """Removes an empty folder; not durable before `fsync_dir` of its parent."""

    def folders(self, path: str) -> Sequence[str]:
        """The names of the folders in a folder, sorted; none where there is no folder."""


class LocalLogDisk(LocalDisk):
    """The operating system's files."""

    def truncate(self, path: str, size: int) -> None:
        os.truncate(path, size)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def folders(self, path: str) -> Sequence[str]:
        try:
            return sorted(entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return []
