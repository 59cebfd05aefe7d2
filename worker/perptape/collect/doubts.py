"""Answers that are not believed at first: asked for again a few times, since venues answer nothing, or something else, for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from perptape.collect.harvest import Harvest
from perptape.errors import Doubtful

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
