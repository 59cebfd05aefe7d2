"""How often an equal event was seen before, on the same subscription.

Pure. Counted once, at receipt; two replicas that each saw an event twice say 0 and 1 both, so that their union is the greatest of
their counts and never the sum.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from perptape.interval import MINUTE, NS

LASTING: Final = 10 * MINUTE * NS


class Ordinals:
    """Counts of one subscription. Make a new one at every acknowledgement.

    A connection may live for weeks, so that only the last two spells are kept, of `limit` different events or `lasting` ns each: equal
    events carry the same time and come together.
    """

    def __init__(self, limit: int = 100_000, lasting: int = LASTING) -> None:
        self._limit, self._lasting = limit, lasting
        self._since = 0
        """When the first of those that are counted now came."""
        self._now: dict[Hashable, int] = {}
        self._before: dict[Hashable, int] = {}

    def count(self, key: Hashable, received: int = 0) -> int:
        """0 for the first event with this key, 1 for the second, and so on; 0 for one with a list or a block in place of a value, which is
        no row. `received`: ns."""
        now = self._now
        try:
            seen = now.get(key)
        except TypeError:
            return 0
        if seen is None:
            seen = self._before.get(key, 0)
            if len(now) >= self._limit or received - self._since > self._lasting:
                self._before, self._now, self._since = now, {}, received
                now = self._now
        now[key] = seen + 1
        return seen
