"""The user's own marks, against simulated venues at their real limits, each venue a clock and limits as the real one has them.

    python bench/marks.py [month|live|calls|valid]…

month: `perptape fetch-oi BTCUSDT-PERP --from 30d` of each venue that serves its history, exec to exit, at most 60 s. live: a liquidation
is printed by `perptape stream-liquidations` at most 2 s after the simulator sent it. calls: 1 000 calls in a row without a 429.
valid: of the rows in answers that were well, while one answer in seven was not, at least 99 % are on the tape.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from measure import against, load, names, say

from support.simulator import Simulator, ended, simulator

MONTH_S, PRINTED_S, CALLS, STORED = 60.0, 2.0, 1000, 0.99
HISTORIES = ("binance", "bybit", "okx")
STREAMS = {"binance": "BTCUSDT", "bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP", "deribit": "BTC-PERPETUAL"}
LISTENED_S = 12


def month(folder: Path) -> bool:
    good = True
    with simulator(folder) as venues:
        for venue in HISTORIES:
            began = time.monotonic()
            done = venues.run("fetch-oi", "BTCUSDT-PERP", "-e", venue, "--from", "30d", "--timeout", "120", "-f", "json", timeout=180)
            took = time.monotonic() - began
            rows = len(json.loads(done.stdout)) if done.returncode == 0 else 0
            refused = sum(call["status"] != 200 for call in venues.data_requests(venue))
            how = f"{rows} rows, {len(venues.data_requests(venue))} calls, {refused} refused, exit {done.returncode}"
            good &= against(f"{venue}, 30 days of 5-minute open interest", took, MONTH_S, "s", how) and done.returncode == 0
    return good


def live(folder: Path) -> bool:
    good = True
    with simulator(folder) as venues:
        for venue, contract in STREAMS.items():
            venues.control("POST", "rate", {"venue": venue, "contract": contract, "per_second": 5})
            process = venues.start(
                "stream-liquidations", "BTCUSDT-PERP", "-e", venue, "-f", "json", "--for", f"{LISTENED_S}s", PYTHONUNBUFFERED="1"
            )
            assert process.stdout is not None
            printed = [(time.monotonic(), json.loads(line)) for line in process.stdout]
            ended(process)
            good &= delays(venues, venue, printed)
    return good


def delays(venues: Simulator, venue: str, printed: list[tuple[float, dict[str, Any]]]) -> bool:
    """Each printed event beside the push that brought it: of equal time, the first that is left."""
    sent: dict[int, list[float]] = {}
    for session in venues.control("GET", "truth", venue=venue):
        for push in session["sent"]:
            for event in (*push["liquidations"], *(trade for trade in push["trades"] if trade.get("liquidation"))):
                sent.setdefault(event["time"], []).append(push["at_mono"])
    found = []
    for at, line in printed:
        stamp = round(datetime.fromisoformat(line["ts_event"]).timestamp() * 1000)
        if sent.get(stamp):
            found.append(at - sent[stamp].pop(0))
    how = f"latest of {len(found)} events, median {sorted(found)[len(found) // 2]:.3f} s" if found else "no event"
    return against(f"{venue}, from sent to printed", max(found, default=99.0), PRINTED_S, "s", how) and bool(found)


async def a_thousand(venue: str, endpoint: str) -> int:
    """At least so many calls through the adapter as the collector makes them, eight at once; how many it counted."""
    from perptape.cli.venue_calls import connect
    from perptape.exchanges.base import Access
    from perptape.interval import DAY, MINUTE, Interval

    exchange = connect(venue, Access(endpoint=endpoint))
    listed = [one for one in await exchange.instruments() if one.delisted is None][:50]
    now, calls = await exchange.now(), 0

    async def worker(number: int) -> None:
        nonlocal calls
        while calls < CALLS:
            if venue == "bybit":
                one, back = listed[calls % len(listed)], calls // len(listed) * DAY // 2
                calls += (await exchange.open_interest_page(one, 5 * MINUTE, Interval(now - back - DAY // 2, now - back))).calls
            elif number == 0:
                calls += (await exchange.open_interest(listed)).calls
            else:
                return

    await asyncio.gather(*(worker(number) for number in range(8)))
    await exchange.close()
    return calls


def calls(folder: Path) -> bool:
    good = True
    with simulator(folder, "--symbols", "50") as venues:
        for venue in ("binance", "bybit"):
            began = time.monotonic()
            made = asyncio.run(a_thousand(venue, venues.endpoints[venue]))
            took = time.monotonic() - began
            refused = sum(call["status"] != 200 for call in venues.data_requests(venue))
            good &= against(f"{venue}, refused of {made} calls in a row", refused, 0.5, "calls", f"{took:.1f} s at the real limits")
    return good


def valid(folder: Path) -> bool:
    """Bybit, whose pages tell their windows: every row of an answer without a fault must be on the tape afterwards."""
    from perptape.simulation import truth
    from perptape.simulation.market import Market
    from perptape.store.tape import Tape

    with simulator(folder, "-e", "bybit") as venues:
        for kind in ("status", "html", "cut", "reset", "empty"):
            venues.fault(kind=kind, venue="bybit", path="open-interest", share=0.03)
        spec = venues.spec("bybit", symbols=", ".join(names(12)), collect="{openInterest: {every: 5m, backfill: 30d}}")
        done = venues.run("run", spec, "--once", "--catalog", folder / "tape", timeout=300)
        log = [call for call in venues.data_requests("bybit") if call["path"] == "/v5/market/open-interest"]
    market, rows = Market.standard(1), Tape.open(str(folder / "tape")).read("open_interest")
    kept = {(i.split("-")[0], t // 1_000_000) for i, t in zip(rows["instrument_id"].to_pylist(), rows["ts_event"].to_pylist(), strict=True)}
    well, faulty = [call for call in log if call["status"] == 200 and not call["faults"]], sum(bool(call["faults"]) for call in log)
    answered: set[tuple[str, int]] = set()
    for call in well:
        name = call["query"]["symbol"]
        listed = market.contract("bybit", name)
        asked = truth.open_interest(market, "bybit", name, int(call["query"]["startTime"]), int(call["query"]["endTime"]) + 1, 300_000)
        published = [stamp for stamp, _, _ in asked if market.published(listed, stamp) <= call["at"]]
        answered |= {(name, stamp) for stamp in published[-200:]}
    lost = len(answered - kept)
    how = f"{len(answered)} rows in {len(well)} answers that were well, {faulty} of {len(log)} were not; exit {done.returncode}"
    return against("bybit, share of valid rows that is not stored", lost / len(answered), 1 - STORED, "", how)


def main() -> int:
    marks = {"month": month, "live": live, "calls": calls, "valid": valid}
    good = True
    for name in sys.argv[1:] or list(marks):
        say(f"{name}: {load()}")
        with tempfile.TemporaryDirectory(prefix="perptape-marks-") as folder:
            good &= marks[name](Path(folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
