"""How a venue's failures slow it down: backoff, pauses that the venue asked for, and a circuit that opens.

Pure: state and a time in, state out. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from perptape.errors import Retry

BACKOFF_BASE, BACKOFF_CAP = 0.5, 30.0
PROBE_BASE, PROBE_CAP = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """A venue's health. `paused_until`: no call before that. `failures`: in a row. `opened`: how often it was probed in vain."""

    limit: int = 5
    failures: int = 0
    opened: int = 0
    paused_until: float = 0.0
    told_until: float = 0.0
    """How long the venue itself asked for a pause; `paused_until` holds our own caution too."""
    banned: bool = False
    reason: str = ""

    @property
    def open(self) -> bool:
        """Whether the venue is only probed, one call at a time."""
        return self.failures >= self.limit

    def succeeded(self) -> Circuit:
        return replace(self, failures=0, opened=0, banned=False, reason="")

    def failed(self, error: Retry, now: float) -> Circuit:
        """After a failed call: a Retry-After pauses every call, a run of failures opens the circuit."""
        failures = self.failures + 1
        told = self.told_until if error.after is None else max(self.told_until, now + error.after)
        until = max(self.paused_until, told)
        opened = self.opened
        if failures >= self.limit:
            until = max(until, now + min(PROBE_BASE * 2.0**opened, PROBE_CAP))
            opened += 1
        return replace(self, failures=failures, opened=opened, paused_until=until, told_until=told, banned=error.banned, reason=str(error))


def backoff(attempt: int, chance: float) -> float:
    """Seconds before attempt `attempt` (from 1): capped exponential with full jitter; `chance` in [0, 1)."""
    return chance * min(BACKOFF_BASE * 2.0**attempt, BACKOFF_CAP)
