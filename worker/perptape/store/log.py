"""An append-only log that is either durable up to a record or says that it is not.

A write is all or nothing: appended and fsynced, or cut off again. The log's lock is held from its first byte to its last; one
whose lock is free is adopted, and its torn end cut. What the records mean is the reader's business.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from perptape.errors import Newer, StoreError, Unwritable
from perptape.store.log_disk import LogDisk
from perptape.store.log_record import Begun, Record, begun, decode, encode

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that has no room, or none for this user."""


class Log:
    """A log that this process holds: the file `records` in a folder of its own. Not safe for two threads at once."""

    def __init__(self, disk: LogDisk, folder: str, lock: ExitStack) -> None:
        self._disk = disk
        self._folder = folder
        self._path = os.path.join(folder, "records")
        self._lock = lock
        self._dirty = False
        self.size = 0
        """Bytes that are durable."""
        self.count = 0
        """Records that are durable."""

    @property
    def name(self) -> str:
        return os.path.basename(self._folder)

    def write(self, records: Sequence[Record]) -> None:
        """Makes all of them durable, or raises StoreError and none of them is in the log."""
        if not records:
            return
        data = b"".join(map(encode, records))
        try:
            self._mend()
            self._dirty = True
            self._disk.append(self._path, data)
            self._disk.fsync(self._path)
            if not self.count:
                self._disk.fsync_dir(self._folder)
        except OSError as error:
            with suppress(OSError):  # else the next write mends before it appends
                self._mend()
            message = f"the log {self.name} cannot be written ({error.strerror or error}); it goes on when it can"
            raise Unwritable(message, _cause(error)) from error
        self._dirty = False
        self.size += len(data)
        self.count += len(records)

    def _mend(self) -> None:
        """Cuts off what a failed write left: after a failed fsync nobody knows which of its pages are on the disk."""
        if self._dirty:
            with suppress(FileNotFoundError):
                self._disk.truncate(self._path, self.size)
            self._dirty = False

    def recover(self) -> list[Record]:
        """The records of a log that another process wrote; what is behind the last whole one is cut off."""
        data = self._disk.read(self._path)
        records, self.size = decode(data)
        self.count = len(records)
        if self.size < len(data):
            self._disk.truncate(self._path, self.size)
        self._disk.fsync(self._path)  # the dead writer may not have come to it
        return records

    def remove(self) -> None:
        """The log goes: all that it says is in the store."""
        try:
            for name in ("records", "lock"):
                with suppress(FileNotFoundError):
                    self._disk.unlink(os.path.join(self._folder, name))
            with suppress(FileNotFoundError):
                self._disk.rmdir(self._folder)
            self._disk.fsync_dir(os.path.dirname(self._folder))
        except OSError as error:
            raise StoreError(f"the log {self.name} cannot be removed: {error.strerror or error}") from error
        finally:
            self.release()

    def release(self) -> None:
        """Leaves the log for the next process."""
        self._lock.close()


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose logs these are: a store (`FileSystem.identity`), for as long as it holds data of this origin."""

    store: str = ""
    origin: str = ""

    def owns(self, head: Begun) -> bool:
        """Whether a log may be brought into this store. One of version 1 does not say, and belongs where it lies."""
        return (head.store, head.origin) in ((self.store, self.origin), (None, None))


class Logs:
    """All logs below one folder; those that are made here are `owner`'s."""

    def __init__(self, root: str, disk: LogDisk, owner: Owner | None = None) -> None:
        self.root = os.path.abspath(root)
        self.owner = owner or Owner()
        self._disk = disk

    def create(self, head: Begun) -> Log | None:
        """A new log that begins with `head`; None where its name is taken. Raises StoreError."""
        folder = os.path.join(self.root, head.log)
        try:
            self._make_root(self.root)
            self._disk.mkdir(folder)
            self._disk.fsync_dir(self.root)
            log = self._held(folder)
        except FileExistsError:
            return None
        except OSError as error:
            raise Unwritable(f"no log can be made in {self.root}: {error.strerror or error}", _cause(error)) from error
        if log is None:
            return None
        try:
            log.write([head])
        except StoreError:
            with suppress(StoreError):
                log.remove()
            raise
        return log

    def adopt(self) -> Iterator[tuple[Log, list[Record]]]:
        """Every log whose writer is gone, with its records, one after the other; the caller releases or removes each, and looks
        whose it is.

        Logs that a newer perptape wrote are left alone. Raises StoreError.
        """
        try:
            names = self._disk.folders(self.root)
        except OSError as error:
            raise StoreError(f"the logs in {self.root} cannot be listed: {error.strerror or error}") from error
        for name in names:
            try:
                log = self._held(os.path.join(self.root, name))
                records = _recovered(log) if log is not None else []
            except OSError as error:
                raise StoreError(f"the log {name} cannot be read: {error.strerror or error}") from error
            if log is not None and records:
                yield log, records

    def _held(self, folder: str) -> Log | None:
        lock = ExitStack()
        try:
            taken = lock.enter_context(self._disk.locked(os.path.join(folder, "lock"), wait=False))
        except FileNotFoundError:  # removed since it was listed
            return None
        if taken:
            return Log(self._disk, folder, lock)
        lock.close()
        return None

    def _make_root(self, path: str) -> None:
        if self._disk.isdir(path):
            return
        parent = os.path.dirname(path)
        self._make_root(parent)
        with suppress(FileExistsError):
            self._disk.mkdir(path)
        self._disk.fsync_dir(parent)


def _cause(error: OSError) -> str:
    """What time is lost to should it last."""
    return "disk full" if error.errno in FULL else "log unwritable"


def _recovered(log: Log) -> list[Record]:
    """The log's records; a log that holds not even its beginning is removed."""
    try:
        records = log.recover()
    except FileNotFoundError:
        records = []
    except Newer:
        log.release()
        return []
    except OSError:
        log.release()
        raise
    if begun(records) is None:
        log.remove()
        return []
    return records
