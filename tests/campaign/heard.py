"""When a stream's connections heard what proves a time: what is lost or unproven then is so for no reason.

Pure. Times are ms on the venue's clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from campaign.feed import MALFORMED, TICK, Connection
from perptape.interval import SECOND, Interval, union


def listening(connections: Iterable[Connection], instrument: str, start: int, flushed: float) -> tuple[Interval, ...]:
    """When any of them listened for an instrument: its control topic spoke, tick by tick. `start`: the ms from which their seconds count;
    `flushed`: seconds after which what a process received outlives it."""
    mine = (one for one in connections if instrument in one.wanted)
    return union(span for one in mine for span in _runs(one, [at for at, topic in one.heard if topic is None], 2 * TICK, start, flushed))


def proving(
    connections: Iterable[Connection], instrument: str, start: int, flushed: float, *, market: bool, quiet: float
) -> tuple[Interval, ...]:
    """When the feed of an instrument spoke on any of them and was never silent for `quiet` seconds. `market`: one topic is of them all."""
    topic = "" if market else instrument
    found: list[Interval] = []
    for one in connections:
        if instrument in one.wanted:
            for said, pieces in itertools.groupby((piece for piece in one.heard if piece[1] in (topic, MALFORMED)), lambda piece: piece[1]):
                if said == topic:
                    found += _runs(one, [at for at, _ in pieces], quiet, start, flushed)
    return union(found)


def _runs(one: Connection, times: list[float], most: float, start: int, flushed: float) -> Iterator[Interval]:
    """From moment to moment, where the next one is at most so many seconds later, and outlives the process."""
    died = float("inf") if one.process.ended_well or one.process.died is None else one.process.died - flushed
    for before, after in itertools.pairwise(times):
        if after <= min(before + most, died):
            yield Interval(start + round(before * SECOND), start + round(after * SECOND))
