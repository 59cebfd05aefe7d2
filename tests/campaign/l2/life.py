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
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from campaign.l2.defects import PARTS
from campaign.l2.verdict import judged
from campaign.l2.worker import Told
from campaign.market import BACKFILL
from perptape.interval import HOUR, MINUTE, SECOND
from perptape.simulation.schedule import Fault, Schedule
from perptape.standing import STREAM_PENDING
from support.forked import Forked
from support.simulator import simulator

FACTOR = 20.0
STORM = 45.0
AGAIN = 1.0
"""How long what stays is gone after its death."""
BUDGET = 900.0
"""Seconds of the venue's that a job may take."""
PUBLISHED = 11.0
BORN = 5.0
"""So long a process may not have begun to listen to signals."""
NO_ROOM = 1500
"""Bytes that a file may have on a full disk."""
LOOK = 0.05
FETCHED = ("open_interest", "funding")


@dataclass(eq=False)
class Lived:
    """One process. `began`, `died`: the venue's seconds since the schedule's start, as the judge counts."""

    name: str
    process: Forked
    began: float
    streams: bool = False
    died: float | None = None
    told: float | None = None
    """When it was told to stop."""
    ended_well = False
    """What of the last second of a socket had been read when a process was told to stop, nobody knows: the judge counts it as any other."""

    @property
    def end(self) -> float:
        return float("inf") if self.died is None else self.died

    @property
    def alive(self) -> bool:
        return self.died is None


@dataclass
class Life:
    """`schedule` lasts STORM seconds. `findings` are what went wrong."""

    schedule: Schedule
    folder: Path
    defect: str = ""
    factor: float = FACTOR
    findings: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    lived: list[Lived] = field(default_factory=list)
    _deaths: list[Fault] = field(default_factory=list)

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

    # -- time

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def now(self) -> float:
        """The venue's seconds."""
        return self.seconds() * self.factor

    # -- processes

    @property
    def _sign(self) -> Path:
        return self.folder / "away"

    @property
    def catalog(self) -> Path:
        return self.folder / "tape"

    def _told(self, name: str, datasets: tuple[str, ...], *, once: bool) -> Told:
        skew = sum(int((fault.size - 0.5) * 40 * MINUTE) for fault in self._under("clock skew"))
        self.met["clock skew"] += bool(skew)
        pod = not self.schedule.resident
        return Told(
            str(self.spec), str(self.catalog), name, datasets, once, pod, self.start, self.factor, self._began, float(self.start), skew,
            BUDGET, str(self._sign) if self.schedule.store == "bucket" else "", self.defect,
        )  # fmt: skip

    def _begin(self, kind: str, datasets: tuple[str, ...], *, once: bool) -> Lived:
        name = f"{kind}{len(self.lived)}"
        words = self._told(name, datasets, once=once).words
        return self._born(name, words, "campaign.l2.worker", streams="liquidations" in datasets and not once)

    def _publish(self) -> Lived | None:
        """Nobody can, while the store is away."""
        if self._sign.exists():
            return None
        return self._born(f"publisher{len(self.lived)}", ["publish", "--catalog", str(self.catalog)], "perptape.cli")

    def _born(self, name: str, words: list[str], main: str, *, streams: bool = False) -> Lived:
        full = self._under("disk full")
        log = self.folder / f"{name}.log"
        environ = self.simulated.environ(PERPTAPE_LOG_LEVEL="info")
        process = Forked(words, environ, self.folder, largest=NO_ROOM if full else None, log=log, main=main)
        one = Lived(name, process, self.now(), streams)
        self.met["disk full"] += bool(full)
        self.met["store away"] += self._sign.exists()
        self.lived.append(one)
        if self._deaths:
            fault = self._deaths.pop()
            self._agenda.append((self.seconds() + 0.6 * fault.size, lambda: self._kill(one, fault)))
        return one

    def _under(self, *kinds: str) -> list[Fault]:
        now = self.seconds()
        return [fault for fault in self.schedule.faults if fault.kind in kinds and fault.start <= now < fault.end]

    def _look(self) -> None:
        """Who has ended since the last look."""
        for one in self.lived:
            if one.alive and one.process.poll() is not None:
                one.died = self.now()

    def living(self) -> list[Lived]:
        self._look()
        return [one for one in self.lived if one.alive]

    def _kill(self, one: Lived, fault: Fault) -> None:
        self._look()
        if one.alive:
            one.process.kill()
            one.process.wait(10)
            one.died = self.now()
            self.met[fault.kind] += 1

    # -- the storm

    def _storm(self) -> None:
        self._agenda: list[tuple[float, Callable[[], None]]] = []
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

    def _spec(self) -> Path:
        schedule = self.schedule
        names = ", ".join(f"{base}USDT-PERP" for base in ("BTC", "ETH")[: schedule.instruments])
        back = f"backfill: {BACKFILL // HOUR}h"
        streams = f", liquidations: {{replicas: {schedule.replicas if schedule.resident else 1}}}" if schedule.streams else ""
        path = self.folder / "l2.yaml"
        path.write_text(
            "apiVersion: perptape.io/v1alpha1\nkind: CollectionSpec\nmetadata: {name: l2}\nspec:\n"
            f"  venues: [{{exchange: {schedule.venue}}}]\n  symbols: {{names: [{names}]}}\n"
            f"  collect: {{openInterest: {{every: 5m, {back}}}, funding: {{every: 2m, {back}}}{streams}}}\n"
            "  store: {persistentVolumeClaim: {}, publishEvery: 1h}\n"
        )
        return path


def well(code: int, age: float | None) -> bool:
    """Whether a process may end so that was told to stop at that age (s; None: nobody told it to). Pure."""
    early = age is not None and age < BORN  # before it had begun
    return code in (0, 1) or (early and code == -signal.SIGTERM)


def lived(schedule: Schedule, folder: Path, defect: str = "") -> Life:
    """A schedule's life. `defect`: which one is put in, by name."""
    assert defect in PARTS
    folder.mkdir(parents=True, exist_ok=True)
    one = Life(schedule.within(STORM), folder, defect)
    return one.carry_out()


def said(one: Life) -> str:
    """What went wrong, in a line."""
    return json.dumps(one.findings[:3])
