"""Whether a process grows with what it receives: a straight line through its memory, and how sure that line's slope is. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

BLOCKS = 24
T_975_22 = 2.0739
"""Student's t, of which 2.5 % are above, with the 22 degrees of freedom that a line leaves to so many blocks."""
MB = 2**20


class Look(Protocol):
    """A process at one time. `at`: seconds; `events`: received so far; `rss`: bytes."""

    @property
    def at(self) -> float: ...
    @property
    def events(self) -> float: ...
    @property
    def rss(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Growth:
    """MB per million events: `slope` and the ends of its two-sided 95 % interval. MB: `sigma`, the standard deviation of what the line
    leaves, and `means`, the memory in each block."""

    slope: float
    lower: float
    upper: float
    sigma: float
    means: tuple[float, ...]


def growth(looks: Sequence[Look]) -> Growth:
    """The line by least squares through the means of 24 equal blocks of time, for what follows one another closely is not independent.

    Raises ValueError where nobody looked during one of them.
    """
    first, last = looks[0].at, looks[-1].at
    blocks: list[list[Look]] = [[] for _ in range(BLOCKS)]
    for one in looks:
        blocks[min(int((one.at - first) / (last - first) * BLOCKS), BLOCKS - 1)].append(one)
    if not all(blocks):
        raise ValueError("too short a run, or the machine gave no time to look at the process")
    x = [statistics.fmean(one.events / 1e6 for one in block) for block in blocks]
    y = [statistics.fmean(one.rss / MB for one in block) for block in blocks]
    slope, intercept = statistics.linear_regression(x, y)
    left = [b - intercept - slope * a for a, b in zip(x, y, strict=True)]
    sigma = math.sqrt(sum(one * one for one in left) / (BLOCKS - 2))
    width = T_975_22 * sigma / math.sqrt(sum((a - statistics.fmean(x)) ** 2 for a in x))
    return Growth(slope, slope - width, slope + width, sigma, tuple(y))
