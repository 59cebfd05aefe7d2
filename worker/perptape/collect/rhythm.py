"""When a run that stays fetches a dataset again. Pure; times are ms on the venue's clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from perptape.interval import MINUTE, SECOND, floor

SOON = MINUTE
"""How soon what failed is asked for again; each time in a slot twice as late."""


@dataclass(slots=True)
class Rhythm:
    """Once in each slot of `every`, `late` after its edge; again within it, ever later, while something of it could not be had: a sample
    is of any moment of its slot, and with the slot it is lost."""

    every: int
    late: int
    _slot: int = -1
    _failures: int = 0

    def wait(self, now: int, *, failed: bool) -> int:
        """ms until the next fetch, after one that ended now."""
        slot = floor(now, self.every)
        self._failures = 0 if not failed else 1 if slot != self._slot else self._failures + 1
        self._slot = slot
        rest = slot + self.every + self.late - now
        return min(rest, SOON * 2 ** (self._failures - 1)) if failed else rest


def spread(spec: str, venue: str, dataset: str, every: int) -> int:
    """ms after a slot's edge at which this collection asks: a stable hash, so that many do not ask in one moment."""
    digest = hashlib.blake2b(f"{spec}/{venue}/{dataset}".encode(), digest_size=4).digest()
    return 2 * SECOND + int.from_bytes(digest, "big") % max(min(every // 10, MINUTE), 1)
