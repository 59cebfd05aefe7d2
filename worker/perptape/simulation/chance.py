"""Chance without state: every draw is a hash of what it is for, so asking in pieces equals asking for the whole.

Pure. A draw's key is (seed, anything printable); the same key gives the same draw on every machine.
"""

from __future__ import annotations

import math
from hashlib import blake2b

_FULL = float(1 << 64)


def bits(*key: object) -> int:
    """64 random bits that belong to this key."""
    return int.from_bytes(blake2b("|".join(map(str, key)).encode(), digest_size=8).digest(), "big")


def uniform(*key: object) -> float:
    """A number in [0, 1) that belongs to this key."""
    return bits(*key) / _FULL


def poisson(mean: float, draw: float) -> int:
    """How many events a bucket of that mean holds, by inversion of one uniform draw (means of a few hundred at most)."""
    if mean > 300:
        return round(mean + math.sqrt(mean) * (2 * draw - 1))
    count, probability = 0, math.exp(-mean)
    total = probability
    while draw >= total and count < 1000:
        count += 1
        probability *= mean / count
        total += probability
    return count
