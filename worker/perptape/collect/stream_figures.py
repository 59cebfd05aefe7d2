"""How far a stream is, as its segments come into the tape: by what was read of the tape, and by what this process has put since.

Runs where segments are put, in the store's own thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import pyarrow as pa

from perptape.claims import Claim, Want
from perptape.collect.figures import Figures
from perptape.collect.outcome import Outcome
from perptape.collect.stream_adopt import Segments
from perptape.coverage import Coverage
from perptape.datasets import DATASETS
from perptape.errors import StoreError
from perptape.store.coverage import Sayings

READ_AGAIN_S: Final = 300.0
"""What other replicas put is read so often; holes are told as of the last reading, since another may have what this one missed: unless this
one is alone."""
REMEMBERED: Final = 2**15
"""So many events at least that were counted are known again, and those of the last segment; at most twice as many, and those of the two
segments with which that was passed: 7 MB where those are small. A segment repeats what was put within a feed's quiet limit (5 min), nearly
all of it within seconds."""
ROWS: Final = 2**14
"""So many rows are looked at in one go: a segment of ten connections has ten times a minute's events, and all of them at once took as much
memory again as the segment."""

LARGE: Final = 2**20
"""Bytes of rows from which a segment on its way takes several times as much for a moment, which allocators keep in pieces."""


def _give_back() -> None:
    pa.default_memory_pool().release_unused()


@dataclass(slots=True)
class Followed:
    """Segments of one stream: put on, and judged. `known`: what was read of the tape last; `judge`: the figures by a coverage."""

    segments: Segments
    outcome: Outcome
    known: Coverage
    read: Callable[[], Coverage]
    judge: Callable[[Coverage], Figures | None]
    monotonic: Callable[[], float]
    alone: bool = False
    """Whether nobody else brings what this one misses."""
    remembered: int = REMEMBERED
    give_back: Callable[[], None] = _give_back
    """Memory that nobody uses goes to the system."""
    _put: Sayings = field(default_factory=Sayings)
    """What this process has put since."""
    _at: float | None = None
    _lately: set[int] = field(default_factory=set)
    """Digests of events that were counted, or came again; of those before them, `_before`."""
    _before: set[int] = field(default_factory=set)

    def put(self, name: str, venue: str, dataset: str, rows: pa.Table, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> None:
        self.segments.put(name, venue, dataset, rows, claims, wants)
        self._count(rows)
        self._put = self._put.joined([Sayings(claims, wants)])
        self._look()
        if rows.nbytes >= LARGE:
            self.give_back()

    def _count(self, rows: pa.Table) -> None:
        """Counts what the tape has more by these: each event once whatever connections heard it, and no row of those of earlier segments
        that a segment claims again. By what each is: when it was received is this machine's clock, which may be set back.
        """
        if len(self._lately) >= self.remembered:
            self._before, self._lately = self._lately, set()
        for event in _events(rows):
            self.outcome.stored += not (event in self._lately or event in self._before)
            self._lately.add(event)

    def look_again(self) -> None:
        """As the tape has it now, whatever was read of it last: for the stream's end."""
        self._at = None
        self._look()

    def _look(self) -> None:
        now = self.monotonic()
        fresh = False
        if self._at is None or now - self._at >= READ_AGAIN_S:
            with suppress(StoreError):  # told where it matters: when a segment is not taken
                self.known = self.read()
                self._put, self._at, fresh = Sayings(), now, True
        all_known = Coverage.of((*self.known.claims, *self._put.claims), (*self.known.wants, *self._put.wants), self.known.damage)
        found, before = self.judge(all_known), self.outcome.figures
        if found is not None and before is not None and not (fresh or self.alone):
            found = replace(found, open=before.open, lost=before.lost, why=before.why, unproven=before.unproven)
        self.outcome.figures = found


def _events(rows: pa.Table) -> Iterator[int]:
    """A digest of each event by what the tape knows it by; nearly each once, of however many connections heard it. Pure in one process."""
    keys = [rows["instrument_id"], *DATASETS["liquidations"].key(rows)]
    heard = pa.table({str(number): key for number, key in enumerate(keys)})
    for start in range(0, heard.num_rows, ROWS):
        some = heard.slice(start, ROWS)
        once = some.group_by(some.column_names, use_threads=False).aggregate([])
        yield from map(hash, zip(*(column.to_pylist() for column in once.columns), strict=True))
