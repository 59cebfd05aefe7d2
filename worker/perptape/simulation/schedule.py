"""What goes wrong when: a schedule is a pure function of its seed.

Times are seconds since the schedule's start. The storm lasts three hours, in which all faults end; in the tests' campaign comes a quiet
tail of 26 hours then. `perptape simulate --campaign` carries out what is the venue's (`weather`), tests the rest.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

STORM = 3 * 3600.0
TAIL = 26 * 3600.0

Kind = Literal[
    "kill", "kill in a write", "power loss", "disconnect", "silent socket", "silent topic", "no acknowledgement", "burst", "malformed",
    "429", "418", "5xx", "latency", "cut body", "empty list", "html", "duplicates", "late publication", "clock skew", "disk full",
    "store away", "two publishers", "relisting",
]  # fmt: skip
STREAMED: tuple[Kind, ...] = ("disconnect", "silent socket", "silent topic", "no acknowledgement", "burst", "malformed")
ANSWERED: tuple[Kind, ...] = ("429", "418", "5xx", "latency", "cut body", "empty list", "html")
"""What the calls that are made meanwhile meet."""
STORED: tuple[Kind, ...] = ("store away", "two publishers")
PROCESS: tuple[Kind, ...] = ("kill", "kill in a write")
WORLD: tuple[Kind, ...] = ("duplicates", "late publication", "clock skew", "relisting")
MET_BY_CHANCE: tuple[Kind, ...] = (*ANSWERED, "store away", "disk full", "clock skew", "power loss")
LASTING: tuple[Kind, ...] = (*ANSWERED, "duplicates", "disk full", "clock skew", "store away")
LEAST = 6.0
"""Seconds that those last, where a storm is short."""
LONGEST = {
    "silent socket": 900.0, "silent topic": 1500.0, "no acknowledgement": 300.0, "burst": 60.0, "malformed": 30.0, "429": 300.0,
    "418": 900.0, "5xx": 1800.0, "latency": 1800.0, "cut body": 1800.0, "empty list": 5400.0, "html": 5400.0, "late publication": 5400.0,
    "duplicates": 3600.0, "disk full": 900.0, "store away": 1200.0, "two publishers": 2400.0, "clock skew": 3600.0,
}  # fmt: skip
"""Seconds that a fault may last; those that are not here happen in a moment."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """`size` in [0, 1) says how bad it is, in the fault's own measure. `whom`: which of several processes or connections."""

    start: float
    seconds: float
    kind: Kind
    size: float = 0.0
    whom: int = 0

    @property
    def end(self) -> float:
        return self.start + self.seconds

    def touches(self, start: float, end: float, before: float = 0.0, after: float = 0.0) -> bool:
        """Whether it may have had to do with what happened in ``[start, end)``."""
        return self.start - before < end and start < self.end + after


@dataclass(frozen=True, slots=True)
class Schedule:
    """One simulated life of a collection. `instruments`: how many; `every` (ms): how often is fetched; `settles` (minutes): funding."""

    seed: int
    venue: str
    store: Literal["folder", "bucket"]
    resident: bool
    """Whether one process stays, else jobs come and go."""
    streams: bool
    replicas: int
    instruments: int
    every: int
    settles: int
    faults: tuple[Fault, ...]

    storm: float = STORM

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(fault.kind for fault in self.faults)

    def within(self, storm: float) -> Schedule:
        """The same faults, with all times shortened so that the storm takes so many seconds; but those that only who calls just then
        meets last a while, since nobody calls more often than before."""
        part, found = storm / self.storm, list[Fault]()
        for fault in self.faults:
            start, seconds = fault.start * part, fault.seconds * part
            if fault.kind in LASTING:
                seconds = min(max(seconds, LEAST), storm)
                start = min(start, storm - seconds)
            found.append(replace(fault, start=start, seconds=seconds))
        return replace(self, faults=tuple(sorted(found)), every=round(self.every * part), storm=storm)

    def of(self, *kinds: str) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.kind in kinds)


def schedule(seed: int, venue: str = "") -> Schedule:
    """At least five faults of at least three kinds, all of which can be met. `venue`: which one, where the seed is not to say it."""
    chance = random.Random(f"campaign {seed} {venue}" if venue else f"campaign {seed}")
    drawn = chance.choice(("binance", "bybit", "hyperliquid", "okx", "deribit"))
    venue = venue or drawn
    store: Literal["folder", "bucket"] = chance.choice(("folder", "bucket"))
    streams = venue != "hyperliquid" and chance.random() < 0.6
    replicas = chance.choice((1, 1, 1, 2))
    kinds: list[Kind] = [*ANSWERED, *STORED, *PROCESS, *WORLD]
    if streams:
        kinds += STREAMED * 2
    kinds += ["power loss", "disk full"] if store == "folder" else ["store away"]
    every = chance.choice((1800, 3600))
    faults: list[Fault] = []
    while len(faults) < 5 or len({fault.kind for fault in faults}) < 3 or (len(faults) < 11 and chance.random() < 0.75):
        faults.append(_fault(chance, chance.choice(kinds), every))
    return Schedule(
        seed, venue, store, chance.random() < 0.5, streams, replicas, chance.choice((1, 2)), every * 1000,
        60 if venue in ("hyperliquid", "deribit") else chance.choice((60, 240, 480)), tuple(sorted(faults)),
    )  # fmt: skip


def _fault(chance: random.Random, kind: Kind, every: int) -> Fault:
    """Most of what is met only by who calls or writes just then begins about when something is fetched."""
    longest = LONGEST.get(kind, 0.0)
    seconds = round(longest * chance.choice((0.05, 0.3, 1.0)) * (0.5 + chance.random() / 2), 3)
    early = kind in ("html", "empty list") and chance.random() < 0.5  # while the first fill is under way
    start = 0.0 if early else round(chance.uniform(0, STORM - seconds - 60), 3)
    if kind in MET_BY_CHANCE and not early and chance.random() < 0.75:
        seconds = max(seconds, 45.0) if seconds else 0.0
        begun = chance.randrange(int((STORM - seconds - 60) // every) + 1) * every
        start = round(begun + (chance.uniform(0, 1) if seconds else chance.uniform(1, 3)), 3)
    return Fault(start, seconds, kind, round(chance.random(), 6), chance.randrange(4))
