"""A stream's way to the disk: batches become durable records, a roll becomes a segment, what the store has makes room.

All calls block and belong to one thread. What is in the tail is what is in the log: a record counts once it is durable. A log has
several lives, one after the other: a new one begins with what the connections have proven and not yet claimed, so that all before it
can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from perptape.claims import Want
from perptape.collect.mark_rules import Rules
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_tail import PART, Segment, Tail
from perptape.datasets.base import Dataset
from perptape.errors import StoreError, Unwritable
from perptape.store import layout
from perptape.store.log import FULL_DISK
from perptape.store.log_record import Begun, Closed, Confirmed, Events, Mark, Marks, Record, encode
from perptape.store.logs import Logs
from perptape_api.names import LOG_RESERVE

LEAST_ROW = 64
"""Bytes that a row takes at least: what cannot fit is not even put into words."""
PIECES = 16
"""A batch is written in pieces of at most this part of the reserve, by the most that a row takes."""
MOST_ROW = 512


@dataclass(frozen=True, slots=True)
class Life:
    """A life of the log: where in it it begins, and what of it is not in segments, or not in the store."""

    begins: int
    tail: Tail


class StreamLog:
    """The log of one stream. `limit`: its reserve in bytes; `part`: bytes of rows, about, that are put at once."""

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
        limit: int = LOG_RESERVE,
        part: int = PART,
    ) -> None:
        self._logs = logs
        self._dataset = dataset
        self._venue = venue
        self._rules = rules
        self._new_id = new_id
        self._limit = limit
        self._part = part
        log = None
        while log is None:
            log = logs.create(head := self._head(opened, since), limit)
        self._log = log
        self._lives = [Life(0, Tail(head))]
        self._rolled_at = log.end
        self._unwritten: list[Record] = []
        self._beside = False

    def _head(self, opened: int, since: Mapping[str, int]) -> Begun:
        owner, rules, dataset = self._logs.owner, asdict(self._rules), self._dataset
        return Begun(self._new_id(), self._venue, dataset.name, opened, since, rules, dataset.schema, owner.store, owner.origin)

    @property
    def _tail(self) -> Tail:
        return self._lives[-1].tail

    @property
    def unconfirmed(self) -> list[Segment]:
        """Segments that the store may not have yet, oldest first."""
        return [segment for life in self._lives for segment in life.tail.unconfirmed.values()]

    @property
    def used(self) -> int:
        """Bytes of the reserve that are taken."""
        return self._log.used

    @property
    def pressed(self) -> bool:
        """Whether so much was received since the last roll that the next one should not wait."""
        return self._log.end - self._rolled_at > self._limit // 8

    @property
    def heavy(self) -> bool:
        """Whether so much was received since the last roll that one segment should hold no more, however many wait for the store: its
        put takes twice its size beside it."""
        return self._tail.held >= self._part

    @property
    def piece(self) -> int:
        """How many rows at once are written at most."""
        return max(self._limit // PIECES // MOST_ROW, 1)

    def asserting(self, time: int, wants: tuple[Want, ...]) -> Segment:
        """A segment of its own that says what is wanted, and nothing more."""
        name = layout.segment_name(time, self._new_id(), 0)
        return Segment(name, self._venue, self._dataset.name, self._dataset.schema.empty_table(), (), wants)

    def assert_wants(self, time: int, wants: tuple[Want, ...]) -> None:
        """The first roll, of what is wanted and nothing more: what was missed until now is one hole with what is missed until a
        connection proves. Raises StoreError."""
        self._write([replace(self._tail.roll(time, wants), time=min(self._tail.said.values()))])

    def pass_by(self) -> None:
        """From here on nothing is written any more: what the log does not take goes straight to the store, or with this process."""
        self._beside = True

    def write(self, batch: Batch) -> None:
        """Makes a batch durable, rows before the marks that prove them. Raises StoreError, and nothing of it is there."""
        room = self._log.room
        if not self._beside and room is not None and len(batch.rows) * LEAST_ROW > room:
            raise Unwritable(f"{len(batch.rows)} rows do not fit what the log {self._log.name} has left of its reserve", FULL_DISK)
        records: list[Record] = list(self._unwritten)
        if batch.rows:
            records += map(Events, self._dataset.table(batch.rows).to_batches())
        if batch.marks:
            records.append(Marks(tuple(batch.marks)))
        self._write(records, last_words=False)
        self._unwritten.clear()

    def _write(self, records: list[Record], *, last_words: bool = True) -> None:
        if not self._beside:
            self._log.write(records, last_words=last_words)
        for record in records:
            self._tail.add(record)

    def end(self, time: int) -> int:
        """Where what is said after a roll at `time` ends: proven, or known to be missed."""
        return self._tail.end(time)

    def roll(self, time: int, wants: tuple[Want, ...], *, last: bool = False) -> bool:
        """Ends what is not in a segment yet; the segment is among the unconfirmed. Raises StoreError.

        `time` (on the venue's clock): up to there all is missed if nobody listens. True: what connections prove counts anew from their
        next acknowledgement, since there was no room to carry it on.
        """
        rolled, keeps_up = self._tail.roll(time, wants), not self.unconfirmed or self._log.used > self._limit // 2
        if self._beside:  # a replay of what the log holds may make a segment of the other name, and holds less
            rolled = replace(rolled, name=self.asserting(time, wants).name)
        self._write([rolled])
        grown = self._log.end - self._lives[-1].begins > self._limit // 8
        broken = self._live_on(time) if grown and keeps_up and not (last or self._beside) else False
        self._rolled_at = self._log.end
        return broken

    def _live_on(self, time: int) -> bool:
        """The next life begins where this one has just rolled. One that would begin with more than there is room for begins bare, unless
        room is still to come: True. It is not begun while the store takes nothing, since it repeats what is carried on."""
        marks, rows = self._tail.carried()
        carried: list[Record] = [Events(rows)] if rows is not None else []
        try:
            self._begin([*carried, Marks(marks)])
        except StoreError:
            if (self._log.room or 0) > self._limit // PIECES or len(self._lives) > 1:  # the next roll tries again
                return False
            with suppress(StoreError):
                self._begin([Marks((Mark("dropped", "", time, text=FULL_DISK),))])
                return True
        return False

    def _begin(self, records: list[Record]) -> None:
        head = self._head(min(self._tail.said.values()), {})
        before, closed = self._log.end, Closed()
        self._log.write([closed, head, *records])
        self._tail.add(closed)
        tail = Tail.of([head, *records])
        tail.held = 0  # what is carried on was put: it makes no new segment heavy, which would carry it on again
        self._lives.append(Life(before + len(encode(closed)), tail))

    def confirm(self, name: str) -> None:
        """The store has the segment: a life without another one makes room."""
        for life in self._lives:
            if life.tail.unconfirmed.pop(name, None) is not None and life is self._lives[-1]:
                self._unwritten.append(Confirmed(name))  # goes with the next write; forgotten, it costs a repeated put
        over = next((at for at, life in enumerate(self._lives[:-1]) if life.tail.unconfirmed), len(self._lives) - 1)
        if over:
            with suppress(StoreError):  # the next confirmation tries again
                self._log.forget(self._lives[over].begins)
                del self._lives[:over]

    def close(self) -> None:
        """Ends the log. It goes if the store has all of it, and is left to the next process otherwise.

        One whose last roll was refused, or passed it by, is not closed: the next process must still make a segment of what is behind
        the roll before.
        """
        if not self.unconfirmed and self._tail.rolled:
            self._log.remove()
            return
        try:
            if self._tail.rolled and not self._tail.closed and not self._beside:
                self._log.write([*self._unwritten, Closed()])
        finally:
            self._log.release()
