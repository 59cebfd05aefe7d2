"""How prices and open interest move: sums of waves whose phases are hashes of the seed.

Pure, and cheap at any time: no step depends on the one before it.
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import lru_cache

from perptape.simulation import listing
from perptape.simulation.chance import uniform

_WAVES = tuple(
    (listing.HOUR * hours, size) for hours, size in ((2161, 0.22), (263, 0.08), (71, 0.04), (17, 0.015), (2.3, 0.005), (0.21, 0.0015))
)


def rounded(value: float) -> Decimal:
    """Eight significant digits."""
    return Decimal(f"{value:.8g}") + Decimal(0)


@lru_cache(maxsize=65_536)
def _phases(seed: int, base: str) -> tuple[float, tuple[float, ...]]:
    anchor = listing.anchor_price(seed, base)
    return anchor, tuple(2 * math.pi * uniform(seed, "phase", base, number) for number in range(len(_WAVES)))


def level(seed: int, base: str, t: int) -> float:
    """The price of a base in USD."""
    anchor, phases = _phases(seed, base)
    wave = sum(size * math.sin(2 * math.pi * t / period + phase) for (period, size), phase in zip(_WAVES, phases, strict=True))
    return anchor * math.exp(wave)


@lru_cache(maxsize=65_536)
def open_size(seed: int, venue: str, id: str) -> tuple[float, float]:
    """USD about which a contract's open interest moves, and its phase."""
    return 10 ** (6.5 + 3 * uniform(seed, venue, id, "held")), 2 * math.pi * uniform(seed, venue, id, "wave")
