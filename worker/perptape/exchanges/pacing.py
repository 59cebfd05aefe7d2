"""How fast a venue may be asked: for each of its limits a bucket that never lets more through in any window than the venue allows.

Pure: time is an argument (ms, of any clock that only goes forward).
"""

from __future__ import annotations

from collections.abc import Mapping

from perptape.exchanges.base import CallLimit

BURST = 0.045
"""The share of a limit that may go at once; the rest refills evenly, so that burst + refill over one window is the limit."""

Held = dict[str, tuple[float, float]]
"""Bucket -> (what it holds, as of when): what processes of one host share."""


class Bucket:
    """One limit, or the part of it that is ours. Calls are let through in the order in which they ask."""

    def __init__(self, limit: CallLimit, speed: float = 1.0, share: float = 1.0) -> None:
        self.limit, self._speed = limit, speed
        self._at: float | None = None
        self.restrict(share)
        self._held = self.burst

    def restrict(self, share: float) -> None:
        """Only this part of the limit is ours from now on. A part of less than two calls a window is stretched over several."""
        amount = self.limit.amount * share
        self.burst = max(1.0, amount * BURST)
        least = 1.0 if share == 1.0 else amount / 4
        self.rate = max(amount - self.burst, least) / self.limit.window * self._speed
        self._held = min(getattr(self, "_held", self.burst), self.burst)

    def wait(self, cost: int, now: float) -> float:
        """ms until a call of this cost may go; the cost is taken."""
        self._refill(now)
        self._held -= cost
        return self.owed(now)

    def owed(self, now: float) -> float:
        """ms until all that was taken is there."""
        self._refill(now)
        return max(0.0, -self._held / self.rate)

    def used(self, amount: int, now: float) -> None:
        """The venue says that so much of the limit is used by everybody of this IP: no more than what is left may go at once."""
        self._refill(now)
        self._held = min(self._held, float(self.limit.amount - amount))

    def held(self, now: float) -> tuple[float, float]:
        self._refill(now)
        return self._held, now

    def hold(self, held: float, at: float) -> None:
        """Takes over what another process left."""
        self._held, self._at = min(held, self.burst), at

    def _refill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            self._held = min(self.burst, self._held + (now - self._at) * self.rate)
        self._at = now if self._at is None else max(self._at, now)


class Pace:
    """All limits of one venue. A cost ``name/instrument`` has a bucket of its own under the limit `name`."""

    def __init__(self, limits: tuple[CallLimit, ...], speed: float = 1.0) -> None:
        self._limits = {limit.name: limit for limit in limits}
        self._speed = speed
        self._share = 1.0
        self._buckets: dict[str, Bucket] = {}
        self.spent: dict[str, int] = {}
        """What went so far, by limit."""

    @property
    def share(self) -> float:
        """The part of every limit that is ours."""
        return self._share

    @share.setter
    def share(self, share: float) -> None:
        self._share = share
        for bucket in self._buckets.values():
            bucket.restrict(share)

    def wait(self, cost: Mapping[str, int], now: float) -> float:
        """ms until a call may go; its cost is taken."""
        for name, amount in cost.items():
            self.spent[name] = self.spent.get(name, 0) + amount
        return max((self._bucket(name).wait(amount, now) for name, amount in cost.items()), default=0.0)

    def owed(self, cost: Mapping[str, int], now: float) -> float:
        """ms until a call may go whose cost was taken: not what `wait` said, when the share has changed since."""
        return max((self._bucket(name).owed(now) for name in cost), default=0.0)

    def observe(self, headers: Mapping[str, str], now: float) -> None:
        """Takes in what an answer's headers (lower case) say of the use of the whole IP."""
        for limit in self._limits.values():
            if limit.header is not None and (said := headers.get(limit.header, "")).isdigit():
                self._bucket(limit.name).used(int(said), now)

    def used(self, since: Mapping[str, int], span: float) -> float:
        """The part of the limit that went since `since` (an earlier `spent`), `span` ms ago: of the one nearest to its end."""
        parts = [0.0]
        for name, amount in self.spent.items():
            limit = self._limits[name.partition("/")[0]]
            parts.append((amount - since.get(name, 0)) / (limit.amount * span * self._speed / limit.window))
        return min(1.0, max(parts))

    def held(self, now: float) -> Held:
        """What every bucket holds."""
        return {name: bucket.held(now) for name, bucket in self._buckets.items()}

    def hold(self, held: Held) -> None:
        """Takes over what another process left."""
        for name, (amount, at) in held.items():
            if name.partition("/")[0] in self._limits:
                self._bucket(name).hold(amount, at)

    def dialling(self) -> dict[str, int]:
        """What opening a stream costs: one of the venue's own limit of connections, else one of its first."""
        name = next((name for name in ("connections", *self._limits) if name in self._limits), None)
        return {} if name is None else {name: 1}

    def _bucket(self, name: str) -> Bucket:
        if name not in self._buckets:
            self._buckets[name] = Bucket(self._limits[name.partition("/")[0]], self._speed, self._share)
        return self._buckets[name]
