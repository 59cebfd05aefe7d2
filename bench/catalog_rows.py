"""Rows to measure with: plausible values, made fast, the same every time."""

from __future__ import annotations

import random

import pyarrow as pa
import pyarrow.compute as pc

from perptape.datasets import DATASETS
from perptape.interval import MINUTE, NS

DAY_NS = 86_400_000_000_000
START = 20_000 * DAY_NS
RECEIVED = START + 400 * DAY_NS


def names(count: int) -> list[str]:
    return [f"C{i:03}USDT-PERP.BINANCE" for i in range(count)]


def walk(n: int, start: float, step: float, digits: int) -> pa.Array:
    chance = random.Random(1)
    out, value = [], start
    for _ in range(n):
        value += chance.gauss(0, step)
        out.append(round(value, digits))
    return pa.array(out)


def _each(values: list[str], times: int) -> pa.Array:
    indices = pa.array([i for i in range(len(values)) for _ in range(times)], pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(values)).cast(pa.string())


def _grid(instruments: int, each: int, step: int) -> pa.Array:
    return pa.array([START + i * step for _ in range(instruments) for i in range(each)], pa.int64())


def open_interest(instruments: int, each: int) -> pa.Table:
    n = instruments * each
    base, event = walk(n, 80_000, 20, 3), _grid(instruments, each, 5 * MINUTE * NS)
    columns = [_each(names(instruments), each), base, base, pc.round(pc.multiply(base, 90_000.1), 2)]
    columns += [_constant("base,usd", n), _constant(5, n), _constant(RECEIVED, n), event, pc.add(event, 10 * MINUTE * NS)]
    return pa.table(columns, schema=DATASETS["open_interest"].schema)


def _constant(value: object, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), n)


def funding(instruments: int, each: int) -> pa.Table:
    chance, n = random.Random(2), instruments * each
    rates = pa.array([f"{chance.gauss(1e-4, 5e-5):.8f}" for _ in range(n)])
    event = _grid(instruments, each, 480 * MINUTE * NS)
    columns = [_each(names(instruments), each), rates, _constant(480, n), event, _constant(RECEIVED, n), event, event]
    return pa.table(columns, schema=DATASETS["funding"].schema)


def funding_prediction(instruments: int, each: int) -> pa.Table:
    n = instruments * each
    event, price = _grid(instruments, each, 5 * MINUTE * NS), walk(n, 90_000, 30, 2)
    following = pc.add(pc.multiply(pc.divide(event, 480 * MINUTE * NS), 480 * MINUTE * NS), 480 * MINUTE * NS)
    columns = [_each(names(instruments), each), walk(n, 1e-4, 1e-6, 8), pa.nulls(n, pa.float64()), following, _constant(480, n)]
    columns += [price, pc.add(price, 1.5), pc.add(event, 120_000_000), event, event]
    return pa.table(columns, schema=DATASETS["funding_prediction"].schema)


def liquidations(instruments: int, each: int) -> pa.Table:
    chance, n = random.Random(3), instruments * each
    buys = [chance.random() < 0.5 for _ in range(n)]
    event = pa.array([START + j * 7_000_000_000 + chance.randrange(7_000) * NS for _ in range(instruments) for j in range(each)])
    price = walk(n, 90_000, 30, 1)
    quantity = pa.array([chance.randrange(1, 5_000) / 1000 for _ in range(n)])
    columns = [_each(names(instruments), each), pa.array(["BUY" if b else "SELL" for b in buys])]
    columns += [pa.array(["SHORT" if b else "LONG" for b in buys]), price, pc.add(price, 0.5), quantity, quantity]
    columns += [pc.round(pc.multiply(price, quantity), 2), pa.nulls(n, pa.string()), _constant(0, n)]
    columns += [pc.add(event, 90_000_000), event, event]
    return pa.table(columns, schema=DATASETS["liquidations"].schema)


MAKERS = {
    "open_interest": open_interest,
    "funding": funding,
    "funding_prediction": funding_prediction,
    "liquidations": liquidations,
}
