"""How far a venue's clock is from ours, out of what its answers say. Pure. All in ms."""

from __future__ import annotations

from dataclasses import dataclass

from perptape.interval import MINUTE

MEASURED_FOR = 10 * MINUTE
"""How long an offset is trusted without asking again."""
DRIFT = 1e-4
"""How fast clocks may run apart (ms per ms): what was measured long ago counts for less."""


@dataclass(frozen=True, slots=True)
class Offset:
    """The offset (venue minus local) lies in [low, high], as of the local time `at`."""

    low: float
    high: float
    at: int

    @property
    def ms(self) -> int:
        return round((self.low + self.high) / 2)

    @property
    def doubt(self) -> float:
        """How wrong `ms` may be."""
        return (self.high - self.low) / 2

    def trusted(self, local: int) -> bool:
        """Whether it needs no asking again at this local time; one that was measured later than that was so by a clock set back since."""
        return 0 <= local - self.at <= MEASURED_FOR


def measured(before: Offset | None, sent: int, received: int, earliest: int, latest: int) -> Offset:
    """What is known after an answer, asked at `sent` and there at `received`, that was given at the venue's [earliest, latest].

    Both bounds narrow with every answer; one that contradicts what was known replaces it (somebody set a clock).
    """
    low, high = float(earliest - received), float(latest - sent)
    if before is not None:
        drift = max(0, received - before.at) * DRIFT
        narrower = max(low, before.low - drift), min(high, before.high + drift)
        if narrower[0] <= narrower[1]:
            low, high = narrower
    return Offset(low, high, received)
