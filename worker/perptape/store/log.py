"""A log of what is received that is either durable up to a record or says that it is not.

A write is all or nothing: written and fsynced, or taken back. Its room is taken when it is made, so that a full disk does not concern
it. The log's lock is held from its first byte to its last. What the records mean is the reader's business.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Final

from perptape.errors import StoreError, Unwritable
from perptape.store.log_aside import put_aside
from perptape.store.log_disk import LogDisk
from perptape.store.log_read import Records
from perptape.store.log_record import Begun, Record
from perptape.store.log_space import Grown, Ring, Space

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that has no room, or none for this user."""
FULL_DISK: Final = "disk full"
RECORDS: Final = "records"
MAKING: Final = "records.new"
"""The names of a log's file, and of one that is not begun yet."""
TORN: Final = 2**16
"""Bytes behind the last whole record that are blanked: what is further could only count if all before it were written again."""
LAST_WORDS: Final = 64 * 2**10
"""At least so many more, and an eighth of the reserve, are for what ends and empties a log that is full."""


class Log:
    """A log that this process holds: the file `records` in a folder of its own. Not safe for two threads at once."""

    def __init__(self, disk: LogDisk, folder: str, lock: ExitStack) -> None:
        self._disk = disk
        self._folder = folder
        self._path = os.path.join(folder, RECORDS)
        self._lock = lock
        self._dirty = 0
        """Bytes behind the end that a write left which failed."""
        self._space: Space = Grown(disk, self._path)
        self._last_words = 0

    @property
    def name(self) -> str:
        return os.path.basename(self._folder)

    @property
    def end(self) -> int:
        """The position behind the last record that is durable."""
        return self._space.end

    @property
    def used(self) -> int:
        """Bytes of durable records that are still needed."""
        return self._space.used

    @property
    def room(self) -> int | None:
        """Bytes that there are for what is received; None: as many as the disk has."""
        room = self._space.room
        return None if room is None else max(room - self._last_words, 0)

    def begin(self, head: Begun, size: int) -> None:
        """Makes the file, with room for `size` bytes of what is received, and `head`, its first record. It has its name only when that
        is durable: so one whose beginning cannot be read is damaged, whatever else is in it, or empty, and one without that name says
        nothing. Raises OSError, and may then be called again, and StoreError."""
        final, self._path = os.path.join(self._folder, RECORDS), os.path.join(self._folder, MAKING)
        self._last_words = max(size // 8, LAST_WORDS)
        self._space = ring = Ring.made(self._disk, self._path, size + self._last_words)
        self.write([head])
        self._disk.replace(self._path, final)
        self._path = ring.path = final
        self._disk.fsync_dir(self._folder)

    def write(self, records: Sequence[Record], *, last_words: bool = True) -> None:
        """Makes all of them durable, or raises StoreError and none of them is in the log. `last_words`: they may use the room for what
        empties a log."""
        if not records:
            return
        space, data = self._space, self._space.encoded(records)
        room = space.room if last_words else self.room
        if room is not None and len(data) > room:
            raise Unwritable(f"the log {self.name} has used up its reserve; it goes on when the store has taken what is in it", FULL_DISK)
        try:
            self._mend()
            self._dirty = len(data)
            space.put(data)
            self._disk.fsync(self._path)
        except OSError as error:
            with suppress(OSError):  # else the next write mends before it writes
                self._mend()
            message = f"the log {self.name} cannot be written ({error.strerror or error}); it goes on when it can"
            raise Unwritable(message, cause(error)) from error
        self._dirty = 0
        space.end += len(data)

    def _mend(self) -> None:
        """Takes back what a failed write left: after a failed fsync nobody knows which of its pages are on the disk."""
        if self._dirty:
            self._space.blank(self._dirty)
            self._dirty = 0

    def forget(self, position: int) -> None:
        """What is before a position is all in the store: its room is there for what comes. Raises StoreError, and it is not."""
        try:
            self._space.free(position)
        except OSError as error:
            raise Unwritable(f"the log {self.name} cannot be emptied ({error.strerror or error})", cause(error)) from error

    def recover(self) -> Records:
        """The records of a log that another process wrote; what is behind the last whole one is cut off, but of a damaged one, which is
        kept as it was found. Raises OSError, and Newer; then it is as it was. FileNotFoundError: it was never begun."""
        self._space, records, torn = found(self._disk, self._path)
        if torn and not records.damaged:
            room = self._space.room
            self._space.blank(TORN if room is None else min(TORN, room))
        self._disk.fsync(self._path)  # the dead writer may not have come to it
        return records

    def remove(self) -> None:
        """The log goes: all that it says is in the store."""
        try:
            for name in (RECORDS, MAKING, "lock"):
                with suppress(FileNotFoundError):
                    self._disk.unlink(os.path.join(self._folder, name))
            with suppress(FileNotFoundError):
                self._disk.rmdir(self._folder)
            self._disk.fsync_dir(os.path.dirname(self._folder))
        except OSError as error:
            raise StoreError(f"the log {self.name} cannot be removed: {error.strerror or error}") from error
        finally:
            self.release()

    def put_aside(self) -> str:
        """The log goes from among the others: all of it that can be read is in the store. Returns where it is kept. Raises StoreError."""
        root = os.path.dirname(self._folder)
        try:
            kept = put_aside(self._disk, root, self._path, self.name)
        except OSError as error:
            raise StoreError(f"the log {self.name} cannot be put aside: {error.strerror or error}") from error
        self.remove()
        return kept

    def release(self) -> None:
        """Leaves the log for the next process."""
        self._lock.close()


def found(disk: LogDisk, path: str) -> tuple[Space, Records, bool]:
    """Where the records in a log's file stand, these, and whether something torn is behind them; nothing is changed. Raises OSError, and
    Newer; FileNotFoundError: it was never begun, or is gone."""
    ring = Ring.found(disk, path)
    space: Space = Grown(disk, path) if ring is None else ring
    records, torn = space.read()
    if records.head is None:
        if ring is not None and ring.unbegun:
            raise FileNotFoundError(errno.ENOENT, "its process died before it was begun")
        raise OSError(errno.EIO, "its beginning is damaged")
    return space, records, torn


def cause(error: OSError) -> str:
    """What time is lost to should it last."""
    return FULL_DISK if error.errno in FULL else "log unwritable"
