"""A segment: the rows of one venue and dataset with all that is claimed and wanted of them, in one object, written once.

Pure: bytes in, bytes out. Rows are sorted by instrument and ts_init.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from perptape.claims import Claim, Want
from perptape.store.parquet import Unreadable, checked, decode_own, encode
from perptape.store.record import Garbled, claims_of_text, claims_text, sealed, unsealed, wants_of_text, wants_text

_NAMES = ("perptape.venue", "perptape.dataset", "perptape.name", "perptape.origin", "perptape.claims", "perptape.wants")


@dataclass(frozen=True, slots=True)
class Segment:
    """What one writer hands over at once. `origin` is ``live`` or ``simulated:<seed>``."""

    venue: str
    dataset: str
    name: str
    rows: pa.Table
    claims: tuple[Claim, ...]
    wants: tuple[Want, ...]
    origin: str


def encode_segment(segment: Segment) -> bytes:
    """The same bytes for the same segment. Raises Unencodable."""
    values = (segment.venue, segment.dataset, segment.name, segment.origin, claims_text(segment.claims), wants_text(segment.wants))
    return encode(in_order(segment.rows), sealed(dict(zip(_NAMES, values, strict=True))))


def decode_segment(data: bytes, path: str, schema: pa.Schema, *, rows: bool = True) -> Segment:
    """The segment that was encoded; rows=False leaves its rows out. Raises Newer and Unreadable."""
    table, metadata = decode_own(data, path, rows=rows)
    try:
        venue, dataset, name, origin, claims, wants = unsealed(metadata, _NAMES, path)
        return Segment(venue, dataset, name, checked(table, schema), claims_of_text(claims), wants_of_text(wants), origin)
    except (Garbled, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error


def in_order(rows: pa.Table) -> pa.Table:
    """Sorted by instrument and, where there is one, ts_init; as it is when it is sorted already."""
    if rows.num_rows < 2 or "ts_init" not in rows.schema.names:
        return rows
    names = rows["instrument_id"].combine_chunks().dictionary_encode()
    names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    ranks = pc.rank(names.dictionary, sort_keys="ascending", tiebreaker="dense").take(names.indices)
    times = rows["ts_init"].combine_chunks()
    n = rows.num_rows
    a, b, c, d = ranks.slice(0, n - 1), ranks.slice(1), times.slice(0, n - 1), times.slice(1)
    if pc.all(pc.or_(pc.less(a, b), pc.and_(pc.equal(a, b), pc.less_equal(c, d)))).as_py():
        return rows
    keyed = pa.table([ranks, times], names=["instrument", "time"])
    return rows.take(pc.sort_indices(keyed, sort_keys=[("instrument", "ascending"), ("time", "ascending")]))
