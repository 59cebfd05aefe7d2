"""When a connection counts as dead though nobody closed it.

Pure. Times are seconds of one monotonic clock. A feed of liquidations may rightly be silent; the control topic never is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watch:
    """How long silence is borne."""

    control: float = 15.0
    """Seconds without a word of the control topic."""
    dial: float = 30.0
    """Seconds from the first step of dialling to the acknowledgement of all topics."""

    @property
    def fresh(self) -> float:
        """Seconds after a word of the control topic for which a connection that is stopped is taken to hear: several times those between
        two words. Of a longer silence nobody would know any more whether it was a death."""
        return self.control / 3

    def verdict(self, started: float, heard: float | None, now: float) -> str | None:
        """Why the connection should be given up; None: it is well. `heard`: when the control topic spoke last, None before it could."""
        if now < self.due(started, heard):
            return None
        if heard is None:
            return f"not subscribed within {self.dial:g} s"
        return f"control topic silent for {self.control:g} s"

    def due(self, started: float, heard: float | None) -> float:
        """When to look again."""
        return started + self.dial if heard is None else heard + self.control
