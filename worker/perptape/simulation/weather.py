"""Carries out what of a schedule is the venue's doing: each fault begins, lasts and ends by itself.

Shell around `schedule`. Whose processes die and whose disk is full is not for a venue to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from perptape.simulation.faults import Fault
from perptape.simulation.schedule import Fault as Planned
from perptape.simulation.schedule import Schedule

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract
    from perptape.simulation.server import Simulation

FEED: Final = "forceOrder|allLiquidation|liquidation-orders|^trades"
"""The topics of liquidations of all venues; control topics have other names."""
ROWS_TWICE: Final = 0.3
NO_ORDERS: Final = "^(?!.*liquidation-orders)"
"""Two equal orders in one page, without ids, may have been two."""
LONGEST_ANSWER: Final = 12.0
"""Seconds of venue time; who calls waits ten."""
LATE_MS: Final = 240_000
"""How much later than else open interest is published: not so late that nobody could tell it from a hole."""
BURST_STEP: Final = 0.05
BASES: Final = ("BTC", "ETH")
Told = Callable[[str], None]


def concerning(schedule: Schedule) -> tuple[Planned, ...]:
    """The faults that are the venue's. Pure."""
    return tuple(fault for fault in schedule.faults if fault.kind in SAID)


def faults_of(venue: str, fault: Planned, speed: float) -> list[Fault]:
    """What is set for as long as a planned fault lasts. Pure. `speed`: of the venue's clock, by which clients live too."""
    share, size = round(0.3 + 0.7 * fault.size, 3), fault.size
    pause = max(1, round(fault.seconds * speed))
    settled: Mapping[str, list[dict[str, Any]]] = {
        "silent socket": [{"kind": "half_open"}],
        "silent topic": [{"kind": "mute", "path": FEED} if fault.whom < 2 else {"kind": "silent_ack", "path": FEED}],
        "no acknowledgement": [{"kind": "no_ack"}],
        "malformed": [{"kind": "malformed", "path": FEED, "share": share}],
        "429": [{"kind": "status", "status": 429, "retry_after": min(pause, 5 + round(55 * size)), "share": share}],
        "418": [{"kind": "status", "status": 418, "retry_after": pause, "share": share}],
        "5xx": [{"kind": "status", "status": 503 if size < 0.5 else 502, "share": share}],
        "latency": [{"kind": "latency", "delay_ms": max(1, round(1000 * size * LONGEST_ANSWER / speed)), "share": share}],
        "cut body": [{"kind": "cut", "share": share}],
        "empty list": [{"kind": "list", "share": share}],
        "html": [{"kind": "html", "share": share}],
        "duplicates": [{"kind": "twice", "path": FEED, "share": ROWS_TWICE}, {"kind": "duplicate", "path": NO_ORDERS, "share": ROWS_TWICE}],
    }
    return [Fault.of({"venue": venue, **one}) for one in settled.get(fault.kind, [])]


SAID: Final[Mapping[str, str]] = {
    "disconnect": "all connections are ended",
    "silent socket": "sockets are silent and stay open",
    "silent topic": "the topic of liquidations is silent, others flow",
    "no acknowledgement": "connections are ended, and subscriptions are not acknowledged",
    "burst": "many are liquidated",
    "malformed": "frames that are not JSON",
    "429": "calls are answered 429",
    "418": "calls are answered 418",
    "5xx": "calls are answered 502 or 503",
    "latency": "answers come late",
    "cut body": "answers end in the middle",
    "empty list": "calls are answered [] with 200",
    "html": "calls are answered HTML with 200",
    "duplicates": "events and rows are sent twice",
    "late publication": "history is published later than else",
    "relisting": "a contract ends, and comes back with other terms",
}
"""What a venue can do, in words."""
_ENDS_CONNECTIONS: Final = ("disconnect", "no acknowledgement")


def line(fault: Planned, venue: str) -> str:
    """What is said when a fault begins. Pure."""
    lasts = f" for {fault.seconds:.1f} s" if fault.seconds else ""
    return f"{clock(fault.start)} {venue}: {fault.kind}: {SAID[fault.kind]}{lasts}"


def clock(seconds: float) -> str:
    """h:mm:ss. Pure."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


async def carry_out(simulation: Simulation, schedules: Iterable[Schedule], told: Told = lambda text: None) -> None:
    """All faults of these schedules, whose seconds are real ones. Returns when the last one is over."""
    begun = asyncio.get_running_loop().time()
    planned = [_Under(simulation, schedule, told, begun) for schedule in schedules]
    async with asyncio.TaskGroup() as group:
        for one in planned:
            for fault in concerning(one.schedule):
                group.create_task(one.fault(fault))


class _Under:
    """One venue's schedule under way."""

    def __init__(self, simulation: Simulation, schedule: Schedule, told: Told, begun: float) -> None:
        self.schedule = schedule
        self._simulation, self._told, self._begun = simulation, told, begun
        self._relisted = False
        self._lateness = 0

    async def fault(self, fault: Planned) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._begun + fault.start - loop.time()))
        self._told(line(fault, self.schedule.venue))
        simulation, venue = self._simulation, self.schedule.venue
        ids = simulation.faults.add(faults_of(venue, fault, simulation.settings.speed))
        hits = 0 if ids else 1
        if fault.kind in _ENDS_CONNECTIONS or (fault.kind == "silent topic" and fault.whom >= 2):
            hits = simulation.disconnect(venue, abort=fault.size < 0.5)
        if fault.kind == "relisting":
            hits = int(self._relist(fault))
        if fault.kind == "late publication":
            self._late(1)
        until = self._begun + fault.end
        if fault.kind == "burst":
            await self._burst(fault, until)
        await asyncio.sleep(max(0.0, until - loop.time()))
        hits += sum(one["hits"] for one in simulation.faults.report() if one["id"] in ids)
        for id in ids:
            simulation.faults.clear(id)
        if fault.kind == "late publication":
            self._late(-1)
        simulation.weathered.append({"venue": venue, "kind": fault.kind, "start": fault.start, "seconds": fault.seconds, "hits": hits})

    def _late(self, more: int) -> None:
        """Two such faults at once are no later than one: how late a venue may be is known."""
        before, self._lateness = self._lateness > 0, self._lateness + more
        if (after := self._lateness > 0) != before:
            self._simulation.publish_later(self.schedule.venue, LATE_MS if after else -LATE_MS)

    def _relist(self, fault: Planned) -> bool:
        """Whether the last of the contracts that schedules are about ends, once: it comes back within a minute of the venue's clock."""
        listed = self._contracts()
        if self._relisted or not listed:
            return False
        self._relisted = True
        simulation, venue, last = self._simulation, self.schedule.venue, listed[-1]
        now = simulation.now(venue)
        simulation.delist(venue, last.id, now)
        simulation.relist(venue, last.id, last.contract_size * Decimal(10), now + int((5 + fault.size * 40) * 1000))
        return True

    def _contracts(self) -> list[Contract]:
        """The first that is listed now of each base, for as many bases as the schedule has instruments."""
        venue, bases = self.schedule.venue, BASES[: self.schedule.instruments]
        listed = self._simulation.market.contracts(venue, self._simulation.now(venue))
        return [found[0] for base in bases if (found := [one for one in listed if one.base == base])]

    async def _burst(self, fault: Planned, until: float) -> None:
        """Liquidations one after another and some in one millisecond, half of them equal ones."""
        loop, simulation, venue = asyncio.get_running_loop(), self._simulation, self.schedule.venue
        left, steps = 20 + int(fault.size * 200), max(1, round(fault.seconds / BURST_STEP))
        each = -(-left // steps)
        while left > 0:
            for contract in self._contracts():
                simulation.inject(venue, contract.id, min(each, left), equal=left % 2 == 0)
            left -= each
            await asyncio.sleep(min(BURST_STEP, max(0.0, until - loop.time())))
