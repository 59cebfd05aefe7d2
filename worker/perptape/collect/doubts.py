"""Answers that are not believed at first: asked for again a few times, since venues answer nothing, or something else, for a while.

One of which some values cannot be used is asked for once more, and what is better of the two is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from perptape.collect.asking import VenueStopped
from perptape.collect.harvest import Harvest
from perptape.errors import Doubtful, Retry, Skip
from perptape.interval import total

DOUBTS = 3
"""How often an answer that is doubted is asked for before the window is given up for this run."""


async def believed(answer: Callable[[], Awaitable[Harvest]], pause: Callable[[int, str], Awaitable[None]]) -> Harvest:
    """The first answer that is not doubted, else the last one. `pause` waits after so many, and why. Raises Doubtful as that does."""
    for doubts in range(1, DOUBTS):
        try:
            harvest = await answer()
            if not harvest.doubt:
                return harvest
            why = harvest.doubt
        except Doubtful as doubt:
            why = str(doubt)
        await pause(doubts, why)
    return await answer()


async def best(answer: Callable[[], Awaitable[Harvest]], pause: Callable[[int, str], Awaitable[None]]) -> Harvest:
    """The first answer that is believed; of one that leaves time open for its values, and the next one, that which leaves less."""
    first = await believed(answer, pause)
    if not first.spoilt:
        return first
    try:
        await pause(1, first.dropped[0] if first.dropped else "rows that cannot be understood")
        second = await believed(answer, pause)
    except (Retry, Skip, VenueStopped):  # what was obtained counts
        return first
    return second if not second.doubt and total(second.spoilt) < total(first.spoilt) else first
