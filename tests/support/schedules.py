"""Random schedules of real publishers, writers and readers over one bucket, a call to the store at a time: paused, stale, killed.

After every step each committed row must be in a segment or in a data file, and each committed claim in a segment or in a coverage file;
a reader sees all that was committed before it began, each row once, and no claim without its row; in the end all is published.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, get_args

from perptape.claims import Claim
from perptape.datasets import DATASETS
from perptape.errors import StoreError
from perptape.interval import DAY, MINUTE, NS
from perptape.store import layout
from perptape.store.coverage import decode_coverage, segments, settled_coverage_files
from perptape.store.deadline import DEADLINE, Bounded
from perptape.store.filesystem import Absent
from perptape.store.landing import DataFiles
from perptape.store.publish import Publisher
from perptape.store.publish_report import PublishReport
from perptape.store.rebuild import data_tables
from perptape.store.segment import decode_segment
from perptape.store.tape import Tape
from support.storage import Actor, Bucket, MemoryFileSystem

VENUE, DATASET, NAME = "binance", "open_interest", "BTCUSDT-PERP.BINANCE"
KIND = DATASETS[DATASET]
LANDING = DataFiles(VENUE, KIND, "nautilus1")
START = 20_000 * DAY
STEP = 5 * MINUTE
Saying = tuple[str, int]


@dataclass
class World:
    """One store, its clock, and what was promised of it."""

    swaps: bool
    pauses: bool
    """Whether one can be paused between its look at the clock and its write."""
    chance: random.Random
    bucket: Bucket = field(default_factory=Bucket)
    minutes: int = 0
    committed: set[int] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    """Data files that cannot be read just now."""
    memory: dict[tuple[str, str], tuple[frozenset[int], frozenset[int]]] = field(default_factory=dict)
    """What is known of each version of an object: the times of its rows, and those that it claims."""
    judged: tuple[int, int] = (-1, -1)
    """The side effects and commits after which nothing was lost: a step that changes nothing is not judged again."""

    def clock(self) -> int:
        return START + self.minutes * MINUTE

    def view(self, actor: Actor | None = None, trouble: float = 0.0) -> MemoryFileSystem:
        def wait(call: str, path: str) -> None:
            if actor is not None:
                actor.wait(call, path)

        def fail(call: str, path: str) -> None:
            if self.pauses:
                wait(call, path)
            if call == "read" and path.startswith("data/") and (path in self.broken or self.chance.random() < trouble):
                raise StoreError("not today")

        after = (lambda call, path: None) if self.pauses else wait
        return MemoryFileSystem(self.bucket, self.clock, swaps=self.swaps, before=fail, after=after)

    def commit(self, number: int, days: Sequence[int] | None = None) -> None:
        """One segment: a row and its claim in one or two of three days."""
        days = self.chance.sample(range(3), self.chance.randint(1, 2)) if days is None else days
        times = [START - (4 - day) * DAY + number * STEP for day in days]
        rows = [(NAME, 1.0, None, None, "contracts", 5, 0, t * NS, (t + 2 * STEP) * NS) for t in times]
        claims = [Claim(NAME, "5m", "complete", t, t + STEP, "", 1, 1) for t in times]
        Tape(self.view()).commit(VENUE, DATASET, KIND.table(rows), claims, [], f"w{number}", self.clock)
        self.committed |= set(times)

    def sayings(self) -> tuple[set[int], set[int]]:
        """(times with a row somewhere, times claimed somewhere), by a look at everything at once."""
        for path, (data, version, _) in self.bucket.objects.items():
            if (path, version) not in self.memory:
                said = _sayings(path, data)
                self.memory[path, version] = tuple(frozenset(t for kind, t in said if kind == one) for one in ("row", "claim"))
        there = [self.memory[path, version] for path, (_, version, _) in self.bucket.objects.items()]
        return set().union(*(rows for rows, _ in there)), set().union(*(claims for _, claims in there))

    def lost(self) -> str | None:
        now = self.bucket.effects, len(self.committed)
        if now == self.judged:
            return None
        rows, claims = self.sayings()
        if missing := self.committed - rows:
            return f"lost rows {sorted(missing)[:2]}"
        if missing := self.committed - claims:
            return f"lost claims {sorted(missing)[:2]}"
        self.judged = now
        return None


def _sayings(path: str, data: bytes) -> list[Saying]:
    if path.startswith("data/"):
        place = LANDING.place(path)
        assert place is not None
        return [("row", t // NS) for t in LANDING.decode(place, data)["ts_event"].to_pylist()]
    if path.startswith(layout.SEGMENTS):
        segment = decode_segment(data, path, KIND.schema)
        return [("row", t // NS) for t in segment.rows["ts_event"].to_pylist()] + [("claim", c.start) for c in segment.claims]
    if path.startswith(layout.COVERAGE):
        return [("claim", t) for c in decode_coverage(data, path).claims for t in range(c.start, c.end, STEP)]
    return []


Make = Callable[[Bounded, str], Publisher]


def as_designed(fs: Bounded, writer: str) -> Publisher:
    return Publisher(fs, LANDING, VENUE, writer)


def publish(world: World, make: Make, name: str, deadline: float = DEADLINE, trouble: float = 0.05) -> Callable[[Actor], PublishReport]:
    def run(actor: Actor) -> PublishReport:
        return make(Bounded(world.view(actor, trouble), lambda: world.minutes * 60.0, deadline), name).run()

    return run


Way = Literal["facade", "once", "copy"]
WAYS: tuple[Way, ...] = get_args(Way)
BACKUP = (layout.SEGMENTS, layout.OWN, layout.DATA)
"""The order in which docs/operating.md has a backup made."""


def copied(world: World, fs: MemoryFileSystem, order: Sequence[str]) -> MemoryFileSystem:
    """A copy that was made file by file, each folder as it was listed; what went meanwhile is not in it."""
    bucket = Bucket()
    for folder in order:
        for entry in fs.list(folder):
            with suppress(Absent):
                bucket.objects[entry.path] = (fs.read(entry.path).data, "v", entry.modified)
    return MemoryFileSystem(bucket, world.clock)


def read(world: World, way: Way = "facade", order: Sequence[str] = BACKUP) -> Callable[[Actor], str | None]:
    """A reader by the facade; `once`: by one pass over segments, coverage and data files, in the order that is the law; `copy`: of a
    backup that it makes meanwhile."""

    def run(actor: Actor) -> str | None:
        fs, promised = world.view(actor), set(world.committed)
        if way == "copy":
            fs = copied(world, fs, order)
        if way == "once":
            found, _ = segments(fs, LANDING, VENUE, rows=True)
            claims = [c for s in found for c in s.claims] + list(settled_coverage_files(fs, VENUE, DATASET).all.claims)
            rows = LANDING.joined([*(s.rows for s in found), *data_tables(fs, LANDING)])[0]
        else:
            claims = list(Tape(fs).coverage(VENUE, DATASET).claims)
            rows = Tape(fs).rows(DATASET, [NAME])
        told = {t for c in claims for t in range(c.start, c.end, STEP)}
        times = [t // NS for t in rows["ts_event"].to_pylist()]
        if len(times) != len(set(times)):
            return "a reader sees a row twice"
        if missing := promised - set(times):
            return f"a reader misses {sorted(missing)[:2]}"
        if lies := told - set(times):
            return f"a reader is told of {sorted(lies)[:2]} that it does not see"
        return None

    return run


def schedule(world: World, make: Make = as_designed, *, steps: int = 250, deadline: float = DEADLINE, readers: bool = True) -> str | None:
    """What goes wrong in one random schedule; None when nothing does."""
    chance, running, number = world.chance, {}, 0
    Tape(world.view()).prepare("live", "nautilus1")
    try:
        for step in range(steps):
            world.minutes += chance.choice((0, 0, 0, 1, 3, 9))
            if chance.random() < 0.12 and number < 25:
                number += 1
                world.commit(number)
            if chance.random() < 0.25 and len(running) < 6:
                reading = readers and chance.random() < 0.2
                run = read(world, chance.choice(WAYS)) if reading else publish(world, make, f"p{step}", deadline)
                running[step] = Actor(run), chance.choice((1, 0.5, 0.1, 0.03))
            for me in [m for m, (_, pace) in running.items() if chance.random() < pace]:
                if wrong := _advance(world, running, me):
                    return f"step {step}: {wrong}"
    finally:
        for actor, _ in running.values():
            actor.kill()
    return _ends_well(world, make)


def _advance(world: World, running: dict[int, tuple[Actor, float]], me: int) -> str | None:
    actor, _ = running[me]
    for _ in range(world.chance.choice((1, 2, 20))):
        actor.step()
        if wrong := world.lost():
            return wrong
        if actor.done:
            del running[me]
            if actor.error is not None:
                raise actor.error
            return actor.result if isinstance(actor.result, str) else None
        if world.chance.random() < 0.005:
            actor.kill()
            del running[me]
            return None
    return None


def _ends_well(world: World, make: Make) -> str | None:
    """Two undisturbed runs leave every row in data files and no segment."""
    world.pauses = False
    for last in range(2):
        world.minutes += 61
        make(Bounded(world.view(), lambda: world.minutes * 60.0), f"last{last}").run()
    left = [p for p in world.bucket.objects if p.startswith(layout.SEGMENTS)]
    if left or world.lost():
        return f"not published in the end: {left[:3]} {world.lost() or ''}"
    if findings := [one for one in Tape(world.view()).verify() if one.kind != "unlisted"]:  # nobody lists contracts here
        return f"verify finds {findings[0]}"
    return None
