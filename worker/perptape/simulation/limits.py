"""What a venue still lets through: counts of cost per address and limit, and bans of those who do not stop.

Deterministic: the time is an argument. `compress` divides every window and ban, so that a benchmark of hours runs in seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perptape.simulation.wire import Limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may be answered; if not, whether its sender is banned and when to come back (venue ms)."""

    allowed: bool
    banned: bool = False
    retry_at: int = 0
    used: Mapping[str, int] = field(default_factory=dict)
    """What the address has used of each limit by its name, this request included."""


@dataclass(slots=True)
class _Count:
    """One limit's use by one address."""

    limit: Limit
    window: float
    used: float = 0
    since: float = 0
    spent: deque[tuple[float, int]] = field(default_factory=deque)
    refused: int = 0

    def settle(self, now: float) -> None:
        """Forgets what no longer counts at `now`."""
        if self.limit.shape == "fixed":
            start = now // self.window * self.window
            if start > self.since:
                self.since, self.used, self.refused = start, 0, 0
        elif self.limit.shape == "bucket":
            self.used = max(0.0, self.used - (now - self.since) * self.limit.amount / self.window)
            self.since = now
        else:
            while self.spent and self.spent[0][0] <= now - self.window:
                self.used -= self.spent.popleft()[1]
        if self.used <= 0:
            self.refused = 0

    def spend(self, now: float, cost: int) -> None:
        self.used += cost
        if self.limit.shape == "sliding":
            self.spent.append((now, cost))

    def free_at(self, now: float, cost: int) -> float:
        """When that cost will fit."""
        if self.limit.shape == "fixed":
            return self.since + self.window
        over = self.used + cost - self.limit.amount
        if self.limit.shape == "bucket":
            return now + over * self.window / self.limit.amount
        for at, amount in self.spent:
            over -= amount
            if over <= 0:
                return at + self.window
        return now + self.window


class Limits:
    """All addresses' use of one venue's limits."""

    def __init__(self, limits: Iterable[Limit], compress: float = 1.0, unlimited: bool = False) -> None:
        self._limits = {limit.name: limit for limit in limits}
        self._compress = compress
        self._unlimited = unlimited
        self._counts: dict[tuple[str, str], _Count] = {}
        self._bans: dict[str, int] = {}
        self.refusals = 0
        self.bans = 0

    def ask(self, address: str, costs: Mapping[str, int], now: int) -> Verdict:
        """Counts a request of these costs, unless it goes over a limit."""
        until = self._bans.get(address, 0)
        if now < until:
            self.refusals += 1
            return Verdict(False, True, until, self.used(address))
        counts = [(count, cost) for count, cost in self._matching(address, costs) if cost]
        for count, cost in counts:
            count.settle(now)
            if count.used + cost > count.limit.amount and not self._unlimited:
                return self._refuse(address, count, cost, now)
        for count, cost in counts:
            count.spend(now, cost)
        return Verdict(True, used=self.used(address))

    def used(self, address: str) -> dict[str, int]:
        """What this address has used by limit."""
        return {name: round(count.used) for (who, name), count in self._counts.items() if who == address}

    def spacing(self, costs: Mapping[str, int]) -> float:
        """How far apart (venue ms) requests of these costs must be so that they never meet a limit."""
        found = [(self._limit(name), cost) for name, cost in costs.items()]
        return max((cost * limit.window_ms / self._compress / limit.amount for limit, cost in found if limit is not None), default=0.0)

    def report(self) -> dict[str, object]:
        """Everything counted, for people and tests."""
        addresses = sorted({address for address, _ in self._counts})
        return {"refusals": self.refusals, "bans": self.bans, "used": {address: self.used(address) for address in addresses}}

    def _matching(self, address: str, costs: Mapping[str, int]) -> list[tuple[_Count, int]]:
        found = []
        for name, cost in costs.items():
            limit = self._limit(name)
            if limit is not None:
                key = (address, name)
                if key not in self._counts:
                    self._counts[key] = _Count(limit, limit.window_ms / self._compress)
                found.append((self._counts[key], cost))
        return found

    def _limit(self, name: str) -> Limit | None:
        return self._limits.get(name) or self._limits.get(name.partition("/")[0])

    def _refuse(self, address: str, count: _Count, cost: int, now: int) -> Verdict:
        self.refusals += 1
        count.refused += 1
        if count.limit.ban_after is not None and count.refused > count.limit.ban_after:
            self.bans += 1
            count.refused = 0
            self._bans[address] = now + int(count.limit.ban_ms / self._compress)
            return Verdict(False, True, self._bans[address], self.used(address))
        return Verdict(False, False, int(count.free_at(now, cost)) + 1, self.used(address))
