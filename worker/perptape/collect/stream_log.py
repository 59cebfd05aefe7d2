"""A stream's way to the disk: batches become durable records, a roll becomes a segment, a full log makes way for the next.

All calls block and belong to one thread. What is in the tail is what is in the log: a record counts once it is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace

from perptape.claims import Want
from perptape.collect.marks import Rules
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_tail import Segment, Tail
from perptape.datasets.base import Dataset
from perptape.errors import StoreError
from perptape.store import layout
from perptape.store.log import Log, Logs
from perptape.store.log_record import Begun, Closed, Confirmed, Events, Marks, Record


class StreamLog:
    """The log that one stream writes now, and those before it whose segments are not all in the store."""

    def __init__(
        self,
        logs: Logs,
        dataset: Dataset,
        venue: str,
        rules: Rules,
        *,
        opened: int,
        since: Mapping[str, int],
        new_id: Callable[[], str],
        limit: int = 64 * 2**20,
    ) -> None:
        self._logs = logs
        self._dataset = dataset
        self._venue = venue
        self._rules = rules
        self._new_id = new_id
        self._limit = limit
        self._log, self._tail = self._begin(opened, since)
        self._old: list[tuple[Log, Tail]] = []
        self._unwritten: list[Record] = []
        self._beside = False

    def _begin(self, opened: int, since: Mapping[str, int]) -> tuple[Log, Tail]:
        log = None
        while log is None:
            owner, rules = self._logs.owner, asdict(self._rules)
            schema, name = self._dataset.schema, self._dataset.name
            head = Begun(self._new_id(), self._venue, name, opened, since, rules, schema, owner.store, owner.origin)
            log = self._logs.create(head)
        return log, Tail(head)

    @property
    def unconfirmed(self) -> list[Segment]:
        """Segments that the store may not have yet, oldest first."""
        return [segment for _, tail in [*self._old, (self._log, self._tail)] for segment in tail.unconfirmed.values()]

    def asserting(self, time: int, wants: tuple[Want, ...]) -> Segment:
        """A segment of its own that says what is wanted, and nothing more."""
        name = layout.segment_name(time, self._new_id(), 0)
        return Segment(name, self._venue, self._dataset.name, self._dataset.schema.empty_table(), (), wants)

    def pass_by(self) -> None:
        """From here on nothing is written any more: what the log does not take goes straight to the store, or with this process."""
        self._beside = True

    def write(self, batch: Batch) -> None:
        """Makes a batch durable, rows before the marks that prove them. Raises StoreError, and nothing of it is there."""
        records: list[Record] = list(self._unwritten)
        if batch.rows:
            records += map(Events, self._dataset.table(batch.rows).to_batches())
        if batch.marks:
            records.append(Marks(tuple(batch.marks)))
        self._write(records)
        self._unwritten.clear()

    def _write(self, records: list[Record]) -> None:
        if not self._beside:
            self._log.write(records)
        for record in records:
            self._tail.add(record)

    def end(self, time: int) -> int:
        """Where what is said after a roll at `time` ends: proven, or known to be missed."""
        return self._tail.end(time)

    def roll(self, time: int, wants: tuple[Want, ...], *, last: bool = False) -> None:
        """Ends what is not in a segment yet; the segment is among the unconfirmed. Raises StoreError.

        `time` (on the venue's clock): up to there all is missed if nobody listens.
        """
        rolled = self._tail.roll(time, wants)
        if self._beside:  # a replay of what the log holds may make a segment of the other name, and holds less
            rolled = replace(rolled, name=self.asserting(time, wants).name)
        self._write([rolled])
        if self._log.size > self._limit and not last:
            with suppress(StoreError):  # the next roll tries again
                self._succeed()

    def _succeed(self) -> None:
        """The next log begins where this one has just rolled; this one ends. Should both stay, they say the same, which joins."""
        marks, rows = self._tail.carried()
        log, tail = self._begin(min(self._tail.said.values()), {})
        records: list[Record] = [Events(rows)] if rows is not None else []
        records.append(Marks(marks))
        try:
            log.write(records)
            self._write([Closed()])
        except StoreError:
            log.remove()
            raise
        for record in records:
            tail.add(record)
        self._old.append((self._log, self._tail))
        self._log, self._tail = log, tail

    def confirm(self, name: str) -> None:
        """The store has the segment: an old log with no other one goes."""
        for log, tail in list(self._old):
            tail.unconfirmed.pop(name, None)
            if not tail.unconfirmed:
                log.remove()
                self._old.remove((log, tail))
        if name in self._tail.unconfirmed:
            self._tail.unconfirmed.pop(name)
            self._unwritten.append(Confirmed(name))  # goes with the next write; forgotten, it costs a repeated put

    def close(self) -> None:
        """Ends the log. It goes if the store has all of it, and is left to the next process otherwise.

        One whose last roll was refused, or passed it by, is not closed: the next process must still make a segment of what is behind
        the roll before.
        """
        for log, _ in self._old:
            log.release()
        if not self._tail.unconfirmed and self._tail.rolled:
            self._log.remove()
            return
        try:
            if self._tail.rolled and not self._tail.closed and not self._beside:
                self._log.write([*self._unwritten, Closed()])
        finally:
            self._log.release()
