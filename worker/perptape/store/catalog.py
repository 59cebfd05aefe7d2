"""The read side of a tape: all that is there, published or not. `tape` is the write side."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Self

import pyarrow as pa

from perptape.coverage import Coverage
from perptape.datasets import DATASETS
from perptape.datasets.base import FORMATS, Format
from perptape.datasets.instruments import INSTRUMENTS, SeenInstrument, seen_instruments
from perptape.errors import UsageError
from perptape.store import coverage as covered
from perptape.store import layout
from perptape.store.asked import check_known, check_times
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import Landing, landing
from perptape.store.location import StoreOptions, filesystem
from perptape.store.made import Made, stored
from perptape.store.parquet import Unreadable
from perptape.store.query import Period, Time, read_rows

__all__ = ["Catalog", "StoreOptions", "filesystem"]


def warn(line: str) -> None:
    """How a program is told of what is left out of an answer: at the line of its own that asked."""
    frame: FrameType | None = sys._getframe()
    depth = 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "perptape":
        frame, depth = frame.f_back, depth + 1
    warnings.warn(line, UserWarning, stacklevel=depth)


class Catalog:
    """The read side. It needs no more than the right to read."""

    def __init__(self, fs: FileSystem) -> None:
        self.fs = fs
        self._made: Made | None = None
        self.left_out: Callable[[str], None] = warn
        """Told of each segment, and list of contracts, that cannot be read and that an answer therefore lacks."""

    @classmethod
    def open(cls, location: str, *, options: StoreOptions | None = None) -> Self:
        return cls(filesystem(location, options))

    @property
    def location(self) -> str:
        return self.fs.location

    def made(self) -> Made | None:
        """What the store was made for; None before anything was written to it. Raises Newer."""
        if self._made is None:
            self._made = stored(self.fs)
        return self._made

    @property
    def origin(self) -> str | None:
        """``live`` or ``simulated:<seed>``; None before anything was written."""
        made = self.made()
        return None if made is None else made.origin

    @property
    def layout(self) -> Format | None:
        """The format of the data files; None before anything was written."""
        made = self.made()
        return None if made is None else made.layout

    def venues(self) -> tuple[str, ...]:
        """Every venue of which there is anything."""
        return tuple(sorted({venue for venue, _ in self.datasets()}))

    def datasets(self) -> tuple[tuple[str, str], ...]:
        """(venue, dataset) of everything that there is, instruments among them."""
        found = {layout.venue_and_dataset(e.path) for folder in (layout.SEGMENTS, layout.COVERAGE) for e in self.fs.list(folder)}
        found |= {(layout.name_of(e.path), INSTRUMENTS) for e in self.fs.list(layout.INSTRUMENTS)}
        return tuple(sorted(pair for pair in found if pair is not None))

    def coverage(self, venue: str, dataset: str) -> Coverage:
        """What is claimed and wanted, segments included."""
        return self.known(venue, dataset).coverage

    def known(self, venue: str, dataset: str) -> covered.Known:
        """The coverage, with one line for each thing that could not be read."""
        return covered.known(self.fs, self._landing(venue, dataset), venue)

    def instruments(self, venue: str, *, tell: Callable[[str], None] | None = None) -> tuple[SeenInstrument, ...]:
        """Every contract that was ever seen on a venue, by id, oldest lifetime first. `tell`: in place of `left_out`."""
        place = self._landing(venue, INSTRUMENTS)
        found, unread = covered.segments(self.fs, place, venue, rows=True)
        tables = [s.rows for s in found]
        path = layout.instruments(venue)
        try:
            at = place.place(path)
            assert at is not None
            tables.append(place.decode(at, self.fs.read(path).data))
        except Absent:
            pass
        except Unreadable as error:
            unread.append(str(error))
        for line in unread:
            (tell or self.left_out)(f"{line}; the contracts in it are left out: see `perptape verify`")
        return seen_instruments(place.joined(tables)[0])

    def read(
        self, dataset: str, instruments: Iterable[str] | None = None, start: Time = None, end: Time = None, *, period: Period = None
    ) -> pa.Table:
        """The rows with ts_event in ``[start, end)``, published or not, each once, sorted by instrument and ts_init.

        Times are ms since the epoch, or a datetime. `instruments` are Nautilus ids, or one (None: all). `period` in minutes picks one
        period of open interest (0: samples); by default, per instrument, the finest that covers the range. Raises UsageError for an
        instrument of which there is nothing at all, for times the wrong way round and for times that are not in ms. Warns of each segment
        that cannot be read, and leaves its rows out; a data file that cannot be read raises StoreError.
        """
        wanted = None if instruments is None else frozenset([instruments] if isinstance(instruments, str) else instruments)
        check_times(start, end)
        rows = self.rows(dataset, wanted, start, end, period=period)
        if wanted is not None and self.made() is not None:
            check_known(self, dataset, wanted, rows)
        return rows

    def rows(
        self, dataset: str, instruments: Iterable[str] | None = None, start: Time = None, end: Time = None, *, period: Period = None
    ) -> pa.Table:
        """As `read`, but what there is nothing of has no rows."""
        if dataset not in DATASETS:
            raise UsageError(f"there is no dataset {dataset!r}: choose one of {', '.join(DATASETS)}")
        form = self.layout
        kind = DATASETS[dataset]
        return kind.empty() if form is None else read_rows(self.fs, kind, form, instruments, start, end, period, tell=self.left_out)

    def every_row(
        self,
        dataset: str,
        instruments: Iterable[str] | None = None,
        start: Time = None,
        end: Time = None,
        *,
        tell: Callable[[str], None] | None = None,
    ) -> pa.Table:
        """The rows of a dataset, of open interest those of every period. `tell`: in place of `left_out`."""
        form = self.layout
        kind = DATASETS[dataset]
        if form is None:
            return kind.empty()
        return read_rows(self.fs, kind, form, instruments, start, end, None, every_period=True, tell=tell or self.left_out)

    def sql(self, query: str) -> pa.Table:
        """The answer of DuckDB, which knows each dataset as a view."""
        from perptape.store.sql import sql

        return sql(self, query)

    def _landing(self, venue: str, dataset: str) -> Landing:
        made = self.made()
        found = landing(venue, dataset, made.layout if made is not None else FORMATS[0])
        if found is None:
            raise UsageError(f"there is no dataset {dataset!r}: choose one of {', '.join(DATASETS)}")
        return found
