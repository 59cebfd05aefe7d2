"""What one schedule is carried out on: its venue, its store, its clocks, and processes with all that they are handed."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from campaign.clockwork import VirtualLoop
from campaign.feed import Feed
from campaign.judge import Judge
from campaign.market import BACKFILL, Market
from campaign.process import Lane, Process
from campaign.stream_judge import StreamJudge
from campaign.venue import Line
from campaign.views import BucketView, FolderView, ProcessDisk, hook
from perptape.claims import period_grid
from perptape.collect.asking import Environment
from perptape.collect.request import Request
from perptape.collect.stream_report import Pace
from perptape.interval import HOUR, MINUTE, SECOND
from perptape.simulation.schedule import Fault, Schedule
from perptape.store.tape import Tape
from perptape_api.document import load
from support.storage import Actor, Bucket, RecordingDisk

ROOT = "/tape"
BUDGET = 1_200.0
PACE = Pace(flush=20.0, roll=900.0, look=600.0)
"""Of streams: a fortieth of the real one and more, since a campaign pays for every look."""
SMALL_PART = 2**15
"""Bytes of rows that a third of the schedules put into one segment: less than a quarter of an hour brings."""
RESERVE, SMALL_RESERVE = 2**18, 2**17
"""Bytes that a log has room for; in schedules with a full disk so little that a store that is away uses it up."""


@dataclass
class Parts:
    """The real parts; a campaign with a seeded defect is given others."""

    line: Callable[[Stage, Process], Any] = Line
    tape: type[Tape] = Tape
    disk: Callable[..., Any] = ProcessDisk


@dataclass
class Stage:
    """What there is in one schedule, and how it stands at its moment. `notes` are what was caught beside the judge's findings."""

    schedule: Schedule
    parts: Parts = field(default_factory=Parts)
    notes: list[str] = field(default_factory=list)
    loop: VirtualLoop = field(default_factory=VirtualLoop)

    def __post_init__(self) -> None:
        schedule = self.schedule
        self.chance = random.Random(f"world {schedule.seed}")
        self.market = Market(schedule)
        self.disk = RecordingDisk(self.now)
        self.bucket = Bucket()
        self.holders: dict[str, Process] = {}
        self.processes: list[Process] = []
        self.feed = Feed(self.market)
        self.met: set[str] = set()
        self.deaths: list[Fault] = []
        """Kills that found nobody alive, for the next process."""
        self.judge = Judge(self.market, StreamJudge(self.market, self.feed, self.processes))
        self.spec = load(_spec(schedule), "campaign").spec

    @property
    def unseen(self) -> bool:
        """Whether a topic withheld events for less than its quiet limit, in time that is claimed."""
        return bool(self.judge.excused)

    @property
    def findings(self) -> list[str]:
        """What is wrong, a line each."""
        return [*self.notes, *self.judge.findings]

    # -- time and weather

    def seconds(self) -> float:
        return self.loop.time()

    def now(self) -> int:
        """True ms, which are the venue's."""
        return self.market.start + round(self.loop.time() * SECOND)

    def clock(self, process: Process) -> int:
        return self.now() + process.skew()

    def now_under(self, *kinds: str) -> list[Fault]:
        now = self.seconds()
        return [fault for fault in self.schedule.faults if fault.kind in kinds and fault.start <= now < fault.end]

    def during(self, *kinds: str) -> bool:
        return bool(self.now_under(*kinds))

    def meets(self, kind: str) -> bool:
        """Whether somebody meets such a fault now."""
        if found := self.during(kind):
            self.met.add(kind)
        return found

    def skew(self) -> int:
        """How far the collector's clocks are off just now, ms."""
        return sum(int((fault.size - 0.5) * 40 * MINUTE) for fault in self.now_under("clock skew"))

    def note(self, text: str) -> None:
        self.notes.append(text)

    # -- processes

    def process(self, name: str) -> Process:
        name = f"{name}{len(self.processes)}"
        one = Process(name, self.loop, random.Random(f"{name} {self.schedule.seed}"), self.skew)
        self.processes.append(one)
        return one

    def tape(self, process: Process, actor: Callable[[], Actor | None] = lambda: None) -> Tape:
        before = hook(process, lambda: self.meets("store away"), actor)
        if self.schedule.store == "folder":
            fs: Any = FolderView(ROOT, self.logs(process), process.name)
        else:
            fs = BucketView(self.bucket, self.now, process)
        fs.before = before
        if self.schedule.seed % 4 == 1:  # it reads all data files
            fs.made = lambda path, data: self.judge.written(self._plain(), path, data)
        tape = self.judge.watching(self.parts.tape)(fs)
        publish, number = tape.publish, itertools.count()
        tape.publish = lambda **more: publish(**{"clock": self.loop.time, "writer": f"{process.name}.{next(number)}", **more})  # type: ignore[method-assign]
        return tape

    def _plain(self) -> Any:
        """The store as somebody sees it whom nothing befalls."""
        looker = Process("looker", self.loop, random.Random(0))
        if self.schedule.store == "bucket":
            return BucketView(self.bucket, self.now, looker)
        return FolderView(ROOT, ProcessDisk(self.disk, looker, lambda: False, self.holders))

    def logs(self, process: Process) -> ProcessDisk:
        return self.parts.disk(self.disk, process, lambda: self.meets("disk full"), self.holders)

    def environment(self, process: Process) -> Environment:
        chance = random.Random(f"environment {process.name} {self.schedule.seed}")

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds)
            process.look()

        pace = replace(PACE, part=SMALL_PART) if self.schedule.seed % 3 == 2 else PACE
        return Environment(
            clock=lambda: self.clock(process), monotonic=self.loop.time, sleep=sleep, chance=chance.random,
            lanes=lambda name: Lane(process), random=chance, log_disk=self.logs(process), pace=pace,
        )  # fmt: skip

    def request(self, process: Process, datasets: tuple[str, ...], *, once: bool) -> Request:
        """Of a pod; where one process stays, of somebody's laptop."""
        pods = not self.schedule.resident
        return Request(
            "campaign", "", self.spec, (self.schedule.venue,), datasets, once, {}, process.name,
            deadline_s=BUDGET if once else None, session="work" if pods else "", since=self.market.start if pods else None,
            scheduled=True, work_hash="work", state="/state", namespace="default" if pods else "",
            reserve=SMALL_RESERVE if self.schedule.of("disk full") else RESERVE,
        )  # fmt: skip


def _spec(schedule: Schedule) -> str:
    names = ", ".join(f"{base}USDT-PERP" for base in ("BTC", "ETH")[: schedule.instruments])
    wanted = f"{{every: {period_grid(schedule.every)}, backfill: {BACKFILL // HOUR}h}}"
    return f"""
apiVersion: perptape.io/v1alpha1
kind: CollectionSpec
metadata: {{name: campaign}}
spec:
  venues: [{{exchange: {schedule.venue}}}]
  symbols: {{names: [{names}]}}
  collect: {{openInterest: {wanted}, funding: {wanted}, liquidations: {{replicas: {schedule.replicas}}}}}
  store: {{{"persistentVolumeClaim: {}" if schedule.store == "folder" else "s3: {bucket: tape}"}, publishEvery: 1h}}
"""
