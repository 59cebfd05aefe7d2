"""Time that goes `factor` times as fast: every timeout of a process is divided by one number, and none of them is known here.

`HastenedLoop` is an event loop in which a second passes in a `factor`th of one: asyncio's timeouts, aiohttp's and CCXT's are its timers.
`Time` gives the clocks to go with it, which all processes of a test share.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Time:
    """`began`: the second of this machine's monotonic clock at which it was `start` (ms since the epoch)."""

    factor: float
    began: float
    start: float

    def monotonic(self) -> float:
        """Seconds since it began."""
        return (time.monotonic() - self.began) * self.factor

    def ns(self, skew: int = 0) -> int:
        """The wall clock, `skew` ms ahead."""
        return int((self.start + skew + self.monotonic() * 1000) * 1_000_000)

    def loop(self) -> asyncio.AbstractEventLoop:
        return HastenedLoop(self)


class _Patient(selectors.DefaultSelector):
    """Waits as long as real time takes."""

    factor = 1.0

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout if timeout is None or timeout <= 0 else timeout / self.factor)


class HastenedLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Time) -> None:
        selector = _Patient()
        selector.factor = clock.factor
        super().__init__(selector)
        self._hastened = clock

    def time(self) -> float:
        return self._hastened.monotonic()
