"""Claims and wants as text and as columns, with a digest that a flipped bit breaks.

Pure. Text goes into the metadata of a segment, columns are the body of a coverage file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from perptape.claims import NOBODY, Claim, Want
from perptape.errors import StoreError

CLAIMS = pa.schema(
    [
        pa.field("instrument", pa.string(), False),
        pa.field("grid", pa.string(), False),
        pa.field("kind", pa.string(), False),
        pa.field("start", pa.int64(), False),
        pa.field("end", pa.int64(), False),
        pa.field("basis", pa.string(), False),
        pa.field("asked_first", pa.int64(), False),
        pa.field("asked_last", pa.int64(), False),
        pa.field("connections", pa.string(), False),
        pa.field("cause", pa.string(), False),
    ]
)


class Garbled(StoreError):
    """The text is not what was written."""


def _row(c: Claim) -> tuple[str, str, str, int, int, str, int, int, str, str]:
    return c.instrument, c.grid, c.kind, c.start, c.end, c.basis, c.asked_first, c.asked_last, " ".join(sorted(c.connections)), c.cause


def _claim(row: Sequence[Any]) -> Claim:
    instrument, grid, kind, start, end, basis, first, last, connections, cause = row
    return Claim(instrument, grid, kind, start, end, basis, first, last, frozenset(connections.split()) or NOBODY, cause)


def claims_text(claims: Iterable[Claim]) -> str:
    return json.dumps([_row(c) for c in claims], separators=(",", ":"))


def claims_of_text(text: str) -> tuple[Claim, ...]:
    return tuple(_claim(row) for row in json.loads(text))


def claims_table(claims: Iterable[Claim]) -> pa.Table:
    columns: list[Any] = list(zip(*map(_row, claims), strict=True)) or [[] for _ in CLAIMS]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, CLAIMS, strict=True)], schema=CLAIMS)


def claims_of_table(table: pa.Table) -> tuple[Claim, ...]:
    columns = [table[name].to_pylist() for name in CLAIMS.names]
    return tuple(_claim(row) for row in zip(*columns, strict=True))


def wants_text(wants: Iterable[Want]) -> str:
    rows = [(w.spec, w.session, w.instrument, w.grid, w.start, w.asserted_at, w.ended, w.asked) for w in wants]
    return json.dumps(rows, separators=(",", ":"))


def wants_of_text(text: str) -> tuple[Want, ...]:
    return tuple(Want(*row) for row in json.loads(text))


def sealed(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata with a digest of all of it."""
    return {**metadata, "perptape.digest": _digest(metadata)}


def unsealed(metadata: Mapping[str, str], names: Iterable[str], path: str) -> list[str]:
    """The values of `names`, which were sealed together. Raises Garbled."""
    wanted = {name: metadata[name] for name in names if name in metadata}
    if _digest(wanted) != metadata.get("perptape.digest"):
        raise Garbled(f"{path}: its claims are not what was written")
    return list(wanted.values())


def _digest(metadata: Mapping[str, str]) -> str:
    return hashlib.blake2b(json.dumps(sorted(metadata.items())).encode(), digest_size=16).hexdigest()
