"""The port to where bytes are kept: a folder, S3, or a fake. Whole objects, atomic, compared before they are replaced.

Paths are relative, with ``/``, inside the store's root. All calls block (run them in a thread from asyncio). Implementations
raise Absent for a 404 of the very object (never by listing), Conflict when another writer was faster, StoreError otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from perptape.errors import StoreError


class Absent(StoreError):
    """The object is not there (a 404 of a GET)."""


class InTheWay(StoreError):
    """A folder is where the object belongs. No object store can have that."""


class Conflict(StoreError):
    """The object is not as it was when it was read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing. `modified` is ms on the store's clock."""

    path: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was read: all of its bytes, and a version (an ETag, a digest) to compare when replacing it."""

    data: bytes
    version: str


class FileSystem(Protocol):
    """Where bytes are kept. Every write is whole or not at all, and durable when the call returns."""

    @property
    def location(self) -> str:
        """The root, as messages name it."""

    @property
    def identity(self) -> str:
        """Which store this is, for what is kept of it elsewhere; empty for a folder, which keeps all itself and may be moved."""

    @property
    def swaps(self) -> bool:
        """Whether `replace` compares and swaps atomically (True on a folder; probed on S3)."""

    @property
    def parallel(self) -> int:
        """How many objects are best read at once."""

    def read(self, path: str) -> Stored: ...

    def create(self, path: str, data: bytes) -> None:
        """Writes a new object under a unique name (an existing one of that name is replaced by the same bytes)."""

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        """Replaces the object whose version is `expected` (None: makes it where none is) and returns the new version.

        Raises Conflict when it is another one by now.
        """

    def delete(self, path: str) -> None:
        """Removes the object; one that is gone already is no error."""

    def list(self, prefix: str) -> Sequence[Entry]:
        """All objects below a folder path, sorted by path, never from a cache. A missing folder is empty."""

    def now(self) -> int:
        """The store's clock, ms."""

    def lease(self, holder: str) -> AbstractContextManager[bool]:
        """Whether nobody else publishes just now. It only saves work: nothing depends on it, and the dead hold it for a minute at most."""
