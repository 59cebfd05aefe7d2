"""Funding predictions: the rate that accrues now, sampled; never mixed with settled rates."""

from __future__ import annotations

import pyarrow as pa

from perptape.datasets.base import Dataset, Invalid, as_float, custom_from_file, custom_to_file, kept_time, number, schema_of
from perptape.interval import LATEST, NS
from perptape.raw import RawPrediction

SCHEMA = schema_of(
    pa.field("rate", pa.float64(), False),
    pa.field("next_rate", pa.float64()),
    pa.field("next_funding_ns", pa.int64(), False),
    pa.field("interval_minutes", pa.int64()),
    pa.field("mark_price", pa.float64()),
    pa.field("index_price", pa.float64()),
)

FUNDING_PREDICTION = Dataset(
    name="funding_prediction",
    class_name="FundingPrediction",
    directories=("custom_funding_prediction", "custom/FundingPrediction"),
    span="day",
    schema=SCHEMA,
    key=lambda table: [table["ts_event"]],
    prefer=lambda table: [table["ts_received"]],
    sent=("rate", "next_rate", "next_funding_ns"),
    to_file=custom_to_file("FundingPrediction"),
    from_file=custom_from_file(SCHEMA),
)

Row = tuple[str, float, float | None, int, int | None, float | None, float | None, int, int, int]


def row(raw: RawPrediction, received: int) -> Row:
    """A row of the schema; `received` in ms, which stands in where the venue gives no time. Raises Invalid.

    A prediction of a settlement that is not ahead is none: it is Invalid.
    """
    rate = number(raw.rate, "rate", negative=True)
    if rate is None:
        raise Invalid("rate: the venue gave none")
    time = received if raw.time is None else kept_time(raw.time)
    coming = kept_time(raw.next_time, "next funding time")
    if coming <= time:
        raise Invalid(f"next funding time: {coming} is not after {time}")
    if raw.interval_minutes is not None and not 0 < raw.interval_minutes < LATEST:
        raise Invalid(f"interval: {raw.interval_minutes} minutes")
    return (
        raw.instrument.id,
        float(rate),
        as_float(number(raw.next_rate, "next rate", negative=True)),
        coming * NS,
        raw.interval_minutes,
        as_float(number(raw.mark, "mark")),
        as_float(number(raw.index, "index")),
        received * NS,
        time * NS,
        time * NS,
    )
