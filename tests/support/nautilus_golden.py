"""A small catalog written by plain pyarrow, in both Nautilus formats, from what was measured of them and from nothing of perptape.

It stands for what the real encoder must write: the same tables go into both, and `schema` is what to hold the encoder's files against.
"""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Rows = dict[str, list[Any]]
MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
START = 1_767_139_200_000_000_000  # 2025-12-31T00:00:00Z: two days, two months
BTC, HIP3 = "BTCUSDT-PERP.BINANCE", "xyz:TSLA-USD-PERP.HYPERLIQUID"  # a colon in a name is no special character

NEVER_NULL = {"rate", "source_unit", "period_minutes", "next_funding_ns", "side", "position_side", "price", "quantity_venue", "ordinal"}
CUSTOM = {  # class -> its columns between instrument_id and the times
    "OpenInterest": "oi_contracts oi_base oi_usd source_unit:s period_minutes:i",
    "FundingPrediction": "rate next_rate next_funding_ns:i interval_minutes:i mark_price index_price",
    "Liquidation": "side:s position_side:s price average_price quantity quantity_venue value_usd venue_id:s ordinal:i",
}
TYPES = {"": pa.float64(), "s": pa.string(), "i": pa.int64()}
DIRECTORIES = {
    "nautilus1": {
        "OpenInterest": "custom_open_interest",
        "FundingRateUpdate": "funding_rate_update",
        "FundingPrediction": "custom_funding_prediction",
        "Liquidation": "custom_liquidation",
    },
    "nautilus2": {
        "OpenInterest": "custom/OpenInterest",
        "FundingRateUpdate": "funding_rates",
        "FundingPrediction": "custom/FundingPrediction",
        "Liquidation": "custom/Liquidation",
    },
}


def columns(kind: str) -> Iterator[pa.Field]:
    """The columns of a custom class up to the times."""
    yield pa.field("instrument_id", pa.string(), nullable=False)
    for column in CUSTOM[kind].split():
        name, _, letter = column.partition(":")
        yield pa.field(name, TYPES[letter], nullable=name not in NEVER_NULL)


def schema(kind: str, instrument: str, form: str) -> pa.Schema:
    """The columns of a data file, in order, and the metadata of its schema, which is the same in every file of a directory."""
    first = form == "nautilus1"
    stamp = pa.uint64() if first else pa.timestamp("ns", tz="UTC")
    times = [pa.field(name, stamp, nullable=False) for name in ("ts_event", "ts_init")]
    times = [pa.field("ts_received", pa.int64(), nullable=False), *times]
    if kind != "FundingRateUpdate":
        tail = [] if first else [pa.field("data_type", pa.string())]
        return pa.schema([*columns(kind), *times, *tail], {"type_name": kind})
    head = [
        pa.field("rate", pa.binary() if first else pa.string(), nullable=False),
        pa.field("interval", pa.uint16() if first else pa.uint64()),
        pa.field("next_funding_ns", stamp),
    ]
    return pa.schema(head + times, {"instrument_id": instrument, "type_name": kind})


def encoded(kind: str, instrument: str, form: str, rows: Rows) -> pa.Table:
    """The rows as a data file holds them."""
    wanted = schema(kind, instrument, form)
    values, count = complete(instrument, rows), len(rows["ts_init"])
    values["data_type"] = [f'{{"type_name":"{kind}","metadata":null,"identifier":"{instrument}"}}'] * count
    if kind == "FundingRateUpdate" and form == "nautilus1":
        values["rate"] = [f'"{rate}"'.encode() for rate in rows["rate"]]  # JSON, quotes and all
    return pa.table([pa.array(values[field.name], field.type) for field in wanted], schema=wanted)


def complete(instrument: str, rows: Rows) -> Rows:
    """The rows with the columns that follow from where and when they are."""
    return {"instrument_id": [instrument] * len(rows["ts_init"]), **rows, "ts_received": [at + 2 * MINUTE for at in rows["ts_init"]]}


def open_interest(day: int) -> Rows:
    """Every five minutes, and ten minutes late (a period and five minutes): the day is that of ts_init."""
    count = DAY // (5 * MINUTE)
    init = [day + 5 * MINUTE * index for index in range(count)]
    hourly = [stamp % (60 * MINUTE) == 0 for stamp in init]
    base = [80_000.0 + index for index in range(count)]
    return {
        "oi_contracts": base,
        "oi_base": base,
        "oi_usd": [None if hour else size * 90_000 for hour, size in zip(hourly, base, strict=True)],
        "source_unit": ["base,usd"] * count,
        "period_minutes": [5] * count,
        "ts_event": [stamp - 10 * MINUTE for stamp in init],
        "ts_init": init,
    }


def samples(day: int) -> Rows:
    """One sample an hour of a venue without history, in one unit only."""
    stamps = [day + 60 * MINUTE * hour + 17_000_000 for hour in range(24)]
    return {
        "oi_contracts": [None] * 24,
        "oi_base": [12.5 + hour for hour in range(24)],
        "oi_usd": [None] * 24,
        "source_unit": ["base"] * 24,
        "period_minutes": [0] * 24,
        "ts_event": stamps,
        "ts_init": stamps,
    }


def funding(stamps: list[int], rates: list[str], interval: int) -> Rows:
    """Settled rates; the interval before the first is not known."""
    return {
        "rate": rates,
        "interval": [None, *[interval] * (len(rates) - 1)],
        "next_funding_ns": stamps,
        "ts_event": stamps,
        "ts_init": stamps,
    }


def predictions(day: int) -> Rows:
    stamps = [day + 60 * MINUTE * hour + 20 * MINUTE for hour in range(24)]
    return {
        "rate": [0.0001 * (hour % 3) for hour in range(24)],
        "next_rate": [None] * 24,
        "next_funding_ns": [stamp - stamp % (480 * MINUTE) + 480 * MINUTE for stamp in stamps],
        "interval_minutes": [480 if hour % 2 else None for hour in range(24)],
        "mark_price": [90_000.0 + hour for hour in range(24)],
        "index_price": [None if hour == 3 else 90_001.0 for hour in range(24)],
        "ts_event": stamps,
        "ts_init": stamps,
    }


def liquidations(day: int, events: bool) -> Rows:
    """A burst of three within one millisecond, two of them equal, and one hours later; or the columns alone."""
    stamps = [day + 600 * MINUTE + 5_000_000] * 3 + [day + 900 * MINUTE]
    rows: Rows = {
        "side": ["SELL", "SELL", "BUY", "BUY"],
        "position_side": ["LONG", "LONG", "SHORT", "SHORT"],
        "price": [89_000.5, 89_000.5, 91_000.0, 90_500.0],
        "average_price": [89_010.0, 89_010.0, None, None],
        "quantity": [0.25, 0.25, 1.5, None],
        "quantity_venue": [0.25, 0.25, 1.5, 3.0],
        "value_usd": [22_252.5, 22_252.5, 136_500.0, None],
        "venue_id": [None, None, "t-77", None],
        "ordinal": [0, 1, 0, 0],
        "ts_event": stamps,
        "ts_init": stamps,
    }
    return rows if events else {name: [] for name in rows}


def market() -> Iterator[tuple[str, str, int, int, Rows]]:
    """Kind, instrument, first and last nanosecond of the file's span, rows; the file of a day without rows is there too."""
    for day in (START, START + DAY):
        end = day + DAY - 1
        yield "OpenInterest", BTC, day, end, open_interest(day)
        yield "OpenInterest", HIP3, day, end, samples(day)
        yield "FundingPrediction", BTC, day, end, predictions(day)
        yield "Liquidation", BTC, day, end, liquidations(day, events=day == START)
    december, january, february = (int(datetime(*month, 1, tzinfo=UTC).timestamp()) * 10**9 for month in ((2025, 12), (2026, 1), (2026, 2)))
    settled = [START + 480 * MINUTE * index for index in range(6)]
    rates = ["0.0001", "0.0002", "-0.00005", "0.00010000", "0", "0.0003"]
    late = START + DAY
    for first, last, part in ((december, january - 1, slice(0, 3)), (january, february - 1, slice(3, 6))):
        rows = {name: values[part] for name, values in funding(settled, rates, 480).items()}
        yield "FundingRateUpdate", BTC, first, last, rows
    hourly = [late + 60 * MINUTE * hour for hour in range(24)]
    yield "FundingRateUpdate", HIP3, january, february - 1, funding(hourly, ["0.0000125"] * 24, 60)


def file_name(first: int, last: int) -> str:
    """What the file covers by ts_init, both ends included."""

    def stamp(ns: int) -> str:
        return f"{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%dT%H-%M-%S}-{ns % 10**9:09d}Z"

    return f"{stamp(first)}_{stamp(last)}.parquet"


def write(form: str, put: Callable[[str, bytes], object]) -> None:
    """Hands every data file of the catalog to `put`, under its path from the root."""
    for kind, instrument, first, last, rows in market():
        buffer = io.BytesIO()
        pq.write_table(encoded(kind, instrument, form, rows), buffer, compression="zstd")
        directory = instrument.replace("/", "")
        put(f"data/{DIRECTORIES[form][kind]}/{directory}/{file_name(first, last)}", buffer.getvalue())
