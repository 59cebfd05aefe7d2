"""The bench's judgement of growth: what it says of memory whose growth is known. More of it: `python -m bench soak`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from support.growth import BLOCKS, MB, Growth, growth

pytestmark = pytest.mark.slow

LIMIT = 5.0
EVENTS = 3_400_000
"""In the four fifths of the long soak that count."""
SIGMA = 5.0
"""MB that block means stray, at most, as measured in short soaks."""


@dataclass(frozen=True)
class Point:
    at: float
    events: float
    rss: float


def soaked(seed: int, per_event: float = 0.0, *, sigma: float = SIGMA, events: int = EVENTS) -> Growth:
    """Of memory that strays by chance from block to block, saws with reconnects, and keeps some bytes of every event."""
    random, points = Random(seed), list[Point]()
    strays = [random.gauss(0, sigma) for _ in range(BLOCKS)]
    for number in range(BLOCKS * 60):
        received = events * number / (BLOCKS * 60)
        sawing = 20 * (number % 57) / 57
        points.append(Point(float(number), received, (180 + strays[number // 60] + sawing) * MB + per_event * received))
    return growth(points)


def test_a_line_without_noise_is_found_exactly() -> None:
    found = growth([Point(n, n * 1_000.0, 7 * MB + n * 1_000.0 * 3 * MB / 1e6) for n in range(240)])
    assert (found.slope, found.lower, found.upper) == pytest.approx((3, 3, 3))
    assert len(found.means) == BLOCKS
    assert found.sigma == pytest.approx(0, abs=1e-9)


def test_memory_that_strays_as_much_as_was_measured_and_does_not_grow_is_within_the_limit() -> None:
    within = [soaked(seed).upper <= LIMIT for seed in range(100)]
    assert sum(within) >= 95


def test_twenty_bytes_of_every_event_are_over_the_limit_whatever_chance_does() -> None:
    assert all(soaked(seed, 20).lower > LIMIT for seed in range(100))


def test_twenty_bytes_of_every_event_are_over_the_limit_also_with_no_more_events_than_the_issue_asks_for() -> None:
    assert all(soaked(seed, 20, events=800_000).upper > LIMIT for seed in range(100))


def test_the_bound_is_over_the_true_growth_in_97_of_100_series() -> None:
    over = sum(soaked(seed, 3 * MB / 1e6).upper >= 3 for seed in range(400))
    assert 0.95 <= over / 400 <= 0.99


def test_a_block_without_a_look_is_told() -> None:
    with pytest.raises(ValueError, match="too short a run"):
        growth([Point(n, n, 1.0) for n in range(BLOCKS - 1)])
