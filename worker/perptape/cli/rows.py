"""A dataset's rows as users read them: venue and symbol first, ISO times; the Parquet of a listing keeps the types. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from perptape.interval import NS, SECOND
from perptape.output import Listing

TIMES: Final = ("ts_event", "ts_init", "ts_received")
NULL_TIME: Final = 0
SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "open_interest": ("venue", "symbol", "ts_event", "period_minutes", "oi_contracts", "oi_base", "oi_usd"),
    "funding": ("venue", "symbol", "ts_event", "rate", "interval"),
    "funding_prediction": ("venue", "symbol", "ts_event", "rate", "next_rate", "next_funding", "interval_minutes", "mark_price"),
    "liquidations": ("venue", "symbol", "ts_event", "side", "position_side", "price", "quantity", "value_usd"),
}
"""What the human table has, of all columns."""


def listing(dataset: str, table: pa.Table, symbols: Mapping[str, tuple[str, str]]) -> Listing:
    """The rows of one dataset, in their order. `symbols`: instrument id -> (venue, CCXT symbol)."""
    ids = table["instrument_id"].to_pylist()
    named = {one: symbols.get(one) or (one.rsplit(".", 1)[-1].lower(), one.rsplit(".", 1)[0]) for one in set(ids)}
    columns: dict[str, Any] = {
        "venue": pa.array([named[one][0] for one in ids], pa.string()),
        "symbol": pa.array([named[one][1] for one in ids], pa.string()),
        "instrument_id": table["instrument_id"],
    }
    columns |= {name: table[name] for name in TIMES[:1]}
    columns |= {name: table[name] for name in table.column_names if name not in ("instrument_id", *TIMES)}
    columns |= {name: table[name] for name in TIMES[1:]}
    arrow = pa.table({name.removesuffix("_ns"): _time(column) if _is_time(name) else column for name, column in columns.items()})
    texts = [_texts(arrow[name]) for name in arrow.column_names]
    return Listing(tuple(arrow.column_names), list(zip(*texts, strict=True)), shown=SHOWN[dataset], arrow=arrow)


def _is_time(name: str) -> bool:
    return name in TIMES or name.endswith("_ns")


def _time(column: Any) -> Any:
    """int64 ns -> UTC timestamps; 0 is no time."""
    known = pc.if_else(pc.equal(column, NULL_TIME), pa.scalar(None, pa.int64()), column)
    return known.cast(pa.timestamp("ns", tz="UTC"))


def _texts(column: Any) -> list[Any]:
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    return [iso_ns(value) for value in column.cast(pa.int64()).to_pylist()]


def iso_ns(ns: int | None) -> str | None:
    """Nanoseconds as ISO text, to the millisecond; finer where there is something finer."""
    from perptape.times import iso

    if ns is None:
        return None
    ms, rest = divmod(ns, NS)
    if not rest:
        return iso(ms)
    return f"{iso(ms - ms % SECOND)[:-1]}.{ns % (SECOND * NS):09d}Z"


def newest(table: pa.Table, count: int) -> pa.Table:
    """The newest `count` rows (0: all), oldest first."""
    order = pc.sort_indices(table, sort_keys=[("ts_event", "ascending"), ("instrument_id", "ascending")])
    table = table.take(order)
    return table if not count or table.num_rows <= count else table.slice(table.num_rows - count)
