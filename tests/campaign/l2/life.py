"""One schedule of the second layer: a simulated venue that misbehaves by itself, the processes that collect it, and who kills them.

Shell. The venue's faults are its own doing (`perptape simulate --campaign`); what befalls processes, their disk and their clocks is done
here. Times are seconds of this machine, counted from the schedule's start, unless they are called the venue's.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from campaign.l2.defects import PARTS
from campaign.l2.host import NO_ROOM, Host, Lived
from campaign.l2.verdict import judged
from perptape.interval import SECOND
from perptape.simulation.schedule import Fault, Schedule
from perptape.standing import STREAM_PENDING
from support.simulator import simulator

STORM = 45.0
AGAIN = 1.0
"""How long what stays is gone after its death."""
PUBLISHED = 11.0
BORN = 5.0
"""So long a process may not have begun to listen to signals."""
LOOK = 0.05
FETCHED = ("open_interest", "funding")


@dataclass
class Life(Host):
    """`schedule` lasts STORM seconds."""

    def carry_out(self) -> Life:
        schedule = self.schedule
        options = ("-e", schedule.venue, "--unlimited", "--symbols", "2", "--seed", str(schedule.seed + 1), "--speed", f"{self.factor:g}")
        campaign = ("--campaign", str(schedule.seed), "--storm", f"{STORM:g}s")
        with simulator(self.folder, *options, *campaign) as self.simulated:
            self._began = time.monotonic()
            self.start = self.simulated.now(schedule.venue)
            self.spec = self._spec()
            try:
                self._storm()
                self._calm()
            finally:
                for one in self.lived:
                    one.process.kill()
            judged(self)
        return self

    # -- the storm

    def _storm(self) -> None:
        for fault in self.schedule.faults:
            self._agenda += [(at, act) for at, act in self._doing(fault)]
        self._agenda += [(PUBLISHED * number, self._publishing) for number in range(1, int(STORM / PUBLISHED) + 1)]
        kept = self._kept()
        again = dict.fromkeys(kept, 0.0)
        running: dict[str, Lived] = {}
        job: Lived | None = None
        due, every = 0.1, self.schedule.every / SECOND
        while (now := self.seconds()) < STORM:
            due_now = sorted((one for one in self._agenda if one[0] <= now), key=lambda one: one[0])
            self._agenda = [one for one in self._agenda if one[0] > now]
            for _, act in due_now:
                act()
            self._look()
            for name, datasets in kept.items():
                if name in running and not running[name].alive:
                    again[name] = self.seconds() + AGAIN
                    del running[name]
                if name not in running and self.seconds() >= again[name]:
                    running[name] = self._begin(name, datasets, once=False)
            if not self.schedule.resident and self.seconds() >= due and (job is None or not job.alive):
                job = self._begin("job", FETCHED, once=True)
                due += every * (1 + (self.seconds() - due) // every)
            time.sleep(LOOK)

    def _publishing(self) -> None:
        self._publish()

    def _kept(self) -> dict[str, tuple[str, ...]]:
        """The processes that stay, and what they collect."""
        schedule = self.schedule
        if schedule.resident:
            return {"host": (*FETCHED, "liquidations") if schedule.streams else FETCHED}
        return {f"streamer{number}-": ("liquidations",) for number in range(schedule.replicas if schedule.streams else 0)}

    def _doing(self, fault: Fault) -> Iterator[tuple[float, Callable[[], None]]]:
        """What is done here when."""
        if fault.kind in ("kill", "kill in a write"):
            yield fault.start, lambda: self._one_dies(fault)
        elif fault.kind == "power loss":
            yield fault.start, lambda: self._all_die(fault)
        elif fault.kind == "disk full":
            yield fault.start, lambda: self._room(fault, NO_ROOM)
            yield fault.end, lambda: self._room(fault, resource.RLIM_INFINITY)
        elif fault.kind == "store away":
            yield fault.start, lambda: self._leaves(fault)
            yield fault.end, lambda: self._sign.unlink(missing_ok=True)
        elif fault.kind == "two publishers":
            yield fault.start, lambda: self._two_publish(fault)

    def _one_dies(self, fault: Fault) -> None:
        living = self.living()
        if fault.kind == "kill in a write" or not living:
            self._deaths.append(fault)  # the next one, soon after it began
        else:
            self._kill(living[fault.whom % len(living)], fault)

    def _all_die(self, fault: Fault) -> None:
        for one in self.living():
            self._kill(one, fault)

    def _room(self, fault: Fault, size: int) -> None:
        for one in self.living():
            try:
                resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
                self.met[fault.kind] += size == NO_ROOM
            except ProcessLookupError:
                continue

    def _leaves(self, fault: Fault) -> None:
        self._sign.touch()
        self.met[fault.kind] += len(self.living())

    def _two_publish(self, fault: Fault) -> None:
        self.met[fault.kind] += 1
        self._publish()
        self._publish()

    # -- the end

    def _calm(self) -> None:
        """All that stays ends; two runs as a schedule starts them, and a publish."""
        self._deaths.clear()
        self._sign.unlink(missing_ok=True)
        for fault in self.schedule.of("disk full"):  # one that ends with the storm
            self._room(fault, resource.RLIM_INFINITY)
        for one in self.living():
            if one.name.startswith(("host", "streamer")):
                one.told = self.now()
                one.process.send_signal(signal.SIGTERM)
        for one in self.living():
            self._ended(one)
        datasets = (*FETCHED, "liquidations") if self.schedule.streams else FETCHED
        time.sleep(STREAM_PENDING / SECOND / self.factor)
        for _ in range(2):
            self.asked_last = self.simulated.now(self.schedule.venue)
            self._ended(self._begin("last", datasets, once=True))
        if (publisher := self._publish()) is not None:
            self._ended(publisher)

    def _ended(self, one: Lived) -> None:
        try:
            code = one.process.wait(60)
        except subprocess.TimeoutExpired:
            self.findings.append(f"{one.name} does not end")
            return
        one.died = self.now()
        if not well(code, None if one.told is None else (one.told - one.began) / self.factor):
            self.findings.append(f"{one.name} ended with {code}: {(self.folder / f'{one.name}.log').read_text()[-300:]!r}")


def well(code: int, age: float | None) -> bool:
    """Whether a process may end so that was told to stop at that age (s; None: nobody told it to). Pure.

    3 is one that had obtained nothing, as during a ban that is longer than its life.
    """
    early = age is not None and age < BORN  # before it had begun
    return code in (0, 1, 3) or (early and code == -signal.SIGTERM)


def lived(schedule: Schedule, folder: Path, defect: str = "") -> Life:
    """A schedule's life. `defect`: which one is put in, by name."""
    assert defect in PARTS
    folder.mkdir(parents=True, exist_ok=True)
    one = Life(schedule.within(STORM), folder, defect)
    return one.carry_out()


def said(one: Life) -> str:
    """What went wrong, in a line."""
    return json.dumps(one.findings[:3])
