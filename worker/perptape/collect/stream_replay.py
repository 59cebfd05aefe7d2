"""What the segments of a dead process' log are, in parts that memory can hold however long the log is.

Pure but for reading. Where a part ends follows from the log alone, and so do its name and what is in it: who replays it again, after a
kill, makes the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from perptape.collect.stream_tail import Segment, Tail
from perptape.store.log_read import Records
from perptape.store.log_record import Begun, Confirmed, Lost, Marks, Rolled


@dataclass(slots=True)
class Replay:
    """All lives of a log, read once more for each time that they are gone through. `head`: of the last life, in which what was open is
    open; `tail`: of the life that was gone through last."""

    records: Records
    part: int
    head: Begun
    rolls: tuple[bool, ...]
    """Of each roll, also of one that is lost at a life's end, whether the store may not have its segment: one of which something is lost
    may have taken the place of two."""
    tail: Tail

    @classmethod
    def of(cls, records: Records, part: int) -> Replay:
        """Raises OSError."""
        first, head, rolls, confirmed, lost = records.head, records.head, list[str](), set[str](), False
        if first is None or head is None:
            raise ValueError("a log begins with Begun")
        for record in records.but_events():
            match record:
                case Begun():
                    head = record
                    rolls += [""] if lost else []
                    lost = False
                case Lost():
                    lost = True
                case Rolled(name=name):
                    rolls.append("" if lost else name)
                    lost = False
                case Confirmed(name):
                    confirmed.add(name)
        return cls(records, part, head, tuple(name not in confirmed for name in rolls), Tail(replace(first, since={})))

    def segments(self) -> Iterator[Segment]:
        """Those that the store may not have, oldest first. What a roll ends is in parts where it is more than memory should hold: the
        same ones at each replay, since where they end follows from the log. Raises OSError."""
        rolls, lost = iter((*self.rolls, True)), False
        unconfirmed = next(rolls)
        for record in self.records:
            if isinstance(record, Begun):
                if lost:  # perhaps its last roll
                    self.tail.add(self.tail.roll(record.opened, ()))
                    _, segment = self.tail.unconfirmed.popitem()
                    if segment.claims or segment.rows.num_rows:
                        yield segment
                    unconfirmed, lost = next(rolls), False
                self.tail = Tail(record)
                continue
            self.tail.add(record)
            lost |= isinstance(record, Lost)
            if isinstance(record, Rolled):
                _, segment = self.tail.unconfirmed.popitem()
                if unconfirmed:
                    yield segment
                unconfirmed, lost = next(rolls), False
            elif isinstance(record, Marks) and self.tail.held >= self.part:  # marks prove what is before them
                segment = self.tail.part()
                if unconfirmed:
                    yield segment
