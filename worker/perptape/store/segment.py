"""A segment: the rows of one venue and dataset with all that is claimed and wanted of them, in one object, written once.

Pure: bytes in, bytes out. Rows are sorted by instrument and ts_init. A digest of the whole object stands in it, so that who asks for
its claims alone notices that a row is damaged, and what is claimed of rows that nobody can read is believed by nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from perptape.claims import NOBODY, STREAM, Claim, Want
from perptape.damage import DAMAGED
from perptape.store.parquet import Unreadable, checked, encode, first_line, opened_own, rows_of_own
from perptape.store.record import Garbled, claims_of_text, claims_text, sealed, unsealed, wants_of_text, wants_text

_NAMES = ("perptape.venue", "perptape.dataset", "perptape.name", "perptape.origin", "perptape.claims", "perptape.wants")
_WHOLE = "perptape.whole"
_BLANK = b"-" * 32
"""What the digest of an object counts its own place as."""


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


class Damaged(Unreadable):
    """The rows are not what was written, what is claimed and wanted of them is. `left`: what may still be said, without any rows."""

    def __init__(self, message: str, left: Segment) -> None:
        super().__init__(message)
        self.left = left


def encode_segment(segment: Segment) -> bytes:
    """The same bytes for the same segment. Raises Unencodable."""
    values = (segment.venue, segment.dataset, segment.name, segment.origin, claims_text(segment.claims), wants_text(segment.wants))
    metadata = sealed(dict(zip(_NAMES, values, strict=True)))
    data = bytes(encode(in_order(segment.rows), {**metadata, _WHOLE: _BLANK.decode()}))
    place = data.rindex(_BLANK)
    return b"".join((data[:place], _digest(data, place), data[place + len(_BLANK) :]))


def decode_segment(data: bytes, path: str, schema: pa.Schema, *, rows: bool = True) -> Segment:
    """The segment that was encoded; rows=False leaves its rows out. Raises Newer, Unreadable, and Damaged where only rows are lost."""
    with opened_own(data, path) as (file, metadata):
        try:
            venue, dataset, name, origin, claims, wants = unsealed(metadata, _NAMES, path)
            claimed, wanted = claims_of_text(claims), wants_of_text(wants)
        except (Garbled, ValueError, KeyError, TypeError) as error:
            raise Unreadable(f"{path} cannot be read: {error}") from error
        try:
            stamped = _WHOLE in metadata
            if stamped and not _whole(data, metadata[_WHOLE].encode()):
                raise ValueError("it is not what was written")
            table = checked(rows_of_own(file, rows=rows or not stamped), schema)  # one of an earlier perptape shows it by its pages alone
        except (ValueError, KeyError, TypeError, OSError, pa.ArrowException) as error:
            left = Segment(venue, dataset, name, schema.empty_table(), tuple(_without_rows(claimed)), wanted, origin)
            raise Damaged(f"{path} cannot be read: {first_line(error)}", left) from error
    return Segment(venue, dataset, name, table if rows else table.slice(0, 0), claimed, wanted, origin)


def _without_rows(claims: Iterable[Claim]) -> Iterator[Claim]:
    """What claims say once their rows are gone: of time for which nobody can be asked again, that it is lost and why."""
    for claim in claims:
        if claim.kind != "asked" and (claim.grid == STREAM or claim.grid.startswith("sample/")):
            lost = replace(claim, kind="hole", basis="", connections=NOBODY, cause=DAMAGED)
            yield claim if claim.kind == "hole" else lost


def _whole(data: bytes, said: bytes) -> bool:
    """Whether an object is, to the last byte, what was written."""
    place = bytes(data).rfind(said)
    return len(said) == len(_BLANK) and place >= 0 and _digest(data, place) == said


def _digest(data: bytes, place: int) -> bytes:
    """Of all but itself, whose place is blank. Nothing is copied."""
    view, found = memoryview(data), hashlib.blake2b(digest_size=16)
    for part in (view[:place], _BLANK, view[place + len(_BLANK) :]):
        found.update(part)
    return found.hexdigest().encode()


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
