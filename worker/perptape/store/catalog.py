"""The catalog as the rest of perptape sees it: `Tape` writes segments and publishes them, `Catalog` reads all that is there."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Self

import pyarrow as pa

from perptape.claims import Claim, Want
from perptape.coverage import Coverage
from perptape.datasets import DATASETS
from perptape.datasets.base import FORMATS, Format
from perptape.datasets.instruments import INSTRUMENTS, SeenInstrument, seen_instruments
from perptape.errors import FormatConflict, OriginConflict, StoreError, UsageError
from perptape.store import coverage as covered
from perptape.store import layout
from perptape.store.asked import check_known, check_times
from perptape.store.deadline import DEADLINE, Bounded, sweep
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import Landing, landing, schema
from perptape.store.location import StoreOptions, filesystem
from perptape.store.made import Made, make, still, stored
from perptape.store.parquet import Unreadable
from perptape.store.publish import Publisher, PublishReport
from perptape.store.query import Period, Time, read_rows
from perptape.store.segment import Segment, encode_segment
from perptape.store.usable import usable
from perptape.store.verify import Finding, findings

__all__ = ["Catalog", "StoreOptions", "Tape", "filesystem"]


def suspended_too() -> float:
    """Seconds of a clock that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Catalog:
    """The read side. It needs no more than the right to read."""

    def __init__(self, fs: FileSystem) -> None:
        self.fs = fs
        self._made: Made | None = None

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

    def instruments(self, venue: str) -> tuple[SeenInstrument, ...]:
        """Every contract that was ever seen on a venue, by id, oldest lifetime first."""
        place = self._landing(venue, INSTRUMENTS)
        found, _ = covered.segments(self.fs, place, venue, rows=True)
        tables = [s.rows for s in found]
        path = layout.instruments(venue)
        try:
            at = place.place(path)
            assert at is not None
            tables.append(place.decode(at, self.fs.read(path).data))
        except (Absent, Unreadable):
            pass
        return seen_instruments(place.joined(tables)[0])

    def read(
        self, dataset: str, instruments: Iterable[str] | None = None, start: Time = None, end: Time = None, *, period: Period = None
    ) -> pa.Table:
        """The rows with ts_event in ``[start, end)``, published or not, each once, sorted by instrument and ts_init.

        Times are ms since the epoch, or a datetime. `instruments` are Nautilus ids, or one (None: all). `period` in minutes picks one
        period of open interest (0: samples); by default, per instrument, the finest that covers the range. Raises UsageError for an
        instrument of which there is nothing at all, for times the wrong way round and for times that are not in ms.
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
        return kind.empty() if form is None else read_rows(self.fs, kind, form, instruments, start, end, period)

    def every_row(self, dataset: str, instruments: Iterable[str] | None = None, start: Time = None, end: Time = None) -> pa.Table:
        """The rows of a dataset, of open interest those of every period."""
        form = self.layout
        kind = DATASETS[dataset]
        return kind.empty() if form is None else read_rows(self.fs, kind, form, instruments, start, end, None, every_period=True)

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


class Tape(Catalog):
    """The write side, and the read side too."""

    publisher = Publisher
    """By which rule segments become data files."""

    def __init__(self, fs: FileSystem) -> None:
        super().__init__(fs)
        self._count = itertools.count()
        self.gone: Callable[[], None] = lambda: None
        """Told, in whatever thread writes, when the store was found deleted under this process and was made again."""

    def prepare(self, origin: str, form: Format) -> None:
        """Makes the store for one origin and format, or sees that it is for them.

        Raises OriginConflict, FormatConflict, Newer, before anything else is written.
        """
        made = self._made = make(self.fs, Made(form, origin))
        self.prepared(origin)
        if made.layout != form:
            raise FormatConflict(f"{self.location} was made in format {made.layout}, not {form}: name another catalog, or that format")

    def prepared(self, origin: str) -> None:
        """Sees that the store is for this origin, or for none yet. Raises OriginConflict, Newer."""
        if (kept := self.origin) not in (None, origin):
            raise OriginConflict(f"{self.location} holds data of origin {kept}, this run's is {origin}: name another catalog")

    def commit(
        self,
        venue: str,
        dataset: str,
        rows: pa.Table | None,
        claims: Iterable[Claim],
        wants: Iterable[Want],
        writer: str,
        clock: Callable[[], int],
        *,
        name: str | None = None,
    ) -> str:
        """Writes one segment, all or nothing, durable when this returns its name.

        `writer` is a name that nobody else has (a random id of the process); `clock` gives ms. `name`: of a log's roll, which must
        be the same at every replay. `prepare` comes first.
        """
        made = self._still()
        name = name or layout.segment_name(clock(), writer, next(self._count))
        rows = schema(dataset).empty_table() if rows is None else rows
        segment = Segment(venue, dataset, name, rows, tuple(claims), tuple(wants), made.origin)
        self.fs.create(layout.segment(venue, dataset, name), encode_segment(segment))
        return name

    def _still(self) -> Made:
        """What the store was made for, and is."""
        made = self.made()
        if made is None:
            raise StoreError(f"{self.location} is not prepared: an origin and a format come first")
        still(self.fs, made, self.gone)
        return made

    def publish(
        self,
        *,
        venues: Collection[str] | None = None,
        touched: Collection[str] = (),
        clock: Callable[[], float] = suspended_too,
        deadline: float = DEADLINE,
        writer: str | None = None,
        lease: bool = True,
    ) -> list[PublishReport]:
        """Folds every segment into data files; one report for each venue and dataset.

        `touched`: paths of data files to look at though no segment touches them (those that `verify` found unreadable). With
        `lease`, another publisher at work means that nothing is done here, and the reports say so.
        """
        me = writer or secrets.token_hex(6)
        made = stored(self.fs)
        if made is None:
            return []
        with self.fs.lease(me) as free:
            pairs = [pair for pair in self.datasets() if venues is None or pair[0] in venues]
            if lease and not free:
                return [PublishReport(venue, dataset, lease=False) for venue, dataset in pairs]
            bounded = Bounded(self.fs, clock, deadline)
            sweep(bounded)
            return [self._published(bounded, made.layout, venue, dataset, me, touched, free) for venue, dataset in pairs]

    def _published(
        self, fs: Bounded, form: Format, venue: str, dataset: str, writer: str, touched: Collection[str], free: bool
    ) -> PublishReport:
        place = landing(venue, dataset, form)
        if place is None:
            return PublishReport(venue, dataset, error=f"{dataset} is of a newer perptape: it is left alone", lease=free)
        wanted = [p for p in map(place.place, touched) if p is not None]
        return replace(self.publisher(fs, place, venue, writer, wanted).run(), lease=free)

    def verify(self) -> list[Finding]:
        """Everything that is not as it should be; nothing is changed."""
        made = self.made()
        return [] if made is None else findings(self, made.layout)

    def usable(self) -> str:
        """One line on how the store does, after writing, replacing, reading and deleting an object. Raises StoreError."""
        return usable(self.fs)
