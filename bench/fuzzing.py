"""Wrong payloads of every venue and wrong specs through the real parsers: how many came to what, and which fields were named.

`python -m bench fuzz [--payloads=100000] [--specs=10000] [--seed=0] [--venue=VENUE] [--careless=READER]`. The last reads Binance
carelessly, which must turn it red; a venue may be fuzzed alone. What is judged is in tests/fuzz/judge.py; a seed that is printed gives
the same payload again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import sys
import time
from random import Random

from measure import against, say

from fuzz import round, specs
from fuzz.careless import NAMES, VENUE, careless
from fuzz.desk import Desk
from fuzz.tally import Tally
from perptape.exchanges.registry import VENUES

SHOWN = 20
"""Faults, and fields, that are printed of each."""


async def payloads(venue: str, count: int, seed: int, name: str) -> Tally:
    tally, desk = Tally(), Desk(venue, careless(name) if name and venue == VENUE else None)
    await desk.open()
    try:
        for number in range(count):
            await round.one(desk, Random(f"{seed}/{number}"), tally, f"{seed}/{number}")
    finally:
        await desk.close()
    return tally


def of_venue(job: tuple[str, int, int, str]) -> Tally:
    logging.basicConfig(handlers=[logging.NullHandler()])  # what is logged is listened to
    return asyncio.run(payloads(*job))


def of_specs(job: tuple[int, int]) -> Tally:
    tally, (start, end) = Tally(), job
    for seed in range(start, end):
        specs.one(Random(seed), tally, seed)
    return tally


def report(name: str, tally: Tally, seconds: float) -> bool:
    say(f"{name}: {tally.tried} in {seconds:.0f} s: {', '.join(f'{kind} {number}' for kind, number in tally.outcomes.most_common())}")
    more = f" and {len(tally.fields) - SHOWN} more" if len(tally.fields) > SHOWN else ""
    say(f"  fields named: {', '.join(f'{field} {number}' for field, number in tally.fields.most_common(SHOWN))}{more}")
    for fault in tally.faults[:SHOWN]:
        say(f"  WRONG {fault[:400]}")
    return against(f"{name} that crashed, were lost silently or named no field", len(tally.faults), 0, "of them", f"of {tally.tried}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--payloads", type=int, default=100_000)
    options.add_argument("--specs", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--venue", choices=VENUES, help="only this one")
    options.add_argument("--careless", choices=NAMES, default="")
    chosen = options.parse_args()
    good = True
    jobs = [(venue, chosen.payloads, chosen.seed, chosen.careless) for venue in ([chosen.venue] if chosen.venue else VENUES)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        began = time.monotonic()
        for (venue, *_), tally in zip(jobs, pool.imap(of_venue, jobs), strict=True):
            took = time.monotonic() - began
            good &= report(f"payloads of {venue}", tally, took)
        began, first, step = time.monotonic(), chosen.seed * chosen.specs, 250
        whole = Tally()
        pieces = [(start, min(start + step, first + chosen.specs)) for start in range(first, first + chosen.specs, step)]
        for part in pool.imap_unordered(of_specs, pieces):
            whole.add(part)
        good &= report("specs", whole, time.monotonic() - began)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
