"""What came of a round of wrong payloads or specs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """`tried`: how many were handed in."""

    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """What came of another part of the round."""
        self.tried += other.tried
        self.outcomes += other.outcomes
        self.fields += other.fields
        self.faults += other.faults
