"""`python -m campaign.l2 [N] [SEED]`: carries out N schedules from SEED on, four at once, and says what went wrong and what was met.

Exit 1 when anything went wrong; what a schedule that did has left stays in a folder, which is named.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from campaign.__main__ import asked, say, table
from campaign.l2.life import Life, lived
from campaign.world import quiet
from perptape.simulation.schedule import schedule

AT_ONCE = 4


def carried_out(seeds: Sequence[int], folder: Path, defects: Sequence[str] = ()) -> Iterator[Life]:
    """Schedules, in order, with a defect each where any are given; the folder of one that went well goes."""

    def one(seed: int, defect: str) -> Life:
        found = lived(schedule(seed), folder / f"{seed}{defect}", defect)
        if not found.findings:
            shutil.rmtree(found.folder)
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(one, seeds, defects or [""] * len(seeds))


def main(count: int, first: int) -> int:
    quiet()
    began, wrong, unseen = time.monotonic(), 0, 0
    met: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp(prefix="campaign-l2-"))
    for one in carried_out(range(first, first + count), folder):
        met.update(kind for kind, hits in one.met.items() if hits)
        unseen += one.unseen
        if one.findings:
            wrong += 1
            more = f" (and {len(one.findings) - 1} more)" if one.findings[1:] else ""
            say(f"seed {one.schedule.seed}: {one.findings[0]}{more}; {one.folder}")
    for line in table(met, count):
        say(line)
    say(f"{unseen} missed events that are counted apart: a topic silent for less than its quiet limit")
    say(f"{count} schedules of {first}…{first + count - 1} in {time.monotonic() - began:.0f} s: {wrong} went wrong")
    if not wrong:
        folder.rmdir()
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(*asked(sys.argv[1:], 8, time.time())))
