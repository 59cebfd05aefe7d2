"""The venue's clock: real time, offset and sped up, made of a callable so that tests turn it by hand.

Pure but for the callable. Times are ms since the epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate

Millis = Callable[[], float]


def system() -> float:
    """This machine's clock in ms."""
    return time.time_ns() / 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Venue time = start + speed x (real time - began): `start` is what it showed when real time was `began`."""

    began: float
    start: float
    speed: float = 1.0
    real: Millis = field(default=system, compare=False)

    @classmethod
    def shifted(cls, offset_ms: float = 0, speed: float = 1.0, real: Millis = system) -> Clock:
        """A clock that is `offset_ms` ahead of real time now and then runs at `speed`."""
        began = real()
        return cls(began, began + offset_ms, speed, real)

    def __call__(self) -> int:
        return int(self.start + self.speed * (self.real() - self.began))

    def skewed(self, by_ms: float) -> Clock:
        """The same clock, set `by_ms` ahead of what it shows (a venue whose clock is wrong)."""
        return replace(self, start=self.start + by_ms)

    def real_seconds(self, venue_ms: float) -> float:
        """How long a span of venue time takes in real seconds."""
        return venue_ms / self.speed / 1000


@dataclass(slots=True)
class Hand:
    """Real time for tests: it stands still until it is moved."""

    now: float

    def __call__(self) -> float:
        return self.now

    def advance(self, ms: float) -> None:
        """Moves time on."""
        self.now += ms


def http_date(now_ms: int) -> str:
    """The Date header at a venue time."""
    return formatdate(now_ms / 1000, usegmt=True)
