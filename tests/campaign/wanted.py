"""What a spec's processes must have wanted: whoever was told what is listed, and could keep it, wants it for as long as it lives.

Pure. Times are ms on the venue's clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from campaign.market import TO_KEEP
from perptape.interval import SECOND, Interval, union
from perptape.simulation.schedule import Schedule

if TYPE_CHECKING:
    from campaign.process import Process


def by_those_that_live(schedule: Schedule, processes: Iterable[Process], start: int) -> tuple[Interval, ...]:
    """The time that processes want from when they were told what is listed to their end. `start`: the ms from which seconds count.

    Not that of a process that found no room for its want before it died.
    """
    found = []
    for one in processes:
        if one.listed is not None:
            end = schedule.storm if one.died is None else min(one.died, schedule.storm)
            if _kept(schedule, one.listed) < end:
                found.append(Interval(start + round(one.listed * SECOND), start + round(end * SECOND)))
    return union(found)


def _kept(schedule: Schedule, listed: float) -> float:
    """When a want is surely stored (seconds): once there was room and a store for a while."""
    at = listed
    for fault in sorted(schedule.of("store away", "disk full"), key=lambda fault: fault.start):
        if fault.touches(at, at + TO_KEEP):
            at = fault.end
    return at + TO_KEEP
