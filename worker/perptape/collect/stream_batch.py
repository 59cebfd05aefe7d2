"""What a connection's read loop hands over: rows with their ordinals, and marks, until the next write to the log.

Nothing here blocks, raises or touches a disk: it runs inside the read loop, thousands of times a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from perptape.datasets.liquidations import Row
from perptape.interval import NS, SECOND
from perptape.store.log_record import Mark

_RECEIVED, _EVENT = itemgetter(10), itemgetter(11)


@dataclass(slots=True)
class Batch:
    """Rows and marks in the order of their receipt."""

    rows: list[Row] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows) + len(self.marks)

    def extend(self, other: Batch) -> None:
        self.rows += other.rows
        self.marks += other.marks

    def pieces(self, rows: int) -> Iterator[Batch]:
        """The same in parts of so many rows at most; the marks are in the last one, since they prove what is before them."""
        for start in range(0, max(len(self.rows), 1), rows):
            end = start + rows
            yield Batch(self.rows[start:end], self.marks if end >= len(self.rows) else [])


@dataclass(slots=True)
class Counts:
    """What was received, over all connections of a stream."""

    events: int = 0
    """Rows that are in the fsynced log."""
    malformed: int = 0
    dropped: int = 0
    ahead: int = 0
    """Rows whose event time was more than a second ahead of the venue's clock: kept."""
    connections: int = 0
    last_event: int | None = None
    lag: int | None = None
    """ms between the last row's event time and its receipt."""

    def add(self, earlier: Counts) -> None:
        """Goes on where a stream before this one stopped."""
        for name in ("events", "malformed", "dropped", "ahead", "connections"):
            setattr(self, name, getattr(self, name) + getattr(earlier, name))


class Intake:
    """The bounded batch of all connections, and what became of events that did not fit."""

    def __init__(self, limit: int, counts: Counts) -> None:
        self._limit = limit
        self._batch = Batch()
        self._dropping = False
        self._cause = ""
        self.counts = counts
        self.spoke: tuple[int, float] | None = None
        """What a control topic proved last, ms on the venue's clock, and when it said so, on our monotonic clock in s."""

    def __len__(self) -> int:
        return len(self._batch)

    def add(self, row: Row) -> bool:
        """False: there is no room, and the stream's time is broken here."""
        if self._dropping or len(self._batch.rows) >= self._limit:
            self._dropping = True
            self.counts.dropped += 1
            return False
        self._batch.rows.append(row)
        return True

    def mark(self, mark: Mark) -> None:
        if self._dropping or len(self._batch.marks) >= self._limit:
            self._dropping = True
            return
        self._batch.marks.append(mark)

    def take(self) -> Batch:
        """Everything so far; the batch is empty afterwards."""
        taken, self._batch = self._batch, Batch()
        return taken

    def durable(self, batch: Batch) -> None:
        """Counts what is in the log now."""
        if not batch.rows:
            return
        counts, (*_, received, event, _) = self.counts, batch.rows[-1]
        newest, soon = max(map(_EVENT, batch.rows)), min(map(_RECEIVED, batch.rows)) + SECOND * NS
        counts.events += len(batch.rows)
        counts.last_event = max(newest // NS, counts.last_event or 0)
        counts.lag = (received - event) // NS
        if newest > soon:  # seldom, so that they need not be counted one by one at every write
            counts.ahead += sum(row[11] > row[10] + SECOND * NS for row in batch.rows)

    def give_back(self, batch: Batch, cause: str) -> None:
        """What could not be written, and for what cause, to be tried again before anything newer."""
        batch.extend(self._batch)
        self._batch, self._cause = batch, cause

    def resumed(self, time: int) -> bool:
        """What there was is durable. True: something had been dropped, which is now marked: connections must be acknowledged anew.

        Where no write had failed, more came at once than there is room for.
        """
        dropped, cause = self._dropping, self._cause or "overflow"
        self._dropping, self._cause = False, ""
        if dropped:
            self._batch.marks.append(Mark("dropped", "", time, text=cause))
        return dropped
