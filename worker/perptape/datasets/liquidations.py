"""Liquidations: forced orders (or fills, by venue), with whose position it was and how often an equal event was seen."""

from __future__ import annotations

from decimal import Decimal
from math import nan
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from perptape.datasets.base import LARGEST, Dataset, Invalid, custom_from_file, custom_to_file, is_text, kept_time, number, schema_of
from perptape.instruments import Instrument
from perptape.interval import NS
from perptape.raw import Number, RawLiquidation

SCHEMA = schema_of(
    pa.field("side", pa.string(), False),
    pa.field("position_side", pa.string(), False),
    pa.field("price", pa.float64(), False),
    pa.field("average_price", pa.float64()),
    pa.field("quantity", pa.float64()),
    pa.field("quantity_venue", pa.float64(), False),
    pa.field("value_usd", pa.float64()),
    pa.field("venue_id", pa.string()),
    pa.field("ordinal", pa.int64(), False),
)


def _key(table: pa.Table) -> list[Any]:
    """By the venue's id and side where there is an id; else by everything sent and the ordinal."""
    anonymous = pc.is_null(table["venue_id"])
    rest = ("ts_event", "price", "average_price", "quantity_venue", "ordinal")
    return [table["venue_id"], table["side"], *(pc.if_else(anonymous, table[name], None) for name in rest)]


LIQUIDATIONS = Dataset(
    name="liquidations",
    class_name="Liquidation",
    directories=("custom_liquidation", "custom/Liquidation"),
    span="day",
    schema=SCHEMA,
    key=_key,
    prefer=lambda table: [table["ts_received"]],
    sent=("side", "price", "average_price", "quantity_venue"),
    to_file=custom_to_file("Liquidation"),
    from_file=custom_from_file(SCHEMA),
)

Row = tuple[str, str, str, float, float | None, float | None, float, float | None, str | None, int, int, int, int]
Unit = Literal["base", "contracts", "quote"]
_LEAST, _MOST = 10.0**-LARGEST, 10.0**LARGEST


def key(raw: RawLiquidation) -> tuple[Any, ...]:
    """What makes two events of one subscription equal: every value that was sent. For counting ordinals."""
    return raw.instrument.id, *raw[1:]


def row(raw: RawLiquidation, unit: Unit, ordinal: int, received: int) -> Row:
    """A row of the schema. `received` is ns. `unit` is what the venue's quantity is in. Raises Invalid."""
    one, time, side, price_sent, average_sent, quantity_sent, venue_id = raw
    event = kept_time(time) * NS
    if side not in ("BUY", "SELL"):
        raise Invalid(f"side: {side!r} is neither BUY nor SELL")
    if venue_id is not None and (type(venue_id) is not str or not (venue_id.isascii() or is_text(venue_id))):
        raise Invalid(f"venue id: {venue_id!r} is no text")
    try:  # numbers as they should be are judged as floats, which costs half of what exact ones do; only the sizes need those
        price, quantity = float(price_sent), float(quantity_sent)  # type: ignore[arg-type]
        average = None if average_sent is None else float(average_sent)
    except (TypeError, ValueError, OverflowError):  # JSON's integers have no end
        price = quantity = average = nan
    sound = _LEAST < price < _MOST and 0.0 <= quantity < _MOST and (average is None or _LEAST < average < _MOST)
    if sound and type(price_sent) is type(quantity_sent) is str and (average_sent is None or type(average_sent) is str):
        exact, paid = Decimal(quantity_sent), Decimal(average_sent or price_sent)
    else:
        (price, average, quantity), exact, paid = _judged(price_sent, average_sent, quantity_sent)
    base, value = _sizes(one, unit, exact, paid)
    return (
        one.id, side, "SHORT" if side == "BUY" else "LONG", price, average, quantity if base is exact else float(base),
        quantity, float(value), venue_id, ordinal, received, event, event,
    )  # fmt: skip


def _judged(price_sent: Number, average_sent: Number, quantity_sent: Number) -> tuple[tuple[float, float | None, float], Decimal, Decimal]:
    """((price, average, quantity), the exact quantity, the exact price of its value) of numbers of any kind. Raises Invalid."""
    price, average, quantity = number(price_sent, "price"), number(average_sent, "average price"), number(quantity_sent, "quantity")
    if price is None or not price:
        raise Invalid("price: the venue gave none")
    if quantity is None:
        raise Invalid("quantity: the venue gave none")
    return (float(price), None if average is None else float(average), float(quantity)), quantity, average or price


def _sizes(one: Instrument, unit: Unit, quantity: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
    """(base coin, USD value at `price`); USDT and USDC count as USD."""
    size, linear = one.contract_size, one.linear
    if unit == "quote" or (unit == "contracts" and not linear):
        value = quantity if unit == "quote" else quantity * size
        return value / price, value
    base = quantity if unit == "base" else quantity * size
    return base, base * price
