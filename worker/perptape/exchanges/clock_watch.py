"""Keeps the offset to a venue's clock measured for as long as a stream lasts, also where somebody sets the machine's clock meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from perptape.errors import PerptapeError

LOOK_S = 60.0
"""Seconds between looks whether the offset of a stream is trusted still."""
SET_S = 1.0
"""By how many seconds the wall clock and the loop's, which nobody sets, may come apart between two looks.

The same however long that took: two that drift by 1 ms a second are so far apart after 1000 s, but an answer is waited for 10 s (also by a
process that is stopped), and after `MEASURED_FOR` an offset is measured anew anyway. A machine's sleep, which the loop's clock does not
count, is all of a difference: what the wall clock did meanwhile nobody knows, so that measuring anew is right.
"""


class Measure(Protocol):
    """Measures the offset where it is not known well enough, or `anew`. Raises PerptapeError."""

    async def __call__(self, *, anew: bool = False) -> object: ...


async def kept_measured(measure: Measure, clock: Callable[[], float]) -> None:
    """Looks once a minute, for ever. `clock`: the local wall clock, in seconds.

    While the offset is known well and trusted a look costs no call. A venue that does not answer is asked again at the next one.
    """
    loop = asyncio.get_running_loop()
    apart = clock() - loop.time()
    while True:
        now_apart = clock() - loop.time()
        with suppress(PerptapeError):
            await measure(anew=abs(now_apart - apart) > SET_S)
            apart = now_apart
        await asyncio.sleep(LOOK_S)
