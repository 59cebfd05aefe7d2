"""How many rows each data file held when segments with rows of it went: what tells from then on that a file went too, or has fewer.

A join keeps each row, so that a file only grows, and of two counts the greater is right. One that was published anew after a damage may
have fewer: a count is of the time since the last damage that was known before its rows were counted, and a later one makes it nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from perptape.damage import Damage
from perptape.errors import Newer
from perptape.interval import NS, Interval
from perptape.store import fold, layout, quarantine
from perptape.store.filed import Filed, settled
from perptape.store.filesystem import Absent, FileSystem, InTheWay
from perptape.store.landing import DataFiles, Place
from perptape.store.parquet import Unreadable, checked, decode_own, encode

_TYPES = {"instrument": pa.string(), "start": pa.int64(), "since": pa.int64(), "rows": pa.int64()}
SCHEMA = pa.schema([pa.field(name, kind, False) for name, kind in _TYPES.items()])
KEPT = 2

File = tuple[str, int]
"""(the instrument, the first ts_init of its span in ns)"""
Count = tuple[int, int]
"""(ms on the store's clock, of the last damage that was known before; rows): the greater is right."""


@dataclass(frozen=True, slots=True)
class Held:
    """Counts of a dataset's files, joined."""

    counts: Mapping[File, Count] = field(default_factory=dict)

    def joined(self, others: Iterable[Held]) -> Held:
        found = dict(self.counts)
        for one in others:
            for file, count in one.counts.items():
                found[file] = max(count, found.get(file, count))
        return Held(found)

    def contains(self, other: Held) -> bool:
        return all(self.counts.get(file, (-1, 0)) >= count for file, count in other.counts.items())


@dataclass(frozen=True, slots=True)
class HeldFiles:
    """Those that could be read, by name, and (path, why not) of each other. `newer`: why not, of those of a newer perptape."""

    files: tuple[Filed[Held], ...]
    broken: tuple[tuple[str, str], ...] = ()
    newer: tuple[str, ...] = ()

    @property
    def all(self) -> Held:
        return Held().joined(one.sayings for one in self.files)


def encode_held(held: Held) -> bytes:
    rows = [(*file, *count) for file, count in sorted(held.counts.items())]
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return encode(pa.table([pa.array(each, one.type) for each, one in zip(columns, SCHEMA, strict=True)], schema=SCHEMA), {})


def decode_held(data: bytes, path: str) -> Held:
    """Raises Newer and Unreadable."""
    try:
        table = checked(decode_own(data, path)[0], SCHEMA)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error
    names, starts, since, rows = (table[name].to_pylist() for name in SCHEMA.names)
    return Held(dict(zip(zip(names, starts, strict=True), zip(since, rows, strict=True), strict=True)))


def held_files(fs: FileSystem, venue: str, dataset: str, month: str | None = None) -> HeldFiles:
    """All files of counts, or of one month's. Raises StoreError."""
    return settled(lambda: _held_files(fs, layout.held(venue, dataset, month)), f"what is known of the files of {venue} {dataset}")


def _held_files(fs: FileSystem, folder: str) -> HeldFiles:
    files, broken, newer = [], [], []
    for entry in fs.list(folder):
        try:
            files.append(Filed(entry.path, entry.modified, decode_held(fs.read(entry.path).data, entry.path)))
        except Newer as error:
            newer.append(str(error))
        except Unreadable as error:
            broken.append((entry.path, str(error)))
    return HeldFiles(tuple(files), tuple(broken), tuple(newer))


def counted(rows: Mapping[Place, int], damage: Sequence[Damage]) -> Held:
    """What is known when files were seen to hold so many rows, after all of `damage` was. Pure."""
    last = _Last(damage)
    return Held({(place.instrument, place.span.start): (last.of(place), count) for place, count in rows.items() if place.span is not None})


def keep(fs: FileSystem, venue: str, dataset: str, rows: Held, name: str, age: int) -> list[str]:
    """Writes down what files hold, under a name that nobody else has, before the segments go by which it could be told. One line for each
    file of counts that cannot be read and was put aside. Those older than `age` (ms) of which a later one says all may go. Each month of
    data files has its own, so that years of them are not read and written again each time. Raises Newer, StoreError."""
    months: dict[str, dict[File, Count]] = {}
    for file, count in rows.counts.items():
        months.setdefault(layout.held_month(file[1]), {})[file] = count
    return [line for month, counts in sorted(months.items()) for line in _keep(fs, venue, dataset, month, Held(counts), name, age)]


def _keep(fs: FileSystem, venue: str, dataset: str, month: str, rows: Held, name: str, age: int) -> Iterator[str]:
    known = held_files(fs, venue, dataset, month)
    if known.newer:
        raise Newer(known.newer[0])
    before = known.all
    after = before.joined([rows])
    if after != before:
        fs.create(f"{layout.held(venue, dataset, month)}/{name}.parquet", encode_held(after))
    for path, line in known.broken:
        quarantine.put_aside(fs, venue, dataset, path)
        yield line
    for path in fold.superseded(known.files, {one.path: one.modified for one in known.files}, fs.now(), age, KEPT):
        fs.delete(path)


def fewer(
    fs: FileSystem, files: DataFiles, held: Held, rows: Mapping[str, int | None], only: Collection[str] | None = None
) -> Iterator[tuple[Place, int | None, int, int]]:
    """(a file, the rows that it has, None if it is gone, those that it once had, since which damage) of each that has fewer.

    `held` was read first, then `rows`: those of each file by its path, None for one that cannot be read; a file that is not among them is
    asked for by its name, and one that is gone while another one of its contract covers its time was merged by somebody: that one is found
    by its name. `only`: files with these paths. Raises StoreError.
    """
    found = list(_fewer(fs, files, held, rows, only))
    damage, garbled = quarantine.damage_records(fs, files.venue, files.dataset) if found else ((), ())
    last = _Last(damage)
    for place, there, since, were in found:
        if not garbled and last.of(place) <= since:
            yield place, there, were, since


def _fewer(
    fs: FileSystem, files: DataFiles, held: Held, rows: Mapping[str, int | None], only: Collection[str] | None
) -> Iterator[tuple[Place, int | None, int, int]]:
    wanted = None if only is None else {(place.instrument, place.span) for place in map(files.place, only) if place is not None}
    spans = _spans(rows)
    for (instrument, start), (since, were) in sorted(held.counts.items()):
        span = layout.span_of(start, files.kind.span)
        if wanted is not None and (layout.identifier(instrument), span) not in wanted:
            continue
        place = Place(layout.data_file(files.kind.directory(files.form), instrument, span), instrument, span)
        try:
            there = rows[place.path] if place.path in rows else files.decode(place, fs.read(place.path).data).num_rows
        except (Absent, InTheWay):
            if not any(one.start <= span.end and one.end >= span.start for one in spans.get(place.path.rpartition("/")[0], ())):
                yield place, None, since, were
            continue
        except Unreadable:  # found by its path
            continue
        if there is not None and there < were:
            yield place, there, since, were


def _spans(paths: Iterable[str]) -> dict[str, list[layout.Span]]:
    """The times that the files of each folder cover, by their names."""
    found: dict[str, list[layout.Span]] = {}
    for path in paths:
        if (named := layout.data_name(path)) is not None:
            found.setdefault(path.rpartition("/")[0], []).append(named[1])
    return found


class _Last:
    """When each file's last damage was found."""

    def __init__(self, damage: Iterable[Damage]) -> None:
        self._by: dict[str, list[Damage]] = {}
        for one in damage:
            self._by.setdefault(one.instrument, []).append(one)

    def of(self, place: Place) -> int:
        """ms on the store's clock; 0 of none."""
        if place.span is None:
            return 0
        time = Interval(place.span.start // NS, place.span.end // NS + 1)
        return max((one.time for one in self._by.get(place.instrument, ()) if _concerns(one, time)), default=0)


def _concerns(one: Damage, time: Interval) -> bool:
    """Whether a record is of a file of this time. That of a whole file says which by `first`, and by more event times than are its own;
    another, which may be of no time at all, by those. Pure."""
    if one.first:
        return one.first in time
    return one.start < time.end and (one.end > time.start or one.start >= time.start)


def masked(dataset: str, span: layout.Span) -> Interval:
    """The event times (ms) of a file with too few rows about which nothing is believed any more. Where rows are of slots, each claimed slot
    without one is written down by itself, and of the file it is only said that this is known. Pure."""
    start = span.start // NS
    return Interval(start, span.end // NS + 1 if dataset in ("liquidations", "funding") else start)
