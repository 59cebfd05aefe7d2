"""Carries one schedule out: processes of the real collector and publisher over a fake venue and a fake store, on virtual time."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import structlog

from campaign.process import Process, tracked
from campaign.stage import BUDGET, ROOT, Parts, Stage
from perptape.collect.run import run
from perptape.errors import StoreError
from perptape.interval import SECOND
from perptape.simulation.schedule import PROCESS, STORM, TAIL, Fault, Kind, Schedule
from perptape.store.tape import Tape
from support.storage import Actor, Killed

AFTER_STORM = (60.0, 1.3 * 3600, 25.0 * 3600, TAIL)
"""When jobs look again in the quiet tail, in seconds after the storm."""
TROUBLES: tuple[Kind, ...] = ("store away", "disk full", "two publishers", *PROCESS)
"""Under which a publisher may take away what it should not."""


@dataclass
class World(Stage):
    """One schedule under way."""

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


def quiet() -> None:
    """For this process: nothing is logged, Arrow starts no threads for tables of some rows, and what is here by now is no garbage."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    pa.set_cpu_count(1)
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def lived(schedule: Schedule, parts: Parts | None = None) -> World:
    """The world after a schedule."""
    one = World(schedule, parts or Parts())
    one.carry_out()
    gc.collect()
    return one
