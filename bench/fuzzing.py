"""Wrong payloads of every venue and wrong specs through the real parsers: how many came to what, and which fields were named.

`python -m bench fuzz [--payloads=100000] [--specs=10000] [--seed=0] [--careless=READER]`. The last reads Binance
carelessly, which must turn it red. What is judged is in tests/fuzz/judge.py; a seed that is printed gives the same payload again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import sys
import time
from collections import Counter
from random import Random

from measure import against, say

from fuzz import round, specs
from fuzz.careless import NAMES, VENUE, careless
from fuzz.desk import Desk
from perptape.exchanges.registry import VENUES

SHOWN = 20
"""Faults, and fields, that are printed of each."""


async def payloads(venue: str, count: int, seed: int, name: str) -> round.Tally:
    tally, desk = round.Tally(), Desk(venue, careless(name) if name and venue == VENUE else None)
    await desk.open()
    try:
        for number in range(count):
            await round.one(desk, Random(f"{seed}/{number}"), tally, f"{seed}/{number}")
    finally:
        await desk.close()
    return tally


def of_venue(job: tuple[str, int, int, str]) -> round.Tally:
    logging.basicConfig(handlers=[logging.NullHandler()])  # what is logged is listened to
    return asyncio.run(payloads(*job))


def of_specs(job: tuple[int, int]) -> specs.Tally:
    tally, (start, end) = specs.Tally(), job
    for seed in range(start, end):
        specs.one(Random(seed), tally, seed)
    return tally


def report(name: str, count: int, outcomes: Counter[str], fields: Counter[str], faults: list[str], seconds: float) -> bool:
    say(f"{name}: {count} in {seconds:.0f} s: {', '.join(f'{kind} {number}' for kind, number in outcomes.most_common())}")
    more = f" and {len(fields) - SHOWN} more" if len(fields) > SHOWN else ""
    say(f"  fields named: {', '.join(f'{field} {number}' for field, number in fields.most_common(SHOWN))}{more}")
    for fault in faults[:SHOWN]:
        say(f"  WRONG {fault[:400]}")
    return against(f"{name} that crashed, were lost silently or named no field", len(faults), 0, "of them", f"of {count}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--payloads", type=int, default=100_000)
    options.add_argument("--specs", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--careless", choices=NAMES, default="")
    chosen = options.parse_args()
    good = True
    jobs = [(venue, chosen.payloads, chosen.seed, chosen.careless) for venue in VENUES]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        began = time.monotonic()
        for (venue, *_), tally in zip(jobs, pool.imap(of_venue, jobs), strict=True):
            took = time.monotonic() - began
            good &= report(f"payloads of {venue}", tally.payloads, tally.outcomes, tally.fields, tally.faults, took)
        began, first, step = time.monotonic(), chosen.seed * chosen.specs, 250
        whole = specs.Tally()
        pieces = [(start, min(start + step, first + chosen.specs)) for start in range(first, first + chosen.specs, step)]
        for part in pool.imap_unordered(of_specs, pieces):
            whole.specs += part.specs
            whole.outcomes += part.outcomes
            whole.fields += part.fields
            whole.faults += part.faults
        good &= report("specs", whole.specs, whole.outcomes, whole.fields, whole.faults, time.monotonic() - began)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
