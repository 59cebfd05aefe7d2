"""The catalog as `perptape.open` gives it: what is on the tape, and what is not."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pyarrow as pa

from perptape.collect.report import holes, standings
from perptape.datasets import DATASETS
from perptape.errors import UsageError
from perptape.exchanges.registry import VENUES
from perptape.store import layout
from perptape.store.catalog import Catalog
from perptape.store.made import Made
from perptape.store.reading import Reading, Unread, left_in_logs, of_venues, waiting

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
        it says of holes is left out; and, of a folder, of what lies in streams' logs beside it. Raises ValueError for a venue or dataset
        that there is not, StoreError where the store cannot be read.
        """
        venues, datasets = _chosen("venue", venue, VENUES), _chosen("dataset", dataset, DATASETS)
        at = time.time_ns() // 1_000_000 if now is None else now
        logs = of_venues(left_in_logs(self, None), venues if "liquidations" in datasets else ())
        reading = Reading(self, logs=logs)
        rows = [
            (one.venue, one.dataset, one.instrument, one.grid, kind, hole.start, hole.end, reason or None)
            for one, kind, hole, reason in holes(standings(reading, at, venues, datasets))
        ]
        for unread in reading.unread:
            self.left_out(left_out(unread))
        for line in (*waiting(logs), *(line for _, line in logs.unreadable)):
            self.left_out(line)
        return pa.table([list(column) for column in zip(*rows, strict=True)] or [[] for _ in GAPS], schema=GAPS)


def left_out(unread: Unread) -> str:
    """What is said of something that cannot be read: of an object that it is left out, and what mends it. Pure."""
    if not unread.line.startswith((layout.SEGMENTS, layout.COVERAGE)):
        return unread.line
    return f"{unread.line}; what it says of holes is left out{': `perptape publish` keeps it aside' if unread.aside else ''}"


def _chosen(what: str, name: str | None, among: Iterable[str]) -> tuple[str, ...]:
    every = tuple(among)
    if name is None:
        return every
    if name not in every:
        raise ValueError(f"there is no {what} {name!r}: one of {', '.join(every)}")
    return (name,)
