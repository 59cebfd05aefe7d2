"""`python -m campaign [N] [SEED]`: carries out N schedules from SEED on, and says what went wrong and how many met each fault.
SEED `fresh`: such as nobody has seen, by the time of day; the last line names them.

On a terminal one line shows how far it is; piped, it says a line for each hundred. Exit 1 when anything went wrong.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import get_args

from campaign.world import lived, quiet
from perptape.simulation.schedule import Kind, schedule


def main(count: int, first: int) -> int:
    quiet()
    began, wrong = time.monotonic(), dict[int, list[str]]()
    met: Counter[str] = Counter()
    unseen = 0
    for done, seed in enumerate(range(first, first + count), 1):
        world = lived(schedule(seed))
        met.update(world.met)
        unseen += world.unseen
        if findings := world.findings:
            wrong[seed] = findings
            say(f"seed {seed}: {findings[0]}" + (f" (and {len(findings) - 1} more)" if findings[1:] else ""))
        _progress(done, count, len(wrong), time.monotonic() - began)
    for line in table(met, count):
        say(line)
    say(f"{unseen} missed events that are counted apart: a topic silent for less than its quiet limit, or a known weakness")
    seconds = time.monotonic() - began
    say(f"{count} schedules of {first}…{first + count - 1} in {seconds:.0f} s, {seconds / count:.2f} s each: {len(wrong)} went wrong")
    return 1 if wrong else 0


def table(met: Counter[str], count: int) -> list[str]:
    """How many schedules met each fault, also those that none met."""
    numbers = {kind: met[kind] for kind in {*get_args(Kind), *met}}
    return [
        f"{kind:<20} {number:>6} {100 * number / count:5.1f} %"
        for kind, number in sorted(numbers.items(), key=lambda one: (-one[1], one[0]))
    ]


def _progress(done: int, count: int, wrong: int, seconds: float) -> None:
    text = f"{done} of {count} schedules, {wrong} went wrong, {(count - done) * seconds / done:.0f} s left"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text} " + ("\n" if done == count else ""))
    elif done % 100 == 0 or done == count:
        say(text)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def asked(words: Sequence[str], count: int, now: float) -> tuple[int, int]:
    """How many schedules, and from which seed on. `now`: seconds since the epoch, a thousand fresh seeds for each. Raises SystemExit."""
    many, first = [*words, *(str(count), "0")[len(words) :]][:2]
    if not (many.isdecimal() and int(many) and (first.isdecimal() or first == "fresh")):
        raise SystemExit(f"N={many} SEED={first}: N is a whole number of schedules, SEED one of a seed, or fresh")
    return int(many), int(now) * 1000 if first == "fresh" else int(first)


if __name__ == "__main__":
    raise SystemExit(main(*asked(sys.argv[1:], 300, time.time())))
