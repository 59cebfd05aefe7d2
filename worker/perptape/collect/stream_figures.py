"""How far a stream is, as its segments come into the tape: by what was read of the tape, and by what this process has put since.

Runs where segments are put, in the store's own thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from perptape.claims import Claim, Want
from perptape.collect.figures import Figures
from perptape.collect.outcome import Outcome
from perptape.collect.stream_adopt import Segments
from perptape.coverage import Coverage
from perptape.errors import StoreError
from perptape.store.coverage import Sayings

READ_AGAIN_S: Final = 300.0
"""What other replicas put is read so often; holes are told as of the last reading, since another may have what this one missed."""


@dataclass(slots=True)
class Followed:
    """Segments of one stream: put on, and judged. `known`: what was read of the tape last; `judge`: the figures by a coverage."""

    segments: Segments
    outcome: Outcome
    known: Coverage
    read: Callable[[], Coverage]
    judge: Callable[[Coverage], Figures | None]
    monotonic: Callable[[], float]
    _put: Sayings = field(default_factory=Sayings)
    """What this process has put since."""
    _at: float | None = None
    _received: int = -1
    """When the newest row that the store has was received, ns."""

    def put(self, name: str, venue: str, dataset: str, rows: pa.Table, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> None:
        self.segments.put(name, venue, dataset, rows, claims, wants)
        self._count(rows["ts_received"])
        self._put = self._put.joined([Sayings(claims, wants)])
        self._look()

    def _count(self, received: pa.ChunkedArray) -> None:
        """A segment repeats the rows of earlier ones that it claims again: only what came since counts."""
        self.outcome.stored += pc.sum(pc.greater(received, self._received)).as_py() or 0
        self._received = max(self._received, pc.max(received).as_py() or 0)

    def _look(self) -> None:
        now = self.monotonic()
        fresh = self._at is None or now - self._at >= READ_AGAIN_S
        if fresh:
            with suppress(StoreError):  # told where it matters: when a segment is not taken
                self.known = self.read()
                self._put, self._at = Sayings(), now
        all_known = Coverage.of((*self.known.claims, *self._put.claims), (*self.known.wants, *self._put.wants), self.known.damage)
        found, before = self.judge(all_known), self.outcome.figures
        if found is not None and before is not None and not fresh:
            found = replace(found, open=before.open, lost=before.lost, unproven=before.unproven)
        self.outcome.figures = found
