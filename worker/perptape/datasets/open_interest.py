"""Open interest: how much is held in contracts, base coin and USD; as the venue sent it and what follows from the same answer."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from perptape.datasets.base import Dataset, Invalid, as_float, custom_from_file, custom_to_file, kept_time, number, schema_of
from perptape.interval import MINUTE, NS
from perptape.raw import RawOpenInterest

AVAILABLE_AFTER = 5 * MINUTE
"""A bucket is taken to be known this long after its end: venues stamp it by its start or its end and publish it minutes late."""

SCHEMA = schema_of(
    pa.field("oi_contracts", pa.float64()),
    pa.field("oi_base", pa.float64()),
    pa.field("oi_usd", pa.float64()),
    pa.field("source_unit", pa.string(), False),
    pa.field("period_minutes", pa.int64(), False),
)

OPEN_INTEREST = Dataset(
    name="open_interest",
    class_name="OpenInterest",
    directories=("custom_open_interest", "custom/OpenInterest"),
    span="day",
    schema=SCHEMA,
    key=lambda table: [table["period_minutes"], table["ts_event"]],
    prefer=lambda table: [pc.negate(table["ts_received"])],
    sent=("oi_contracts", "oi_base", "oi_usd"),
    to_file=custom_to_file("OpenInterest"),
    from_file=custom_from_file(SCHEMA),
)

Row = tuple[str, float | None, float | None, float | None, str, int, int, int, int]


def ts_init(ts_event: int, period_minutes: int) -> int:
    """When a strategy may know the row (ns): a pure function of the row."""
    return ts_event + (period_minutes * MINUTE + AVAILABLE_AFTER) * NS if period_minutes else ts_event


def row(raw: RawOpenInterest, period_minutes: int, received: int) -> Row:
    """A row of the schema. `period_minutes` is 0 for a sample; `received` is ms. Raises Invalid."""
    event = kept_time(raw.time) * NS
    sent = {name: number(getattr(raw, name), name) for name in ("contracts", "base", "usd")}
    if all(value is None for value in sent.values()):
        raise Invalid("open interest: none of contracts, base and USD")
    contracts, base, usd = _derived(raw, sent["contracts"], sent["base"], sent["usd"])
    unit = ",".join(name for name, value in sent.items() if value is not None)
    init = ts_init(event, period_minutes)
    return raw.instrument.id, as_float(contracts), as_float(base), as_float(usd), unit, period_minutes, received * NS, event, init


def _derived(
    raw: RawOpenInterest, contracts: Decimal | None, base: Decimal | None, usd: Decimal | None
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """The three units, where the same answer (its mark price) or a constant contract size gives them; otherwise None.

    A contract size of 1 is constant by the venue's definition; others only count for a current row, which a mark price marks.
    """
    one = raw.instrument
    mark = number(raw.mark, "mark")
    size = one.contract_size if one.contract_size == 1 or mark is not None else None
    if one.linear:
        if contracts is None and base is not None and size:
            contracts = base / size
        if base is None and contracts is not None and size:
            base = contracts * size
        if usd is None and base is not None and mark:
            usd = base * mark
        return contracts, base, usd
    if contracts is None and usd is not None and size:
        contracts = usd / size
    if usd is None and contracts is not None and size:
        usd = contracts * size
    if base is None and usd is not None and mark:
        base = usd / mark
    return contracts, base, usd
