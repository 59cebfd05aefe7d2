"""The machine of a schedule of the second layer: its processes, how they are begun and killed, and their spec.

Times are seconds of this machine, counted from the schedule's start, unless they are called the venue's.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from campaign.l2.worker import Told
from campaign.market import BACKFILL
from perptape.interval import HOUR, MINUTE
from perptape.simulation.schedule import Fault, Schedule
from support.forked import Forked
from support.simulator import Simulator

FACTOR = 20.0
BUDGET = 900.0
"""Seconds of the venue's that a job may take."""
NO_ROOM = 1500
"""Bytes that a file may have on a full disk."""


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
    listed = None
    """When it was told what is listed; nobody noted it."""
    ended_well = False
    """What of the last second of a socket had been read when a process was told to stop, nobody knows: the judge counts it as any other."""

    @property
    def end(self) -> float:
        return float("inf") if self.died is None else self.died

    @property
    def alive(self) -> bool:
        return self.died is None


@dataclass
class Host:
    """The machine of one schedule. `findings` are what went wrong, `met` counts what of a kind of fault found whom."""

    schedule: Schedule
    folder: Path
    defect: str = ""
    factor: float = FACTOR
    findings: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    lived: list[Lived] = field(default_factory=list)
    _deaths: list[Fault] = field(default_factory=list)
    simulated: Simulator = field(init=False)
    start: int = field(init=False)
    """ms on the venue's clock."""
    spec: Path = field(init=False)
    _began: float = field(init=False)
    _agenda: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """(when, what is done then)."""

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
