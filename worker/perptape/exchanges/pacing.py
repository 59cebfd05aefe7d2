"""How fast a venue may be asked: for each of its limits a bucket that never lets more through in any window than the venue allows.

Pure: time is an argument (ms, of any clock that only goes forward).
"""

from __future__ import annotations

from collections.abc import Mapping

from perptape.exchanges.base import CallLimit

BURST = 0.045
"""The share of a limit that may go at once; the rest refills evenly, so that burst + refill over one window is the limit."""


class Bucket:
    """One limit. Calls are let through in the order in which they ask."""

    def __init__(self, limit: CallLimit, speed: float = 1.0) -> None:
        self.amount = limit.amount
        self.burst = max(1.0, limit.amount * BURST)
        self.rate = max(limit.amount - self.burst, 1.0) / limit.window * speed
        self._held = self.burst
        self._at: float | None = None

    def wait(self, cost: int, now: float) -> float:
        """ms until a call of this cost may go; the cost is taken."""
        self._refill(now)
        self._held -= cost
        return max(0.0, -self._held / self.rate)

    def used(self, amount: int, now: float) -> None:
        """The venue says that so much of the limit is used by everybody of this IP: no more than what is left may go at once."""
        self._refill(now)
        self._held = min(self._held, float(self.amount - amount))

    def _refill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            self._held = min(self.burst, self._held + (now - self._at) * self.rate)
        self._at = now if self._at is None else max(self._at, now)


class Pace:
    """All limits of one venue. A cost ``name/instrument`` has a bucket of its own under the limit `name`."""

    def __init__(self, limits: tuple[CallLimit, ...], speed: float = 1.0) -> None:
        self._limits = {limit.name: limit for limit in limits}
        self._speed = speed
        self._buckets: dict[str, Bucket] = {}

    def wait(self, cost: Mapping[str, int], now: float) -> float:
        """ms until a call may go."""
        return max((self._bucket(name).wait(amount, now) for name, amount in cost.items()), default=0.0)

    def observe(self, headers: Mapping[str, str], now: float) -> None:
        """Takes in what an answer's headers (lower case) say of the use of the whole IP."""
        for limit in self._limits.values():
            if limit.header is not None and (said := headers.get(limit.header, "")).isdigit():
                self._bucket(limit.name).used(int(said), now)

    def _bucket(self, name: str) -> Bucket:
        if name not in self._buckets:
            self._buckets[name] = Bucket(self._limits[name.partition("/")[0]], self._speed)
        return self._buckets[name]
