"""Rows of the tape as the judge compares them. Pure."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from perptape.interval import NS, Interval
from perptape.times import iso

Values = dict[int, float]
"""ms -> the row's figure."""


MORE = ("period_minutes", "side", "price", "quantity_venue", "venue_id", "ordinal")


def by_instrument(rows: pa.Table, value: str | None) -> dict[str, Values]:
    """instrument -> ms -> value, as floats."""
    found: dict[str, Values] = {}
    if value is not None:
        for name, time, said in zip(rows["instrument_id"].to_pylist(), rows["ts_event"].to_pylist(), rows[value].to_pylist(), strict=True):
            found.setdefault(name, {})[time // NS] = float(said)
    return found


def keys(rows: pa.Table, *, all_of_key: bool = False) -> list[tuple[Any, ...]]:
    """Each row's instrument and time; all_of_key: with what else tells rows apart (of equal ids there is one row)."""
    columns = ["instrument_id", "ts_event", *(name for name in MORE if all_of_key and name in rows.column_names)]
    found = {column: rows[column].to_pylist() for column in columns}
    if "ordinal" in found:
        found["ordinal"] = [0 if id else number for id, number in zip(found["venue_id"], found["ordinal"], strict=True)]
    return list(zip(*found.values(), strict=True))


def differing(truth: Values, have: Values) -> str:
    missing = [time for time in truth if time not in have]
    if missing:
        return f"without the row of {iso(min(missing))}"
    other = [time for time, value in truth.items() if have[time] != value]
    return f"with {have[other[0]]} in place of {truth[other[0]]} at {iso(other[0])}" if other else ""


def hull(rows: Values) -> Interval:
    return Interval(min(rows), max(rows) + 1)


def said(span: Interval) -> str:
    return f"{iso(span.start)} to {iso(span.end)}"
