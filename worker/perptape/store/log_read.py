"""A log's records, read one by one: however long the log is, no more than one of them, and a MiB beside it, is in memory.

What a log says of itself (how long a record is) is believed only once its checksum holds.
"""

from __future__ import annotations

import errno
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from perptape.store.log_record import HEAD, Begun, Record, checksum, decoded

AT_ONCE: Final = 2**20
Read = Callable[[int, int], bytes]
"""(position, size) -> so many bytes of a log, fewer where it ends. Raises OSError."""


@dataclass(slots=True)
class Buffered:
    """Reads a MiB at once, of which what follows is taken."""

    read: Read
    _at: int = 0
    _data: memoryview = field(default_factory=lambda: memoryview(b""))

    def __call__(self, position: int, size: int) -> memoryview:
        begin = position - self._at
        if begin < 0 or begin + size > len(self._data):
            self._at, self._data, begin = position, memoryview(self.read(position, max(size, AT_ONCE))), 0
        return self._data[begin : begin + size]


@dataclass(frozen=True, slots=True)
class Records:
    """The whole records of a log from `start` to `end`, read anew each time that one goes through them.

    `placed`: whether their checksums are made with where they stand.
    """

    read: Read
    start: int
    placed: bool
    end: int = 0

    @classmethod
    def found(cls, read: Read, start: int, *, placed: bool) -> Records:
        """Up to the first that is not whole. Raises OSError, and Newer for a log that a newer perptape wrote."""
        records, end = cls(read, start, placed), start
        for kind, place, size in records._frames():
            if kind not in b"EMRCX":
                decoded(kind, bytes(read(place, size)), None)
            end = place + size
        return cls(read, start, placed, end)

    def __iter__(self) -> Iterator[Record]:
        """Raises OSError, also where they are not what they were when they were found."""
        return self._decoded(events=True)

    def but_events(self) -> Iterator[Record]:
        """All but what takes the most room."""
        return self._decoded(events=False)

    def _decoded(self, *, events: bool) -> Iterator[Record]:
        read, schema, at = Buffered(self.read), None, self.start
        for kind, place, size in self._frames():
            at = place + size
            if at > self.end:
                return
            if kind == b"E" and not events:
                continue
            record = decoded(kind, bytes(read(place, size)), schema)
            schema = record.schema if isinstance(record, Begun) else schema
            yield record
        if at < self.end:
            raise OSError(errno.EIO, "what it held a moment ago is damaged")

    def _frames(self) -> Iterator[tuple[bytes, int, int]]:
        """Of each record its kind, and where its payload is and how long."""
        read, at, first = Buffered(self.read), self.start, True
        while True:
            head = read(at, HEAD.size)
            if len(head) < HEAD.size:
                return
            size, stored, kind = HEAD.unpack(head)
            place = at + HEAD.size
            found, left = checksum(kind, b"", at if self.placed else None), size
            while left:
                piece = read(place + size - left, min(left, AT_ONCE))
                if not piece:
                    return
                found, left = zlib.crc32(piece, found), left - len(piece)
            if found != stored or (first and kind != b"B"):
                return
            yield kind, place, size
            at, first = place + size, False
