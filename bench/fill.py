"""How near a first fill comes to what the venue's limits allow: 30 days of 5-minute open interest, a year of funding, 50 symbols.

    python bench/fill.py [VENUE]…

The venue is `perptape simulate`, a process of its own, with the windows of its limits divided by a factor at which no limit asks
for calls closer than 25 ms. The limit's own time is the simulator's: the fewest calls that hold the history, each as far from the next
as its cost demands for ever. Ours is first data request to last response in the simulator's log. Beside it CCXT's `paginate=True` over
a few symbols, its limiter sped up by the same factor.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import against, compiled, load, names, say

from support.simulator import Simulator, simulator

SYMBOLS, THEIRS, SEED, RATIO = 50, 5, 1, 1.05
DAY = 86_400_000
SPAN = {"open_interest": 30 * DAY, "funding": 365 * DAY}
PATHS = {
    "binance": {"open_interest": "/futures/data/openInterestHist", "funding": "/fapi/v1/fundingRate"},
    "bybit": {"open_interest": "/v5/market/open-interest", "funding": "/v5/market/funding/history"},
}
FACTORS = {"binance": 12.0, "bybit": 1 / 3}
"""Binance's tightest limit of data asks for 300 ms between calls, Bybit's for 8.3 ms: 25 ms each."""


# The job's process


async def job(venue: str, endpoint: str, factor: float, folder: Path, symbols: list[str]) -> None:
    """The collector as `perptape run --once` calls it, but told how fast the venue's limits are."""
    from perptape.cli.venue_calls import connect, environment
    from perptape.collect.request import Request
    from perptape.collect.run import run
    from perptape.exchanges.base import Access
    from perptape.store.tape import Tape
    from perptape_api.document import parse

    spec = parse(document(venue, symbols), "bench").spec
    access = {venue: Access(endpoint=endpoint, speed=factor)}
    asked = Request("fill", "bench", spec, (venue,), ("open_interest", "funding"), True, access, "bench")
    summary = await run(asked, Tape.open(str(folder)), connect=connect, environment=environment(), stop=asyncio.Event())
    say(summary.as_json())


def document(venue: str, symbols: list[str]) -> dict[str, Any]:
    collect = {"openInterest": {"every": "5m", "backfill": "30d"}, "funding": {"every": "1h", "backfill": "365d"}}
    spec = {"venues": [{"exchange": venue}], "symbols": {"names": symbols}, "collect": collect, "store": {"persistentVolumeClaim": {}}}
    return {"apiVersion": "perptape.io/v1alpha1", "kind": "CollectionSpec", "metadata": {"name": "fill"}, "spec": spec}


# CCXT's own pager


async def theirs(venue: str, endpoint: str, factor: float, since: dict[str, int], symbols: list[str]) -> None:
    """`paginate=True`, symbol after symbol, as its documentation shows; an exception loses that history, as it does to a user."""
    import ccxt.async_support as ccxt
    from burst import elsewhere

    exchange = getattr(ccxt, {"binance": "binanceusdm"}.get(venue, venue))({"enableRateLimit": True})
    exchange.urls["api"] = elsewhere(exchange.urls["api"], endpoint, exchange.hostname)
    await exchange.load_markets()
    exchange.rateLimit /= factor
    exchange.init_throttler()
    got, failed = {"open_interest": 0, "funding": 0}, []
    began = time.monotonic()
    for symbol in symbols:
        unified = symbol.replace("USDT-PERP", "/USDT:USDT")
        for dataset in got:
            try:
                if dataset == "open_interest":
                    rows = await exchange.fetch_open_interest_history(unified, "5m", since[dataset], None, {"paginate": True})
                else:
                    rows = await exchange.fetch_funding_rate_history(unified, since[dataset], None, {"paginate": True})
                got[dataset] += len({row["timestamp"] for row in rows})
            except Exception as error:
                failed.append(type(error).__name__)
    say(json.dumps({"seconds": time.monotonic() - began, "got": got, "failed": failed}))
    await exchange.close()


# The measuring process


@dataclass(frozen=True, slots=True)
class Truth:
    """What the market says was to be had: rows of (time, value) by dataset and contract."""

    market: Any
    venue: str
    contracts: tuple[str, ...]

    def rows(self, dataset: str, contract: str, start: int, end: int, before: int) -> dict[int, float]:
        """In [start, end), and published by `before`."""
        from perptape.simulation import truth

        if dataset == "funding":
            return {one.time: float(one.rate) for one in truth.funding(self.market, self.venue, contract, start, end)}
        listed = self.market.contract(self.venue, contract)
        found = truth.open_interest(self.market, self.venue, contract, start, end, 300_000)
        return {stamp: float(base) for stamp, base, _ in found if self.market.published(listed, stamp) <= before}


def limit_seconds(market: Any, venue: str, contracts: Iterable[str], factor: float, now: int) -> tuple[float, int]:
    """(real seconds that the limits ask for the fewest calls, how many those are)."""
    from perptape.simulation.limits import Limits
    from perptape.simulation.minimum import fewest_calls, limit_time
    from perptape.simulation.wires import WIRES

    wire = WIRES[venue]()
    calls = [
        call
        for contract in contracts
        for dataset, span in SPAN.items()
        for call in fewest_calls(market, venue, dataset, contract, now - span, now, now)
    ]
    return sum(limit_time(wire, Limits(wire.limits, factor), calls).values()) / 1000, len(calls)


def child(what: str, *words: str) -> Any:
    done = subprocess.run([sys.executable, __file__, what, *words], stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return json.loads(done.stdout.splitlines()[-1])


def measured(venue: str, folder: Path) -> bool:
    from perptape.simulation.market import Market

    market, factor, symbols = Market.standard(SEED, SYMBOLS), FACTORS[venue], names(SYMBOLS)
    truth = Truth(market, venue, tuple(one.id for one in market.contracts(venue) if one.delisted is None))
    with simulator(folder, "-e", venue, "--symbols", str(SYMBOLS), "--seed", str(SEED), "--compress", str(factor)) as venues:
        now = venues.now(venue)
        floor, calls = limit_seconds(market, venue, truth.contracts, factor, now)
        say(f"{venue}: limits compressed by {factor:g}, fewest calls {calls}, the limits' own time {floor:.1f} s; {load()}")
        summary = child("--job", venue, venues.endpoints[venue], str(factor), str(folder / "tape"), *symbols)
        good = judged(venue, venues, truth, folder / "tape", floor, calls, now) and summary["exit"] == 0
        venues.control("POST", "forget")
        beside(venue, venues, truth, factor, floor)
    return good


def judged(venue: str, venues: Simulator, truth: Truth, tape: Path, floor: float, calls: int, began: int) -> bool:
    log = venues.data_requests(venue)
    data = [call for call in log if call["path"] in PATHS[venue].values()]
    took = max(call["done_mono"] for call in data) - min(call["at_mono"] for call in data)
    refused = [call["status"] for call in log if call["status"] != 200]
    within = against("time", took / floor, RATIO, "x", f"{took:.1f} s for {len(data)} data calls, {len(data) / calls:.3f} of the fewest")
    last = max(call["at"] for call in data)
    there, all_right = shares(venue, truth, tape, min(call["at"] for call in data), last, began)
    say(f"  of the truth's rows that stayed inside retention by its margin: {there}")
    say(f"  answers that were no 200: {len(refused)} of {len(log)} {sorted(set(refused)) or ''}".rstrip())
    return within and all_right and not refused


def shares(venue: str, truth: Truth, tape: Path, first: int, last: int, began: int) -> tuple[str, bool]:
    """How much of the truth the tape holds, value by value; whether it is all. A start is kept 2 min inside retention (standing.py)."""
    from perptape.standing import RETENTION_MARGIN
    from perptape.store.tape import Tape

    told, every = [], True
    for dataset, column in (("open_interest", "oi_base"), ("funding", "rate")):
        start = last - SPAN[dataset] + RETENTION_MARGIN if (venue, dataset) == ("binance", "open_interest") else first - SPAN[dataset]
        rows = Tape.open(str(tape)).read(dataset)
        values = (rows[name].to_pylist() for name in ("instrument_id", "ts_event", column))
        got = {(one.split("-")[0].split(".")[0], time // 1_000_000): float(value) for one, time, value in zip(*values, strict=True)}
        wanted = {(c, t): v for c in truth.contracts for t, v in truth.rows(dataset, c, start, first, began).items()}
        gone = sorted(time for (one, time), value in wanted.items() if not near(got.get((one, time)), value))
        told.append(f"{dataset} {1 - len(gone) / len(wanted):.3%} of {len(wanted)}")
        if gone:
            told.append(f"missing are those of {(gone[0] - start) / 60_000:.1f} to {(gone[-1] - start) / 60_000:.1f} min after its edge")
        every &= not gone
    return ", ".join(told), every


def near(found: float | None, value: float) -> bool:
    return found is not None and abs(found - value) <= 1e-9 * max(1.0, abs(value))


def beside(venue: str, venues: Simulator, truth: Truth, factor: float, floor: float) -> None:
    now = venues.now(venue)
    since = {dataset: now - span + 60_000 for dataset, span in SPAN.items()}
    told = child("--theirs", venue, venues.endpoints[venue], str(factor), json.dumps(since), *names(THEIRS))
    wanted = {d: sum(len(truth.rows(d, c, since[d], now, now)) for c in truth.contracts[:THEIRS]) for d in SPAN}
    share = ", ".join(f"{d} {min(1.0, told['got'][d] / wanted[d]):.1%}" for d in SPAN)
    times = told["seconds"] / (floor * THEIRS / SYMBOLS)
    say(f"  beside it CCXT's paginate=True, {THEIRS} of {SYMBOLS} symbols: {told['seconds']:.1f} s, {times:.2f} x their part of the limit,")
    say(f"    rows got: {share}" + (f"; failed: {', '.join(told['failed'])}" if told["failed"] else ""))


def main() -> int:
    if sys.argv[1:2] == ["--job"]:
        asyncio.run(job(sys.argv[2], sys.argv[3], float(sys.argv[4]), Path(sys.argv[5]), sys.argv[6:]))
        return 0
    if sys.argv[1:2] == ["--theirs"]:
        asyncio.run(theirs(sys.argv[2], sys.argv[3], float(sys.argv[4]), json.loads(sys.argv[5]), sys.argv[6:]))
        return 0
    compiled()
    good = True
    for venue in sys.argv[1:] or list(FACTORS):
        with tempfile.TemporaryDirectory(prefix="perptape-fill-") as folder:
            good &= measured(venue, Path(folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
