"""A tape in a folder: every object is written beside the tape, made durable, and only then given its name.

A temporary file outside ``data/``, fsync, rename, fsync of the folder (and of every folder that was made on the way). Replacing
compares digests under a lock.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from perptape.errors import StoreError, StoreFull
from perptape.store import layout
from perptape.store.disk import Disk, LocalDisk
from perptape.store.filesystem import Absent, Conflict, Entry, InTheWay, Stored

LOCK, LEASE = f"{layout.OWN}/lock", f"{layout.OWN}/publishing.lock"


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Folder:
    """The folder `root`, which is made by the first write."""

    identity = ""
    swaps = True
    parallel = 2

    def __init__(self, root: str, disk: Disk | None = None, writer: str | None = None) -> None:
        self.location = os.path.abspath(os.path.expanduser(root))
        self._disk: Disk = disk if disk is not None else LocalDisk()
        self._made: set[str] = set()
        self._writer = writer or secrets.token_hex(6)
        self._count = itertools.count()

    def read(self, path: str) -> Stored:
        with self._translated(path):
            data = self._disk.read(self._at(path))
        return Stored(data, digest(data))

    def create(self, path: str, data: bytes) -> None:
        self._write(path, data, None, compare=False)

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        self._write(path, data, expected, compare=True)
        return digest(data)

    def delete(self, path: str) -> None:
        with self._translated(path), suppress(FileNotFoundError):
            self._disk.unlink(self._at(path))
            self._disk.fsync_dir(os.path.dirname(self._at(path)))

    def list(self, prefix: str) -> Sequence[Entry]:
        skip = len(self.location) + 1
        with self._translated(prefix):
            return sorted((Entry(p[skip:], size, at) for p, size, at in self._disk.walk(self._at(prefix))), key=lambda e: e.path)

    def now(self) -> int:
        """By the clock that stamps the files: on a network's disk it is the server's."""
        probe = self._temporary()
        with self._translated(layout.TEMPORARY):
            self._folder(os.path.dirname(probe))
            self._disk.write(probe, b"")
            try:
                return next(at for path, _, at in self._disk.walk(os.path.dirname(probe)) if path == probe)
            finally:
                self._disk.unlink(probe)

    @contextmanager
    def lease(self, holder: str) -> Iterator[bool]:
        with self._translated(LEASE):
            self._folder(os.path.dirname(self._at(LEASE)))
            lock = self._disk.locked(self._at(LEASE), wait=False)
            held = lock.__enter__()
        try:
            yield held
        finally:
            lock.__exit__(None, None, None)

    def _write(self, path: str, data: bytes, expected: str | None, *, compare: bool) -> None:
        with self._translated(path):
            try:
                self._put(path, data, expected, compare=compare)
            except FileNotFoundError:  # somebody removed folders that we made
                self._made.clear()
                try:
                    self._put(path, data, expected, compare=compare)
                except FileNotFoundError as error:
                    raise StoreError(f"{self.location} cannot be made a folder: name another catalog") from error

    def _put(self, path: str, data: bytes, expected: str | None, *, compare: bool) -> None:
        target, temporary = self._at(path), self._temporary()
        folder = os.path.dirname(target)
        self._folder(os.path.dirname(temporary))
        self._folder(folder)
        try:
            self._disk.write(temporary, data)
            self._disk.fsync(temporary)
            if compare:
                with self._disk.locked(self._at(LOCK)):
                    if self._version(target) != expected:
                        raise Conflict(f"{path} was changed by another writer")
                    self._disk.replace(temporary, target)
            else:
                self._disk.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                self._disk.unlink(temporary)
            raise
        self._disk.fsync_dir(folder)

    def _version(self, target: str) -> str | None:
        try:
            return digest(self._disk.read(target))
        except FileNotFoundError:
            return None

    def _folder(self, path: str) -> None:
        """Makes a folder and those above it, each durable before anything is put into it.

        One that is there already may have been made by somebody who died before it was durable: it is made durable once.
        """
        if path in self._made:
            return
        parent = os.path.dirname(path)
        if parent == path:
            return
        ours = path.startswith(f"{self.location}/")
        if ours or not self._disk.isdir(path):
            self._folder(parent)
            with suppress(FileExistsError):
                self._disk.mkdir(path)
            self._disk.fsync_dir(parent)
        self._made.add(path)

    def _temporary(self) -> str:
        return self._at(f"{layout.TEMPORARY}/{self._writer}-{next(self._count)}")

    def _at(self, path: str) -> str:
        return f"{self.location}/{path}"

    @contextmanager
    def _translated(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise Absent(f"{self._at(path)} is not there") from error
        except IsADirectoryError as error:
            raise InTheWay(f"{path} is a folder, and a file belongs there: move it away from {self.location}") from error
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise (StoreFull if full else StoreError)(_advice(self._at(path), error)) from error


def _advice(path: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: the disk is full; free some space, the next run goes on where this one stopped"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path}: not allowed ({error.strerror}); give the user that runs perptape the right to write there, or name another catalog"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{path}: {error.strerror}; a catalog is a folder: name another one"
    return f"{path}: {error.strerror or error}"
