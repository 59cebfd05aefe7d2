"""Reads rows of a dataset, published and not, each once: segments first, then data files, so that nothing is seen twice or missed.

Only what segments touch is joined; all other files are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from perptape.datasets.base import Dataset, Format
from perptape.interval import MINUTE, NS
from perptape.store import layout
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import DataFiles, Place, its_own
from perptape.store.parquet import Unreadable, decode
from perptape.store.segment import decode_segment

Time = int | datetime | None
Period = int | None
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for: instruments (None: all) and event times in ns, half-open (None: no end)."""

    instruments: frozenset[str] | None
    start: int | None
    end: int | None

    @classmethod
    def of(cls, instruments: Iterable[str] | None, start: Time, end: Time) -> Scope:
        return cls(None if instruments is None else frozenset(instruments), in_ns(start), in_ns(end))

    def holds(self, place: Place) -> bool:
        """Whether a file can have a row of it."""
        assert place.span is not None
        after = layout.LATEST_AFTER_EVENT * NS
        return (self.start is None or place.span.end >= self.start) and (self.end is None or place.span.start < self.end + after)

    def rows(self, table: pa.Table) -> pa.Table:
        """Those of its event times; the instruments are left as they are."""
        times = table["ts_event"]
        if self.start is not None and table.num_rows and pc.min(times).as_py() < self.start:
            table = table.filter(pc.greater_equal(times, self.start))
        if self.end is not None and table.num_rows and pc.max(times).as_py() >= self.end:
            table = table.filter(pc.less(table["ts_event"], self.end))
        return table


def in_ns(time: Time) -> int | None:
    """ms or a datetime (UTC where it does not say) as ns; None for none."""
    if time is None or isinstance(time, int):
        return None if time is None else time * NS
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000) * NS


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the rows of a scope are: joined pieces by place, and the files that nothing else touches. `left_out`: a line for each segment
    that cannot be read.
    """

    joined: dict[Place, pa.Table]
    files: tuple[Place, ...]
    left_out: tuple[str, ...]


def sources(fs: FileSystem, kind: Dataset, form: Format, scope: Scope) -> Sources:
    """Reads segments, then lists the data files and joins those that segments touch."""
    landing = DataFiles("", kind, form)
    tables, left_out = _loose(fs, kind, scope)
    loose = landing.joined(tables)[0]
    touched = {place for place, _ in landing.parts(loose)}
    files = {place for place in _listed(fs, landing, scope) if scope.holds(place)}
    filed = _decoded(fs, landing.decode, sorted(touched & files, key=lambda p: p.path))
    both = landing.joined([loose, *(t for t in filed if t is not None)])[0] if touched else loose
    return Sources(dict(landing.parts(both)), tuple(sorted(files - touched, key=lambda p: (p.instrument, p.path))), left_out)


def read_rows(
    fs: FileSystem,
    kind: Dataset,
    form: Format,
    instruments: Iterable[str] | None,
    start: Time,
    end: Time,
    period: Period,
    *,
    every_period: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> pa.Table:
    """The rows of a scope, sorted by instrument and ts_init; of open interest one period for each instrument.

    `tell` is told of each segment whose rows are left out, since it cannot be read.
    """
    scope = Scope.of(instruments, start, end)
    found, shape = sources(fs, kind, form, scope), _Shape(DataFiles("", kind, form))
    for line in found.left_out:
        tell(line)
    pieces = dict(zip(found.files, _decoded(fs, shape.decode, found.files), strict=True))
    pieces |= {place: shape.of(rows, place) for place, rows in found.joined.items()}
    ordered = [pieces[place] for place in sorted(pieces, key=lambda p: (p.instrument, p.path))]
    rows = scope.rows(shape.rows([table for table in ordered if table is not None]))
    return one_period(rows, period) if kind.name == "open_interest" and not every_period else rows


def _loose(fs: FileSystem, kind: Dataset, scope: Scope) -> tuple[list[pa.Table], tuple[str, ...]]:
    """(the rows of every segment that can be read, a line for each that cannot). One that vanishes was folded, and the files read later
    hold it.
    """
    venues = None if scope.instruments is None else {name.rpartition(".")[2].lower() for name in scope.instruments}
    wanted = None if scope.instruments is None else pa.array(sorted(scope.instruments), pa.string())
    folders = [layout.segments()] if venues is None else [layout.segments(venue, kind.name) for venue in sorted(venues)]
    paths = [e.path for f in folders for e in fs.list(f) if layout.venue_and_dataset(e.path) is not None]
    paths = [path for path in paths if path.split("/")[3] == kind.name]

    def rows(path: str) -> pa.Table | str | None:
        try:
            table = decode_segment(fs.read(path).data, path, kind.schema).rows
        except Absent:
            return None
        except Unreadable as error:
            return f"{error}; its rows are left out: `perptape publish` keeps it aside"
        table = scope.rows(table)
        return table if wanted is None else table.filter(pc.is_in(table["instrument_id"], wanted))

    found = _each(fs, rows, paths)
    return [one for one in found if isinstance(one, pa.Table) and one.num_rows], tuple(one for one in found if isinstance(one, str))


def _listed(fs: FileSystem, landing: DataFiles, scope: Scope) -> Iterable[Place]:
    if scope.instruments is None:
        folders: list[str] = [landing.folder]
    else:
        folders = [f"{landing.folder}/{layout.identifier(name)}" for name in sorted(scope.instruments)]
    for folder in folders:
        for entry in fs.list(folder):
            named = layout.data_name(entry.path)
            if named is not None and entry.path.startswith(f"{landing.folder}/{named[0]}/"):
                yield Place(entry.path, named[0], named[1])


class _Shape:
    """Tables as files have them, so that thousands of small ones are cast to rows at once. Funding files have no instrument column."""

    def __init__(self, landing: DataFiles) -> None:
        self._landing, self._names = landing, landing.schema.names
        self._whole = landing.kind.name != "funding"
        empty = landing.kind.to_file(landing.schema.empty_table(), landing.form, "")
        self._schema = empty.select(self._names).schema.remove_metadata() if self._whole else landing.schema

    def decode(self, place: Place, data: bytes) -> pa.Table:
        if self._whole:
            table = its_own(decode(data, place.path), place)
            if table.schema.names != self._names:
                table = table.select([name for name in self._names if name in table.schema.names])
            if table.schema.equals(self._schema):
                return table.replace_schema_metadata(None)
        return self.of(self._landing.decode(place, data), place)

    def of(self, rows: pa.Table, place: Place) -> pa.Table:
        """Rows as a file has them; a time that no file can hold comes out of `rows` as it went in."""
        return rows.cast(self._schema, safe=False) if self._whole else rows

    def rows(self, tables: Sequence[pa.Table]) -> pa.Table:
        return pa.concat_tables(tables).cast(self._landing.schema, safe=False) if tables else self._landing.schema.empty_table()


def _decoded(fs: FileSystem, decode: Callable[[Place, bytes], pa.Table], files: Sequence[Place]) -> list[pa.Table | None]:
    def one(place: Place) -> pa.Table | None:
        try:
            return decode(place, fs.read(place.path).data)
        except Absent:
            return None
        except Unreadable as error:
            raise Unreadable(f"{error}; `perptape verify --repair` keeps a copy and has its rows asked for again") from error

    return _each(fs, one, files)


def _each(fs: FileSystem, read: Callable[[T], R], what: Sequence[T]) -> list[R]:
    """In order, as many at once as the store is best read."""
    if fs.parallel < 2 or len(what) < 2:
        return [read(one) for one in what]
    size = max(1, min(64, len(what) // fs.parallel))
    lots = [what[i : i + size] for i in range(0, len(what), size)]
    with ThreadPoolExecutor(fs.parallel) as pool:
        return [one for lot in pool.map(lambda lot: [read(one) for one in lot], lots) for one in lot]


def one_period(rows: pa.Table, period: Period) -> pa.Table:
    """The rows of one period (minutes; 0: samples); None: for each instrument the finest that covers what any of its periods covers."""
    if period is not None:
        return rows.filter(pc.equal(rows["period_minutes"], period))
    ends = pc.min_max(rows["period_minutes"]).as_py()
    if ends["min"] == ends["max"]:
        return rows
    spans = rows.group_by(["instrument_id", "period_minutes"]).aggregate([("ts_event", "min"), ("ts_event", "max")]).to_pylist()
    by_instrument: dict[str, list[tuple[int, int, int]]] = {}
    for row in spans:
        by_instrument.setdefault(row["instrument_id"], []).append((row["period_minutes"], row["ts_event_min"], row["ts_event_max"]))
    chosen = {name: _finest(periods) for name, periods in by_instrument.items()}
    wanted = [pc.and_(pc.equal(rows["instrument_id"], name), pc.equal(rows["period_minutes"], p)) for name, p in chosen.items()]
    mask = wanted[0]
    for other in wanted[1:]:
        mask = pc.or_(mask, other)
    return rows.filter(mask)


def _finest(periods: list[tuple[int, int, int]]) -> int:
    """The first, in order of fineness, that begins and ends within one step of the widest; samples are finer than any bucket."""
    first, last = min(p[1] for p in periods), max(p[2] + p[0] * MINUTE * NS for p in periods)
    step = max(p[0] for p in periods) * MINUTE * NS
    covering = [p for p in sorted(periods) if p[1] - step <= first and p[2] + p[0] * MINUTE * NS + step >= last]
    return covering[0][0] if covering else max(periods, key=lambda p: (p[2] - p[1], -p[0]))[0]
