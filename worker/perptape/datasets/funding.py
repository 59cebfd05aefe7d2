"""Funding: settled rates only, one row a settlement, in NautilusTrader's own FundingRateUpdate encoding."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from perptape.datasets.base import UTC, Dataset, Format, Invalid, kept_time, number, plain, schema_of
from perptape.interval import DAY, JITTER, MINUTE, NS
from perptape.raw import RawFunding

LONGEST = DAY
"""ms: no venue settles less often. Where nothing is known for longer, a settlement is missing."""

SCHEMA = schema_of(pa.field("rate", pa.string(), False), pa.field("interval", pa.int64()), pa.field("next_funding_ns", pa.int64(), False))


def _to_file(rows: pa.Table, layout: Format, instrument: str) -> pa.Table:
    metadata = {"instrument_id": instrument, "type_name": "FundingRateUpdate"}
    first = layout == "nautilus1"
    time = pa.uint64() if first else UTC
    rate = pc.binary_join_element_wise('"', rows["rate"], '"', "").cast(pa.binary()) if first else rows["rate"]
    return pa.table(
        [
            rate,
            rows["interval"].cast(pa.uint16() if first else pa.uint64()),
            rows["next_funding_ns"].cast(time),
            rows["ts_received"],
            rows["ts_event"].cast(time),
            rows["ts_init"].cast(time),
        ],
        schema=pa.schema(
            [
                pa.field("rate", pa.binary() if first else pa.string(), False),
                pa.field("interval", pa.uint16() if first else pa.uint64()),
                pa.field("next_funding_ns", time),
                pa.field("ts_received", pa.int64(), False),
                pa.field("ts_event", time, False),
                pa.field("ts_init", time, False),
            ],
            metadata,
        ),
    )


def _from_file(table: pa.Table, instrument: str) -> pa.Table:
    rate = table["rate"]
    if pa.types.is_binary(rate.type):
        rate = pc.utf8_trim(rate.cast(pa.string()), characters='"')
    columns = [pa.repeat(pa.scalar(instrument), table.num_rows), rate]
    columns += [table[name].cast(pa.int64()) for name in ("interval", "next_funding_ns", "ts_received", "ts_event", "ts_init")]
    return pa.table(columns, schema=SCHEMA)


FUNDING = Dataset(
    name="funding",
    class_name="FundingRateUpdate",
    directories=("funding_rate_update", "funding_rates"),
    span="month",
    schema=SCHEMA,
    key=lambda table: [table["ts_event"]],
    prefer=lambda table: [pc.is_null(table["interval"]), pc.negate(table["ts_received"])],
    sent=("rate",),
    to_file=_to_file,
    from_file=_from_file,
)

Row = tuple[str, str, int | None, int, int, int, int]


def too_long(start: int, end: int) -> bool:
    """Whether there must be a settlement between two that follow one another here (or an edge)."""
    return (end - start) // MINUTE > LONGEST // MINUTE


def _minutes(before: int | None, time: int) -> int | None:
    return None if before is None or too_long(before, time) else (time - before) // MINUTE


def settled_at(time: int) -> int:
    """The settlement's minute (ms); a time further than 5 s from one is kept as sent."""
    nearest = (time + MINUTE // 2) // MINUTE * MINUTE
    return nearest if abs(time - nearest) <= JITTER else time


def rows(raws: Sequence[RawFunding], received: int, fixed_interval: int | None = None) -> tuple[list[Row], list[str]]:
    """(rows in order of time, one line for each value that was dropped).

    `raws` are all settlements of one instrument over an unbroken span, in any order: each interval is the minutes since the one
    before it, null for the first, for the one after a dropped value and where it would be longer than a day. `fixed_interval`: the
    venue's constant (Deribit's hourly accrual). `received` in ms.
    """
    found: dict[int, str] = {}
    dropped: list[str] = []
    unusable: set[int] = set()
    for raw in raws:
        at = None
        try:
            at = settled_at(kept_time(raw.time))
            rate = number(raw.rate, "rate", negative=True)
            if rate is None:
                raise Invalid("rate: the venue gave none")
            found[at] = plain(rate)
        except Invalid as error:
            dropped.append(f"{raw.instrument.id}: {error}")
            if at is not None:
                unusable.add(at)
    out: list[Row] = []
    before: int | None = None
    for time in sorted({*found, *unusable}):
        if time not in found:
            before = None
            continue
        interval = fixed_interval if fixed_interval is not None else _minutes(before, time)
        out.append((raws[0].instrument.id, found[time], interval or None, time * NS, received * NS, time * NS, time * NS))
        before = time
    return out, dropped


def off_minute(rows: Sequence[Row]) -> str | None:
    """One line on settlements of an instrument that lie on no minute: kept as sent, since no venue is known to settle so."""
    odd = [row[5] // NS for row in rows if row[5] // NS % MINUTE]
    if not odd:
        return None
    return f"{rows[0][0]}: {len(odd)} settlements stamped over 5 s off a minute, kept as sent; the first is {odd[0]} ms"
