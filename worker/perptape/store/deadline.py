"""No publisher writes later than its deadline: a filesystem that refuses to, however long it was suspended before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

from perptape.errors import StoreError
from perptape.interval import HOUR
from perptape.store import layout
from perptape.store.filesystem import Entry, FileSystem, Stored

DEADLINE = 20 * 60.0
"""Seconds from a publisher's start."""


class Late(Exception):
    """The time is up; what is left, the next run does."""


class Bounded:
    """Another filesystem until `seconds` have passed by `clock`, which must count suspension."""

    def __init__(self, fs: FileSystem, clock: Callable[[], float], seconds: float = DEADLINE) -> None:
        self._fs, self._clock, self._until = fs, clock, clock() + seconds

    @property
    def location(self) -> str:
        return self._fs.location

    @property
    def identity(self) -> str:
        return self._fs.identity

    @property
    def swaps(self) -> bool:
        return self._fs.swaps

    @property
    def parallel(self) -> int:
        return self._fs.parallel

    def check(self) -> None:
        if self._clock() > self._until:
            raise Late

    def read(self, path: str) -> Stored:
        return self._fs.read(path)

    def list(self, prefix: str) -> Sequence[Entry]:
        return self._fs.list(prefix)

    def now(self) -> int:
        return self._fs.now()

    def create(self, path: str, data: bytes) -> None:
        self.check()
        self._fs.create(path, data)

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        self.check()
        return self._fs.replace(path, data, expected)

    def delete(self, path: str) -> None:
        self.check()
        self._fs.delete(path)

    def lease(self, holder: str) -> AbstractContextManager[bool]:
        return self._fs.lease(holder)


def sweep(fs: Bounded) -> None:
    """Removes the temporary files of processes that died: those of an hour ago. What cannot be removed stays."""
    with suppress(StoreError, Late):
        left = fs.list(layout.TEMPORARY)
        now = fs.now() if left else 0
        for entry in left:
            if now - entry.modified >= HOUR:
                fs.delete(entry.path)
