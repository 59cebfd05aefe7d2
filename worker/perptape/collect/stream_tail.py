"""What of a stream's log is not yet in a segment, and what its segments hold.

Pure: the fold of a log's records. The writer of a log and whoever replays it fold the same records, and so make the same segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from perptape.claims import Claim, Want
from perptape.collect.marks import Proofs, Rules
from perptape.interval import NS
from perptape.store import layout
from perptape.store.log_record import Begun, Closed, Confirmed, Events, Mark, Marks, Record, Rolled


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
        self._kept = head.schema.empty_table()
        self._count = 1
        self._rolled = 1

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

    def add(self, record: Record) -> None:
        """Takes the next record that is durable in the log."""
        self._count += 1
        match record:
            case Events(rows):
                self._fresh.append(rows)
            case Marks(marks):
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

    def _segment(self, rolled: Rolled) -> Segment:
        claims = self._proofs.claims(rolled.time)
        fresh = pa.Table.from_batches(self._fresh, schema=self.head.schema)
        starts = _starts(claims)
        rows = pa.concat_tables([since(self._kept, starts), fresh])
        horizons = self._proofs.horizons()
        self._kept = since(pa.concat_tables([self._kept, fresh]), horizons).combine_chunks()
        self._fresh = []
        return Segment(rolled.name, self.head.venue, self.head.dataset, rows, claims, rolled.wants)

    def carried(self) -> tuple[tuple[Mark, ...], pa.RecordBatch | None]:
        """What the next log begins with when this one ends though its connections go on: marks, and rows that may be claimed again."""
        batches = self._kept.combine_chunks().to_batches()
        return self._proofs.resume(), batches[0] if batches else None


def lives(records: Sequence[Record]) -> list[Tail]:
    """The lives of a log, oldest first: each begins with `Begun`."""
    begins = [at for at, record in enumerate(records) if isinstance(record, Begun)]
    return [Tail.of(records[begin:end]) for begin, end in zip(begins, [*begins[1:], len(records)], strict=True)]


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
