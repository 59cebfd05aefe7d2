"""Where a log's records stand: a ring in a file whose room was taken beforehand, or, of earlier versions, a file that grows.

A position counts all bytes that were ever written, so that a record's checksum, which is made with it, holds in one place once. Where
the ring begins stands in one of two slots, written in turns: a torn one leaves the other.
"""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from perptape.store.log_disk import PIECE, LogDisk
from perptape.store.log_read import Records
from perptape.store.log_record import Record, encode

VERSION: Final = 3
PAGE: Final = 4096
HEAD: Final = 3 * PAGE
"""The signature's page and one for each slot: what is torn by a loss of power is one page."""
_SLOT = struct.Struct("<QQQI")  # number, capacity, where the oldest record begins, crc32 of these


def signature(version: int = VERSION) -> bytes:
    """The file's first bytes: to an earlier perptape the beginning of a log of a newer one, which it leaves alone."""
    said = b'{"version":%d}' % version
    return struct.pack("<IIc", len(said), zlib.crc32(said, zlib.crc32(b"B")), b"B") + said


class Space(Protocol):
    """`end`: the position behind the last durable record; the caller moves it. Raises OSError."""

    end: int

    @property
    def used(self) -> int: ...

    @property
    def room(self) -> int | None:
        """Bytes that still fit; None: as many as the disk has."""

    def encoded(self, records: Sequence[Record]) -> bytes:
        """The records as they stand at `end`."""

    def put(self, data: bytes) -> None:
        """Writes at `end`."""

    def blank(self, size: int) -> None:
        """Takes back so many bytes behind `end`."""

    def read(self) -> tuple[Records, bool]:
        """All whole records, and whether something torn is behind them; `end` is then behind them."""

    def free(self, position: int) -> None:
        """What is before is not needed any more; durable when it returns."""


@dataclass(slots=True)
class Ring:
    """`capacity` bytes that are there whatever becomes of the disk."""

    disk: LogDisk
    path: str
    capacity: int
    start: int = 0
    end: int = 0
    number: int = 0

    @classmethod
    def made(cls, disk: LogDisk, path: str, capacity: int) -> Ring:
        ring = cls(disk, path, capacity)
        disk.allocate(path, HEAD + capacity)
        disk.write_at(path, 0, signature())
        ring._write_slot(0)
        ring.number = 1
        return ring

    @classmethod
    def found(cls, disk: LogDisk, path: str) -> Ring | None:
        """The ring in a file; None where it is a log of another kind. Raises OSError where nothing says where it begins."""
        head = disk.read_at(path, 0, HEAD)
        if not head.startswith(signature()):
            return None
        slots = [_slot(head[place : place + _SLOT.size]) for place in (PAGE, 2 * PAGE)]
        if not any(slots):
            raise OSError(errno.EIO, "both its beginnings are damaged")
        number, capacity, start = max(slot for slot in slots if slot is not None)
        return cls(disk, path, capacity, start, start, number)

    @property
    def used(self) -> int:
        return self.end - self.start

    @property
    def room(self) -> int | None:
        return self.capacity - self.used

    @property
    def unbegun(self) -> bool:
        """Whether it is as it was made: before this version a log had its name before its first record. Raises OSError."""
        if (self.number, self.start) != (1, 0):
            return False
        pieces = ((at, min(PIECE, self.capacity - at)) for at in range(0, self.capacity, PIECE))
        return all(self.disk.read_at(self.path, HEAD + at, size) == bytes(size) for at, size in pieces)

    def encoded(self, records: Sequence[Record]) -> bytes:
        out, at = [], self.end
        for record in records:
            out.append(encode(record, at))
            at += len(out[-1])
        return b"".join(out)

    def put(self, data: bytes) -> None:
        for offset, begin, end in self._pieces(self.end, len(data)):
            self.disk.write_at(self.path, offset, data[begin:end])

    def blank(self, size: int) -> None:
        self.put(bytes(size))

    def read(self) -> tuple[Records, bool]:
        begin = self.start
        records = Records.found(self._bytes, begin, placed=True, lap=self.capacity)
        if records.gaps and records.gaps[0][0] == begin:  # or, its newer slot damaged, it was written on from a later beginning
            self.start = records.gaps[0][1]
            records = Records.found(self._bytes, begin, placed=True, lap=self.capacity)
        self.end = records.end
        cut = not self.disk.read_at(self.path, HEAD + self.capacity - 1, 1)
        return replace(records, cut=cut), any(self._bytes(self.end, PAGE))

    def _bytes(self, position: int, size: int) -> bytes:
        """What a file that was cut off lacks is zeros."""
        size = max(min(size, self.start + self.capacity - position), 0)
        pieces = self._pieces(position, size)
        return b"".join(self.disk.read_at(self.path, offset, end - begin).ljust(end - begin, b"\0") for offset, begin, end in pieces)

    def free(self, position: int) -> None:
        self._write_slot(position)
        self.disk.fsync(self.path)
        self.start, self.number = position, self.number + 1

    def _write_slot(self, start: int) -> None:
        slot = struct.pack("<QQQ", self.number + 1, self.capacity, start)
        place = PAGE if (self.number + 1) % 2 else 2 * PAGE
        self.disk.write_at(self.path, place, slot + struct.pack("<I", zlib.crc32(slot)))

    def _pieces(self, position: int, size: int) -> Iterator[tuple[int, int, int]]:
        """(offset in the file, from, to) of `size` bytes at a position: two pieces where the ring closes between them."""
        begin = position % self.capacity if self.capacity else 0
        first = min(size, self.capacity - begin)
        if first:
            yield HEAD + begin, 0, first
        if size > first:
            yield HEAD, first, size


def _slot(data: bytes) -> tuple[int, int, int] | None:
    if len(data) < _SLOT.size:
        return None
    *said, checksum = _SLOT.unpack(data)
    return (said[0], said[1], said[2]) if zlib.crc32(data[: _SLOT.size - 4]) == checksum else None


@dataclass(slots=True)
class Grown:
    """A log of an earlier version, whose file grows with it: read, and ended."""

    disk: LogDisk
    path: str
    end: int = 0

    @property
    def used(self) -> int:
        return self.end

    @property
    def room(self) -> int | None:
        return None

    def encoded(self, records: Sequence[Record]) -> bytes:
        return b"".join(map(encode, records))

    def put(self, data: bytes) -> None:
        self.disk.append(self.path, data)

    def blank(self, size: int) -> None:
        with suppress(FileNotFoundError):
            self.disk.truncate(self.path, self.end)

    def read(self) -> tuple[Records, bool]:
        records = Records.found(self._bytes, 0, placed=False)
        self.end = records.end
        return records, self._bytes(self.end, 1) != b""

    def _bytes(self, position: int, size: int) -> bytes:
        return self.disk.read_at(self.path, position, size)

    def free(self, position: int) -> None:
        """Nothing to be had: the file goes as a whole."""
