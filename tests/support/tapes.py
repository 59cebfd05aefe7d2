"""A small tape to write: several venues, datasets and days, with its claims, twice over, so that every path of the code is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from perptape.claims import Claim, Want, join
from perptape.datasets import DATASETS
from perptape.datasets.instruments import INSTRUMENTS, instrument_rows
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, NS
from perptape.store.catalog import Catalog
from perptape.store.tape import Tape

START = 20_000 * DAY
VENUES = ("binance", "bybit", "okx")
KINDS = ("open_interest", "funding", "liquidations")
Clock = Callable[[], int]


def name_of(venue: str) -> str:
    return {"binance": "BTCUSDT-PERP.BINANCE", "bybit": "BTCUSDT-LINEAR.BYBIT", "okx": "BTC-USDT-SWAP.OKX"}[venue]


def instrument(venue: str) -> Instrument:
    return Instrument(venue, name_of(venue), "BTC/USDT:USDT", "BTCUSDT", "BTC", "USDT", "USDT", True, Decimal("0.01"), listed=START - DAY)


def open_interest(venue: str, times: Sequence[int], received: int, value: float = 1.5) -> pa.Table:
    rows = [(name_of(venue), value, None, None, "contracts", 60, received * NS, t * NS, (t + 65 * MINUTE) * NS) for t in times]
    return DATASETS["open_interest"].table(rows)


def funding(venue: str, times: Sequence[int], received: int) -> pa.Table:
    return DATASETS["funding"].table([(name_of(venue), "0.0001", 480, t * NS, received * NS, t * NS, t * NS) for t in times])


def liquidations(venue: str, times: Sequence[int], received: int) -> pa.Table:
    def row(t: int) -> tuple[Any, ...]:
        return name_of(venue), "SELL", "LONG", 10.0, None, 1.0, 1.0, 10.0, None, 0, received * NS, t * NS, t * NS

    return DATASETS["liquidations"].table([row(t) for t in times])


def claims_of(venue: str, dataset: str, times: Sequence[int], asked: int) -> tuple[Claim, ...]:
    name = name_of(venue)
    if dataset == "open_interest":
        return join(Claim(name, "1h", "complete", t, t + HOUR, "", asked, asked) for t in times)
    grid, kind, basis = ("settled", "complete", "") if dataset == "funding" else ("stream", "live", "feed")
    return join([Claim(name, grid, kind, times[0], times[-1] + 1, basis, asked, asked)])


def waves(dataset: str) -> list[list[int]]:
    """Event times of two days: a first wave, and a second that repeats some of it."""
    step = {"open_interest": 6 * HOUR, "funding": 8 * HOUR, "liquidations": 7 * HOUR}[dataset]
    times = [START + i * step for i in range(2 * DAY // step)]
    half = len(times) // 2
    return [times[: half + 1], times[half:]]


ROWS = {"open_interest": open_interest, "funding": funding, "liquidations": liquidations}


def write(
    tape: Tape, clock: Clock, writer: str, venues: Sequence[str] = VENUES, kinds: Sequence[str] = KINDS
) -> Iterator[tuple[str, str, int]]:
    """Commits everything; yields (venue, dataset, wave) of each segment when it is committed."""
    tape.prepare("live", "nautilus1")
    for venue in venues:
        tape.commit(venue, INSTRUMENTS, instrument_rows([instrument(venue)], clock()), (), (), writer, clock)
        for dataset in kinds:
            for number, times in enumerate(waves(dataset)):
                want = Want("default/one", "s1", name_of(venue), "1h", START, clock(), None, "BTCUSDT-PERP")
                claims = claims_of(venue, dataset, times, clock())
                tape.commit(venue, dataset, ROWS[dataset](venue, times, clock()), claims, [want], writer, clock)
                yield venue, dataset, number


def missing(catalog: Catalog, done: Sequence[tuple[str, str, int]]) -> list[str]:
    """What was committed and is not there: rows seen once each, and claims."""
    wrong = []
    for venue, dataset in sorted({(v, d) for v, d, _ in done}):
        times = sorted({t for v, d, n in done if (v, d) == (venue, dataset) for t in waves(dataset)[n]})
        have = [t // NS for t in catalog.read(dataset, [name_of(venue)])["ts_event"].to_pylist()]
        if len(have) != len(set(have)):
            wrong.append(f"{venue} {dataset}: rows twice")
        if not set(times) <= set(have):
            wrong.append(f"{venue} {dataset}: rows {sorted(set(times) - set(have))} are missing")
        claimed = {t for c in catalog.coverage(venue, dataset).claims for t in times if t in c.span}
        if claimed != set(times):
            wrong.append(f"{venue} {dataset}: claims of {sorted(set(times) - claimed)} are missing")
        if not claimed <= set(have):
            wrong.append(f"{venue} {dataset}: claims without rows")
    return wrong
