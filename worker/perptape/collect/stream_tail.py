"""What of a stream's log is not yet in a segment, and what its segments hold.

Pure: the fold of a log's records. The writer of a log and whoever replays it fold the same records, and so make the same segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from perptape.claims import Claim, Want
from perptape.collect.mark_rules import Rules
from perptape.collect.marks import Proofs
from perptape.interval import NS
from perptape.store import layout
from perptape.store.log_record import Begun, Closed, Confirmed, Events, Lost, Mark, Marks, Record, Rolled

BATCH: Final = 4096
"""Bytes of memory that a batch of rows takes beside them, about."""
PART: Final = 8 * 2**20
"""Bytes of rows, about, that a stream puts into one segment. Who replays its log makes parts of twice as much, and so the same segments,
unless more came at once."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What one roll puts into the store."""

    name: str
    venue: str
    dataset: str
    rows: pa.Table
    claims: tuple[Claim, ...]
    wants: tuple[Want, ...]


class Tail:
    """Built up record by record, `Begun` first."""

    def __init__(self, head: Begun) -> None:
        self.head = head
        self.closed = False
        self.unconfirmed: dict[str, Segment] = {}
        """Segments that the store may not have yet, oldest first."""
        self._proofs = Proofs(Rules.read(head.rules), head.opened, head.since)
        self._fresh: list[pa.RecordBatch] = []
        self.held = 0
        """About how many bytes of memory rows take that are in no segment yet."""
        self._kept = head.schema.empty_table()
        self._count = 1
        self._rolled = 1
        self._parted = 0
        """Where the last part of what no roll has ended yet ends; 0: there is none."""
        self._lost = 0
        """Where records are lost, the last ones; 0: none are."""

    @classmethod
    def of(cls, records: Sequence[Record]) -> Tail:
        head = records[0]
        if not isinstance(head, Begun):
            raise ValueError("a log begins with Begun")
        tail = cls(head)
        for record in records[1:]:
            tail.add(record)
        return tail

    @property
    def said(self) -> Mapping[str, int]:
        """Instrument -> the time up to which everything is claimed or known to be missed."""
        return self._proofs.said

    def end(self, time: int) -> int:
        """Where what is said after a roll at `time` ends."""
        return self._proofs.end(time)

    @property
    def ends(self) -> int:
        """Where what is said after the last roll of a dead process ends."""
        return self._proofs.ends()

    @property
    def last(self) -> int:
        """The time of the newest mark."""
        return self._proofs.last

    @property
    def open(self) -> tuple[str, ...]:
        """The connections that are not closed."""
        return self._proofs.open

    @property
    def rolled(self) -> bool:
        """Whether everything but the last roll's confirmation and the log's end is in a segment."""
        return self._rolled == self._count

    def add(self, record: Record | Lost) -> None:
        """Takes the next record that is durable in the log. Where some are lost, what no roll before has ended becomes segments of
        other names than their writer's, since less is in them, or said of them."""
        self._count += 1
        match record:
            case Events(rows):
                self._fresh.append(rows)
                self.held += rows.nbytes + BATCH
            case Lost():
                self._proofs.damaged()
                self._kept, self._lost = self.head.schema.empty_table(), self._count
            case Marks(marks):
                self._proofs.resume_behind(marks)
                for mark in marks:
                    self._proofs.see(mark)
            case Rolled():
                segment = self._segment(record)
                self.unconfirmed[segment.name] = segment
                self._rolled = self._count
            case Confirmed(name):
                self.unconfirmed.pop(name, None)
                self._says_nothing()
            case Closed():
                self.closed = True
                self._says_nothing()
            case Begun():
                raise ValueError("a log begins once")

    def _says_nothing(self) -> None:
        """The record just added needs no segment."""
        if self._rolled == self._count - 1:
            self._rolled = self._count

    def roll(self, time: int, wants: tuple[Want, ...]) -> Rolled:
        """The record that ends what is not yet in a segment. It counts once it is durable and was added."""
        first = self._rolled
        return Rolled(first, self._count, layout.segment_name(time, self.head.log, first), time, wants)

    def part(self) -> Segment:
        """What there is so far, as a segment of its own, before a roll ends it: what was proven, with its rows. Its roll, whose segment
        then has another name than its writer gave it, says what was missed, each hole whole."""
        begins, self._parted = self._parted or self._rolled, self._count
        name = layout.segment_name(self.last, self.head.log, begins)
        return self._made(f"{name}.{self._parted}", self._proofs.proven(), ())

    def _segment(self, rolled: Rolled) -> Segment:
        known, self._parted = self._parted or self._lost, 0
        name = f"{rolled.name}.{known}.{self._count}" if known else rolled.name  # also where the last part ends at the roll's time
        return self._made(name, self._proofs.claims(rolled.time), rolled.wants)

    def _made(self, name: str, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> Segment:
        fresh = pa.Table.from_batches(self._fresh, schema=self.head.schema)
        starts = _starts(claims)
        rows = pa.concat_tables([since(self._kept, starts), fresh])
        rows = rows.combine_chunks()  # each write's batch takes a page and more beside its rows
        horizons = self._proofs.horizons()
        self._kept = since(pa.concat_tables([self._kept, fresh]), horizons).combine_chunks()
        self._fresh, self.held = [], 0
        return Segment(name, self.head.venue, self.head.dataset, rows, claims, wants)

    def carried(self) -> tuple[tuple[Mark, ...], pa.RecordBatch | None]:
        """What the next log begins with when this one ends though its connections go on: marks, and rows that may be claimed again."""
        batches = self._kept.combine_chunks().to_batches()
        return self._proofs.resume(), batches[0] if batches else None


def _starts(claims: Iterable[Claim]) -> dict[str, int]:
    """Instrument -> where the first claim about rows begins (a hole is none)."""
    starts: dict[str, int] = {}
    for claim in claims:
        if claim.kind != "hole":
            starts[claim.instrument] = min(claim.start, starts.get(claim.instrument, claim.start))
    return starts


def since(rows: pa.Table, starts: Mapping[str, int]) -> pa.Table:
    """The rows at or after their instrument's start (ms); none of an instrument that has no start."""
    if not rows.num_rows:
        return rows
    names = pa.array(list(starts), pa.string())
    times = pa.array([time * NS for time in starts.values()], pa.int64())
    bounds = times.take(pc.index_in(rows["instrument_id"].combine_chunks(), value_set=names))
    return rows.filter(pc.fill_null(pc.greater_equal(rows["ts_event"].combine_chunks(), bounds), False))
