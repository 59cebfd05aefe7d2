"""A clock that somebody sets while a stream lasts is noticed within a minute, whichever way it was set."""

import asyncio

import pytest

from perptape.errors import Retry
from perptape.exchanges.clock_watch import LOOK_S, kept_measured

pytestmark = pytest.mark.looptime


class Venue:
    def __init__(self) -> None:
        self.anew: list[bool] = []
        self.away = False

    async def __call__(self, *, anew: bool = False) -> int:
        self.anew.append(anew)
        if self.away:
            raise Retry("away")
        return 0


async def looks(venue: Venue, ahead: list[float], *set_to: float) -> list[bool]:
    """What each look asks for, between which the clock is set so many seconds ahead."""
    loop = asyncio.get_running_loop()
    keeping = asyncio.ensure_future(kept_measured(venue, lambda: loop.time() + ahead[0]))
    await asyncio.sleep(LOOK_S / 2)
    for seconds in set_to:
        ahead[0] = seconds
        await asyncio.sleep(LOOK_S)
    keeping.cancel()
    return venue.anew


@pytest.mark.parametrize("set_to", [442.0, -442.0])
async def test_a_clock_that_is_set_is_measured_anew_at_the_next_look_and_trusted_again_after_it(set_to: float) -> None:
    assert await looks(Venue(), [0.0], 0.0, set_to, set_to) == [False, False, True, False]


async def test_clocks_drift_apart_without_a_call() -> None:
    assert await looks(Venue(), [5.0], 5.03, 5.06, 5.09) == [False] * 4


async def test_a_venue_that_does_not_answer_is_asked_anew_until_it_does() -> None:
    venue = Venue()
    venue.away = True
    assert await looks(venue, [0.0], 60.0, 60.0) == [False, True, True]
