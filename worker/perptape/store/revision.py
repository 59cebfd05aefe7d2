"""What a venue said before it said otherwise: rows that lost to another of the same key, kept beside the tape, once each."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa

from perptape.store import layout
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import Place
from perptape.store.parquet import Unreadable, decode_own, encode


def kept(fs: FileSystem, venue: str, dataset: str, place: Place) -> set[tuple[Any, ...]]:
    """The rows that lost in a file, as they were kept. What cannot be read is not kept."""
    found: set[tuple[Any, ...]] = set()
    for entry in fs.list(_folder(venue, dataset, place)):
        try:
            found |= _tuples(decode_own(fs.read(entry.path).data, entry.path)[0])
        except (Absent, Unreadable):
            continue
    return found


def missing(fs: FileSystem, venue: str, dataset: str, place: Place, lost: pa.Table) -> pa.Table:
    """Those of the rows that lost which are not kept yet."""
    if not lost.num_rows:
        return lost
    have = kept(fs, venue, dataset, place)
    seen: set[tuple[Any, ...]] = set()
    fresh = []
    for row in _rows(lost):
        fresh.append(row not in have and row not in seen)
        seen.add(row)
    return lost.filter(pa.array(fresh))


def keep(fs: FileSystem, venue: str, dataset: str, place: Place, lost: pa.Table) -> int:
    """Keeps the rows that lost, under a name made of their hash; returns how many were new."""
    fresh = missing(fs, venue, dataset, place, lost)
    if fresh.num_rows:
        data = encode(fresh.combine_chunks(), {})
        fs.create(f"{_folder(venue, dataset, place)}/{hashlib.blake2b(data, digest_size=16).hexdigest()}.parquet", data)
    return int(fresh.num_rows)


def _folder(venue: str, dataset: str, place: Place) -> str:
    assert place.span is not None, "instruments are not revised"
    return layout.revisions(venue, dataset, place.instrument, place.span)


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in table.schema.names), strict=True))


def _tuples(table: pa.Table) -> set[tuple[Any, ...]]:
    return set(_rows(table))
