"""Carries one schedule out: processes of the real collector and publisher over a fake venue and a fake store, on virtual time."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import itertools
import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import structlog

from campaign.clockwork import VirtualLoop
from campaign.feed import Feed
from campaign.judge import Judge
from campaign.market import BACKFILL, Market
from campaign.process import BucketView, FolderView, Lane, Process, ProcessDisk, hook, tracked
from campaign.stream_judge import StreamJudge
from campaign.venue import Line
from perptape.claims import period_grid
from perptape.collect.asking import Environment
from perptape.collect.request import Request
from perptape.collect.run import run
from perptape.collect.stream_report import Pace
from perptape.errors import StoreError
from perptape.interval import HOUR, MINUTE, SECOND
from perptape.simulation.schedule import PROCESS, STORM, TAIL, Fault, Kind, Schedule
from perptape.store.tape import Tape
from perptape_api.document import load
from support.storage import Actor, Bucket, Killed, RecordingDisk

ROOT = "/tape"
AFTER_STORM = (60.0, 1.3 * 3600, 25.0 * 3600, TAIL)
"""When jobs look again in the quiet tail, in seconds after the storm."""
BUDGET = 1_200.0
PACE = Pace(flush=20.0, roll=900.0, look=600.0)
"""Of streams: a fortieth of the real one and more, since a campaign pays for every look."""
TROUBLES: tuple[Kind, ...] = ("store away", "disk full", "two publishers", *PROCESS)
"""Under which a publisher may take away what it should not."""
RESERVE, SMALL_RESERVE = 2**18, 2**17
"""Bytes that a log has room for; in schedules with a full disk so little that a store that is away uses it up."""


@dataclass
class Parts:
    """The real parts; a campaign with a seeded defect is given others."""

    line: Callable[[World, Process], Any] = Line
    tape: type[Tape] = Tape
    disk: Callable[..., Any] = ProcessDisk


@dataclass
class World:
    """One schedule under way. `notes` are what it caught beside the judge's findings."""

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

        return Environment(
            clock=lambda: self.clock(process), monotonic=self.loop.time, sleep=sleep, chance=chance.random,
            lanes=lambda name: Lane(process), random=chance, log_disk=self.logs(process), pace=PACE,
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

    # -- a life

    def carry_out(self) -> None:
        """To the end of the tail; then `findings` say what went wrong."""
        asyncio.set_event_loop(self.loop)
        self.loop.set_task_factory(tracked)
        self.loop.set_exception_handler(lambda loop, context: self._odd(context))
        try:
            self.loop.run_until_complete(self._life())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    def _odd(self, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Killed):
            self.note(f"{context['message']}: {context.get('exception')!r}")

    async def _life(self) -> None:
        schedule = self.schedule
        fetched = ("open_interest", "funding")
        parts = [self._publishing(), *map(self._fault, schedule.faults)]
        if schedule.resident:
            parts.append(self._kept("host", (*fetched, "liquidations") if schedule.streams else fetched))
        else:
            parts.append(self._jobs())
            parts += [self._kept(f"streamer{number}-", ("liquidations",)) for number in range(schedule.replicas if schedule.streams else 0)]
        await asyncio.gather(*(asyncio.ensure_future(part) for part in parts))
        for after in AFTER_STORM:
            await asyncio.sleep(STORM + after - self.seconds())
            await self._job(("open_interest", "funding", "liquidations") if schedule.streams else fetched)
            if after == AFTER_STORM[1]:
                await self._publish(self.process("publisher"))
        reader = self.tape(self.process("reader"))
        self.judge.last(reader, self.now())

    async def _fault(self, fault: Fault) -> None:
        """What happens at a moment; what lasts is looked up by whom it concerns."""
        await asyncio.sleep(fault.start)
        living = [one for one in self.processes if one.alive and one.main is not None and not one.main.done()]
        if fault.kind in ("kill", "kill in a write"):
            if living:
                self._doom(living[fault.whom % len(living)], fault, 0.0)
            else:
                self.deaths.append(fault)
        elif fault.kind == "power loss":
            self.met.add(fault.kind)
            for one in living:
                one.kill()
            self.disk.lose_power(self.chance if fault.size < 0.7 else None)
            self.judge.survived(Tape(self._plain()), f"after a loss of power at {fault.start:.0f} s")
        elif fault.kind == "relisting":
            self.met.add(fault.kind)
        elif fault.kind == "two publishers":
            self.met.add(fault.kind)
            await self._publish(self.process("publisher"), slow=fault.seconds / 40)

    def _doom(self, process: Process, fault: Fault, after: float) -> None:
        self.met.add(fault.kind)
        if fault.kind == "kill in a write":
            process.fatal = int(fault.size * 40)
        else:
            self.loop.call_later(after, process.kill)

    def _begun(self, process: Process, life: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        if self.deaths:
            fault = self.deaths.pop()
            self._doom(process, fault, 3 * fault.size)
        return process.start(life)

    async def _jobs(self) -> None:
        """Jobs as a schedule starts them, each within its time; what is killed is begun again by the next one."""
        await asyncio.sleep(1.0)
        while self.seconds() < STORM:
            began = self.seconds()
            await self._job()
            await asyncio.sleep(max(self.schedule.every / SECOND - (self.seconds() - began), 5.0))

    async def _job(self, datasets: tuple[str, ...] = ("open_interest", "funding")) -> None:
        process = self.process("job")
        await self._until_over(process, self._collected(process, datasets, once=True))

    async def _collected(self, process: Process, datasets: tuple[str, ...], stop: asyncio.Event | None = None, *, once: bool) -> None:
        request = self.request(process, datasets, once=once)
        line, environment = self.parts.line(self, process), self.environment(process)
        await run(request, self.tape(process), connect=lambda venue, access: line, environment=environment, stop=stop or asyncio.Event())

    async def _kept(self, name: str, datasets: tuple[str, ...]) -> None:
        """A process that stays; what is killed is begun again after a while."""
        over = STORM + 60
        while self.seconds() < over:
            process, stop = self.process(name), asyncio.Event()
            process.streams = "liquidations" in datasets
            main = self._begun(process, self._collected(process, datasets, stop, once=False))
            await asyncio.wait({main}, timeout=over - self.seconds())
            stop.set()
            process.ended_well = process.alive
            await asyncio.wait({main}, timeout=60)
            if not main.done():
                self.note(f"{process.name} does not stop")
            elif process.alive and not main.cancelled() and (error := main.exception()) is not None:
                self.note(f"{process.name} failed: {error!r}")
            process.kill()
            await asyncio.sleep(3 + process.chance.random() * 60)

    async def _until_over(self, process: Process, life: Coroutine[Any, Any, Any], *, slow: bool = False) -> None:
        """Until the process ends, or should have. One that is slow on purpose is killed then."""
        main = self._begun(process, life)
        await asyncio.wait({main}, timeout=2 * BUDGET)
        if not main.done() and slow:
            process.kill()
            await asyncio.wait({main}, timeout=60)
        if not main.done():
            self.note(f"{process.name} does not end")
            process.kill()
            await asyncio.wait({main}, timeout=60)
        if process.alive and not main.cancelled() and (error := main.exception()) is not None:
            self.note(f"{process.name} failed: {error!r}")
        process.kill()

    async def _publishing(self) -> None:
        while self.seconds() < STORM:
            await asyncio.sleep(4000 + self.chance.random() * 600)
            await self._publish(self.process("publisher"))

    async def _publish(self, process: Process, slow: float = 0.2) -> None:
        """One publisher, a call to the store at a time; others go on between two of them."""
        actors: list[Actor] = []
        tape = self.tape(process, lambda: actors[0] if actors else None)
        publish = lambda actor: tape.publish(clock=self.loop.time, writer=process.name, lease=False)  # noqa: E731
        actors.append(Actor(publish))
        process.actors.append(actors[0])

        async def steps() -> None:
            while not actors[0].done:
                actors[0].step()
                await asyncio.sleep(process.chance.random() * 2 * slow)
            if actors[0].error is not None and process.alive and not isinstance(actors[0].error, StoreError):
                raise actors[0].error

        await self._until_over(process, steps(), slow=slow > 1)
        if any(fault.touches(process.began, self.seconds()) for fault in self.schedule.of(*TROUBLES)):
            self.judge.survived(Tape(self._plain()), f"after {process.name}, at {self.seconds():.0f} s")

    # -- afterwards

    def digest(self) -> str:
        """Of everything that is in the store, and of when each process lived."""
        found = hashlib.blake2b(digest_size=16)
        for one in self.processes:
            found.update(f"{one.name} {one.began!r} {one.died!r}\n".encode())
        objects = {path: data for path, (data, _, _) in self.bucket.objects.items()}
        objects |= {path: self.disk.read(path) for path, _, _ in self.disk.walk(ROOT)}
        for path, data in sorted(objects.items()):
            found.update(path.encode() + b"\n" + data)
        return found.hexdigest()


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


def quiet() -> None:
    """For this process: nothing is logged, and Arrow starts no threads for tables of some rows."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    pa.set_cpu_count(1)


def lived(schedule: Schedule, parts: Parts | None = None) -> World:
    """The world after a schedule."""
    one = World(schedule, parts or Parts())
    one.carry_out()
    gc.collect(0)
    return one
