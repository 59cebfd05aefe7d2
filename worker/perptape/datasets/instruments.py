"""Instruments as rows: every lifetime of every contract that was ever seen, and from when to when it was.

Pure. A lifetime is an instrument id with its terms (contract size, multiplier, settle coin). Of two rows of one lifetime the one
seen last is kept, with the least `seen_from` of both; of two seen last at one time the one that ended, and that earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from perptape.instruments import Instrument

INSTRUMENTS = "instruments"
_TEXT = ("venue", "symbol", "venue_id", "base", "quote", "settle")
SCHEMA = pa.schema(
    [
        pa.field("instrument_id", pa.string(), False),
        *(pa.field(name, pa.string(), False) for name in _TEXT),
        pa.field("linear", pa.bool_(), False),
        pa.field("contract_size", pa.string(), False),
        pa.field("multiplier", pa.string(), False),
        pa.field("tick", pa.string()),
        pa.field("lot", pa.string()),
        pa.field("funding_minutes", pa.int64()),
        pa.field("listed", pa.int64()),
        pa.field("delisted", pa.int64()),
        pa.field("terms", pa.string(), False),
        pa.field("seen_from", pa.int64(), False),
        pa.field("seen_to", pa.int64(), False),
    ]
)
"""Decimals are text; times are ms on the venue's clock."""


@dataclass(frozen=True, slots=True)
class SeenInstrument:
    """One lifetime of a contract, as it was last listed, and when it was first and last seen listed, not yet delisted (ms)."""

    instrument: Instrument
    seen_from: int
    seen_to: int


def instrument_rows(instruments: Iterable[Instrument], seen: int) -> pa.Table:
    """Rows of what a venue listed at `seen` (ms)."""
    return seen_rows([SeenInstrument(one, seen, seen) for one in instruments])


def seen_rows(seen: Sequence[SeenInstrument]) -> pa.Table:
    """The rows of these lifetimes."""
    rows = [_row(one) for one in seen]
    columns: list[Any] = list(zip(*rows, strict=True)) or [[] for _ in SCHEMA]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def _row(seen: SeenInstrument) -> tuple[object, ...]:
    one = seen.instrument
    return (
        one.id, one.venue, one.symbol, one.venue_id, one.base, one.quote, one.settle, one.linear, _text(one.contract_size),
        _text(one.multiplier), _text(one.tick), _text(one.lot), one.funding_minutes, one.listed, one.delisted, one.terms,
        seen.seen_from, seen.seen_to,
    )  # fmt: skip


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def seen_instruments(rows: pa.Table) -> tuple[SeenInstrument, ...]:
    """The rows as values, oldest lifetime first."""
    out = []
    for row in rows.to_pylist():
        terms, seen_from, seen_to = (row.pop(name) for name in ("terms", "seen_from", "seen_to"))
        decimals = {name: None if row[name] is None else Decimal(row[name]) for name in ("contract_size", "multiplier", "tick", "lot")}
        one = Instrument(id=row.pop("instrument_id"), **{**row, **decimals})
        assert terms == one.terms, f"{one.id}: its terms are not those of its row"
        out.append(SeenInstrument(one, seen_from, seen_to))
    return tuple(sorted(out, key=lambda s: (s.instrument.id, s.seen_from)))


def join(tables: Sequence[pa.Table]) -> pa.Table:
    """The union by lifetime: the row seen last, whole but for `seen_from`, which is the least.

    An end is written with the time the contract was last seen alive: of such ties the earliest end wins (a venue that dates no end
    lets it creep, one that tells it late is right), and any end beats none. The rest falls to the larger values.
    """
    table = pa.concat_tables([t.select(SCHEMA.names) for t in tables]) if tables else SCHEMA.empty_table()
    if table.num_rows < 2:
        return table.combine_chunks()
    first: dict[tuple[str, str], int] = {}  # not by group_by, which costs every job Arrow's query engine (4 MB) for a few rows
    for id, terms, since in zip(*(table[name].to_pylist() for name in ("instrument_id", "terms", "seen_from")), strict=True):
        first[id, terms] = min(since, first.get((id, terms), since))
    leading = [name for name in SCHEMA.names if name not in ("instrument_id", "terms", "seen_from", "seen_to", "delisted")]
    keys = [("instrument_id", "ascending"), ("terms", "ascending"), ("seen_to", "descending"), ("delisted", "ascending")]
    keys += [(name, "descending") for name in leading]
    flat = table.set_column(SCHEMA.names.index("linear"), "linear", table["linear"].cast(pa.int8()))
    table = table.take(pc.sort_indices(flat, sort_keys=keys))
    lifetimes = pc.binary_join_element_wise(table["instrument_id"], table["terms"], " ").combine_chunks()
    fresh = pa.concat_arrays([pa.array([True]), pc.not_equal(lifetimes.slice(1), lifetimes.slice(0, len(lifetimes) - 1))])
    table = table.filter(fresh)
    pairs = zip(table["instrument_id"].to_pylist(), table["terms"].to_pylist(), strict=True)
    field = SCHEMA.field("seen_from")
    since_when = pa.array([first[pair] for pair in pairs], field.type)
    return table.set_column(SCHEMA.names.index("seen_from"), field, since_when).combine_chunks()
