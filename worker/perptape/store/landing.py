"""Where the rows of one venue and dataset land: which file each row belongs to, and how a file of it looks.

Pure. Rows of a dataset land in one data file per instrument and span; instruments in one file per venue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from perptape.datasets import DATASETS
from perptape.datasets import base as rows_of
from perptape.datasets import instruments as listed
from perptape.datasets.base import Dataset, Format
from perptape.interval import DAY, NS
from perptape.store import layout
from perptape.store.parquet import Unreadable, checked, decode, encode, whole, writable


@dataclass(frozen=True, slots=True)
class Place:
    """One file that rows land in. `span` is None for the file of a venue's instruments."""

    path: str
    instrument: str
    span: layout.Span | None


class Landing(Protocol):
    """How rows become files."""

    @property
    def dataset(self) -> str: ...

    @property
    def schema(self) -> pa.Schema: ...

    def joined(self, tables: Sequence[pa.Table]) -> tuple[pa.Table, pa.Table]:
        """(the join, in the order of files; the rows that lost though the venue's own values differ)."""

    def parts(self, rows: pa.Table) -> Iterator[tuple[Place, pa.Table]]:
        """The rows of each file that they belong to. `rows` are a join."""

    def encode(self, place: Place, rows: pa.Table) -> bytes:
        """Raises Unencodable."""

    def decode(self, place: Place, data: bytes) -> pa.Table:
        """Raises Unreadable."""

    def place(self, path: str) -> Place | None:
        """What a file that is there is for; None for one that is not of this venue and dataset."""


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The data files of one venue and dataset."""

    venue: str
    kind: Dataset
    form: Format

    @property
    def dataset(self) -> str:
        return self.kind.name

    @property
    def schema(self) -> pa.Schema:
        return self.kind.schema

    @property
    def folder(self) -> str:
        return layout.data_folder(self.kind.directory(self.form))

    def joined(self, tables: Sequence[pa.Table]) -> tuple[pa.Table, pa.Table]:
        return rows_of.joined(self.kind, tables)

    def parts(self, rows: pa.Table) -> Iterator[tuple[Place, pa.Table]]:
        if rows.num_rows == 0:
            return
        rows = rows.combine_chunks()
        kind = self.kind.span
        place: Place | None = None
        first = 0
        for start in _changes(rows):  # of one instrument and day each: months are several of them
            instrument, time = rows["instrument_id"][start].as_py(), rows["ts_init"][start].as_py()
            if place is not None and place.instrument == instrument and place.span is not None and time <= place.span.end:
                continue
            if place is not None:
                yield place, rows.slice(first, start - first)
            place, first = self._place(instrument, layout.span_of(time, kind)), start
        if place is not None:
            yield place, rows.slice(first)

    def _place(self, instrument: str, span: layout.Span) -> Place:
        return Place(layout.data_file(self.kind.directory(self.form), instrument, span), instrument, span)

    def encode(self, place: Place, rows: pa.Table) -> bytes:
        with writable(place.path):
            table = self.kind.to_file(rows, self.form, place.instrument)
        return encode(table, statistics=["ts_init"])

    def decode(self, place: Place, data: bytes) -> pa.Table:
        try:
            return whole(self.kind.from_file(its_own(decode(data, place.path), place), place.instrument))
        except (pa.ArrowException, KeyError, ValueError) as error:
            raise Unreadable(f"{place.path} cannot be read: {error}") from error

    def place(self, path: str) -> Place | None:
        named = layout.data_name(path)
        if named is None or not path.startswith(f"{self.folder}/{named[0]}/") or not layout.belongs(named[0], self.venue):
            return None
        return Place(path, named[0], named[1])


def its_own(table: pa.Table, place: Place) -> pa.Table:
    """A data file's table, where its first and last row are of the instrument and the time that its path says: files that were swapped, or
    put back at another path, are damage and not another contract's rows. Raises Unreadable."""
    try:
        _look_at(table, place)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise Unreadable(f"{place.path} cannot be read: {error}") from error
    return table


def _look_at(table: pa.Table, place: Place) -> None:
    if table.num_rows and place.span is not None:
        if "instrument_id" in table.schema.names:
            names = {str(table["instrument_id"][at].as_py()) for at in (0, -1)}
        else:
            names = {(table.schema.metadata or {}).get(b"instrument_id", place.instrument.encode()).decode()}
        if {layout.identifier(name) for name in names} != {layout.identifier(place.instrument)}:
            raise Unreadable(f"{place.path} holds rows of another contract, {sorted(names)[0]}: it was put at another's path")
        if not all(place.span.start <= _ns(table["ts_init"][at]) <= place.span.end for at in (0, -1)):
            raise Unreadable(f"{place.path} holds rows of other times than its name says: it was put at another's path")


def _ns(time: pa.Scalar) -> int:
    value = time.value if pa.types.is_timestamp(time.type) else time.as_py()
    return -1 if value is None else int(value)


def _changes(rows: pa.Table) -> list[int]:
    """Where the instrument or the day begins anew."""
    names, days = rows["instrument_id"].combine_chunks(), pc.divide(rows["ts_init"].combine_chunks(), DAY * NS)
    n = rows.num_rows
    changed = pc.or_(pc.not_equal(names.slice(1), names.slice(0, n - 1)), pc.not_equal(days.slice(1), days.slice(0, n - 1)))
    return [0, *(i + 1 for i in pc.indices_nonzero(changed).to_pylist())]


@dataclass(frozen=True, slots=True)
class InstrumentFile:
    """The one file of a venue's instruments."""

    venue: str
    dataset: str = listed.INSTRUMENTS
    schema: pa.Schema = listed.SCHEMA

    def joined(self, tables: Sequence[pa.Table]) -> tuple[pa.Table, pa.Table]:
        return listed.join(tables), self.schema.empty_table()

    def parts(self, rows: pa.Table) -> Iterator[tuple[Place, pa.Table]]:
        if rows.num_rows:
            yield Place(layout.instruments(self.venue), "", None), rows

    def encode(self, place: Place, rows: pa.Table) -> bytes:
        return encode(rows, {})

    def decode(self, place: Place, data: bytes) -> pa.Table:
        try:
            return checked(decode(data, place.path), self.schema)
        except (pa.ArrowException, KeyError, ValueError) as error:
            raise Unreadable(f"{place.path} cannot be read: {error}") from error

    def place(self, path: str) -> Place | None:
        return Place(path, "", None) if path == layout.instruments(self.venue) else None


def landing(venue: str, dataset: str, form: Format) -> Landing | None:
    """How a venue's dataset lands; None for one that this perptape does not know."""
    if dataset == listed.INSTRUMENTS:
        return InstrumentFile(venue)
    return DataFiles(venue, DATASETS[dataset], form) if dataset in DATASETS else None


def schema(dataset: str) -> pa.Schema:
    return listed.SCHEMA if dataset == listed.INSTRUMENTS else DATASETS[dataset].schema
