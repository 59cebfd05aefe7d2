"""The catalog as `perptape.open` gives it: what is on the tape, and what is not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from perptape.collect.report import holes, standings
from perptape.coverage import Coverage
from perptape.datasets import DATASETS
from perptape.datasets.instruments import SeenInstrument
from perptape.errors import UsageError
from perptape.exchanges.registry import VENUES
from perptape.store import layout
from perptape.store.catalog import Catalog
from perptape.store.made import Made

GAPS = pa.schema(
    [
        *(pa.field(name, pa.string(), False) for name in ("venue", "dataset", "instrument_id", "grid", "kind")),
        *(pa.field(name, pa.int64(), False) for name in ("start", "end")),
        pa.field("reason", pa.string()),
    ]
)


class Library(Catalog):
    """A catalog to read from, which can tell its holes. Where there is no tape, whatever is asked of it raises UsageError."""

    def made(self) -> Made:
        """What the store was made for. Raises UsageError where there is none, Newer."""
        found = super().made()
        if found is None:
            raise UsageError(f"there is no tape at {self.location}: `perptape run FILE` makes one")
        return found

    def gaps(self, venue: str | None = None, dataset: str | None = None, *, now: int | None = None) -> pa.Table:
        """The holes in what was wanted of one venue and dataset, or of all, as `perptape gaps` prints them.

        A row each: `kind` is open (can still be had), lost (`reason` says why) or unproven (nobody knows); `start` and `end`
        (exclusive) are ms UTC. `now`: ms, this machine's clock where it is left out. Warns of each object that cannot be read: what
        it says of holes is left out. Raises ValueError for a venue or dataset that there is not, StoreError where the store cannot be read.
        """
        venues, datasets = _chosen("venue", venue, VENUES), _chosen("dataset", dataset, DATASETS)
        at = time.time_ns() // 1_000_000 if now is None else now
        heard = _Heard(self)
        rows = [
            (one.venue, one.dataset, one.instrument, one.grid, kind, hole.start, hole.end, reason or None)
            for one, kind, hole, reason in holes(standings(heard, at, venues, datasets))
        ]
        for line in heard.unread:
            self.left_out(line)
        return pa.table([list(column) for column in zip(*rows, strict=True)] or [[] for _ in GAPS], schema=GAPS)


@dataclass(slots=True)
class _Heard:
    """A catalog that is asked for standings. `unread`: one line for each object of which it could not say what it claims."""

    catalog: Catalog
    unread: list[str] = field(default_factory=list)

    def coverage(self, venue: str, dataset: str) -> Coverage:
        known = self.catalog.known(venue, dataset)
        self.unread += map(left_out, known.unreadable)
        return known.coverage

    def instruments(self, venue: str) -> Sequence[SeenInstrument]:
        return self.catalog.instruments(venue)


def left_out(line: str) -> str:
    """What is said of something that cannot be read: of an object that it is left out, and what mends it. Pure."""
    kept = line.startswith((layout.SEGMENTS, layout.COVERAGE))
    return f"{line}; what it says of holes is left out: `perptape publish` keeps it aside" if kept else line


def _chosen(what: str, name: str | None, among: Iterable[str]) -> tuple[str, ...]:
    every = tuple(among)
    if name is None:
        return every
    if name not in every:
        raise ValueError(f"there is no {what} {name!r}: one of {', '.join(every)}")
    return (name,)
