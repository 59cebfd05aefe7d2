"""A log's records, read one by one: however long the log is, no more than one of them, and a MiB beside it, is in memory.

What a log says of itself (how long a record is) is believed only once its checksum holds.
"""

from __future__ import annotations

import errno
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from perptape.store.log_record import HEAD, Begun, Lost, Record, checksum, decoded

AT_ONCE: Final = 2**20
LIKELY: Final = re.compile(rb'E(?=\xff\xff\xff\xff)|M(?=\[)|R(?=\{)|C(?=")|B(?=\{)|X(?<=\0\0\0\0[\s\S]{4}X)')
"""A record's kind and how the payload of that kind begins (that of X is empty): where a checksum is worth its time."""
OVERLAP: Final = 16
"""Bytes, more than there are from a record's beginning to the end of what is `LIKELY`."""
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

    `placed`: whether their checksums are made with where they stand. `gaps`: (from, to) of what cannot be read though whole records are
    behind it. `head`: the first beginning of a life that can be read, None where there is none. `cut`: whether its file's end is missing.
    `lap`: how long the ring is; 0: nothing stood in their place before.
    """

    read: Read
    start: int
    placed: bool
    end: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    head: Begun | None = None
    cut: bool = False
    lap: int = 0

    @property
    def damaged(self) -> bool:
        """Whether something that was durable cannot be read. A torn end is none of it: nobody was told that it is durable."""
        return bool(self.gaps) or self.cut

    @classmethod
    def found(cls, read: Read, start: int, *, placed: bool, lap: int = 0) -> Records:
        """Up to the last that is whole. Raises OSError, and Newer for a log that a newer perptape wrote."""
        records, at, end, gaps, head = cls(read, start, placed, lap=lap), start, start, list[tuple[int, int]](), None
        while True:
            for kind, place, size in records._whole(at):
                if kind not in b"EMRCX":
                    first = decoded(kind, bytes(read(place, size)), None)
                    head = head or (first if isinstance(first, Begun) else None)
                end = place + size
            behind = records._behind(end)
            if behind is None:
                return cls(read, start, placed, end, tuple(gaps), head, lap=lap)
            gaps.append((end, behind))
            at = behind

    def __iter__(self) -> Iterator[Record | Lost]:
        """Raises OSError, also where they are not what they were when they were found."""
        return self._decoded(events=True)

    def but_events(self) -> Iterator[Record | Lost]:
        """All but what takes the most room."""
        return self._decoded(events=False)

    def _decoded(self, *, events: bool) -> Iterator[Record | Lost]:
        read, at, gaps = Buffered(self.read), self.start, dict(self.gaps)
        schema = None if self.head is None else self.head.schema  # also of what is before it: a log has one
        while at < self.end:
            for kind, place, size in self._whole(at):
                at = place + size
                if kind != b"E" or events:
                    record = decoded(kind, bytes(read(place, size)), schema)
                    schema = record.schema if isinstance(record, Begun) else schema
                    yield record
                if at >= self.end:
                    return
            if at not in gaps:
                raise OSError(errno.EIO, "what it held a moment ago is damaged")
            yield Lost()
            at = gaps[at]

    def _whole(self, at: int) -> Iterator[tuple[bytes, int, int]]:
        """Of each record from `at` on, up to the first that is not whole, its kind, and where its payload is and how long."""
        read = Buffered(self.read)
        while (found := self._one(read, at)) is not None:
            kind, size = found
            yield kind, at + HEAD.size, size
            at += HEAD.size + size

    def _one(self, read: Buffered, at: int, lap: int = 0) -> tuple[bytes, int] | None:
        """Kind and size of the whole record that stands at `at`, or stood there so many bytes ago; None where none does."""
        head = read(at, HEAD.size)
        if len(head) < HEAD.size:
            return None
        size, stored, kind = HEAD.unpack(head)
        place = at + HEAD.size
        if size > AT_ONCE and not self.read(place + size - 1, 1):  # longer than the log: not worth a checksum
            return None
        found, left = checksum(kind, b"", at - lap if self.placed else None), size
        while left:
            piece = read(place + size - left, min(left, AT_ONCE))
            if not piece:
                return None
            found, left = zlib.crc32(piece, found), left - len(piece)
        return (kind, size) if found == stored else None

    def _behind(self, at: int) -> int | None:
        """Where the next whole record stands behind `at`, where none does; None: what is there is a torn end. A ring is written from
        its beginning on, so that behind a record of the lap before there is none of this one: looked for no further, since that may be
        the whole ring."""
        read, window = Buffered(self.read), at + 1
        while data := self.read(window, AT_ONCE + OVERLAP):
            for likely in LIKELY.finditer(data) if data.strip(b"\0") else ():
                place = window + likely.start() - (HEAD.size - 1)
                if place <= at:
                    continue
                if self._one(read, place) is not None:
                    return place
                if self.lap and place >= self.lap and self._one(read, place, self.lap) is not None:
                    return None
            window += AT_ONCE
        return None
