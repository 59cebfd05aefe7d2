"""What is true of the venue of one schedule: which rows there are, since when they can be seen, and what they are in the end.

Pure in time. Times are ms on the venue's clock, which is the true one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from perptape.exchanges.base import Traits
from perptape.exchanges.registry import traits
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, SECOND, Interval, ceil
from perptape.simulation.schedule import STORM, Schedule
from support.fake_exchange import START, open_interest_of, perpetual, rate_of

BACKFILL = 30 * HOUR
AFTER = 3 * MINUTE
"""How late a bucket or a settlement appears, and how long a bucket still moves."""
TO_KEEP = 60.0
"""Seconds in which a run that was told what is listed keeps what it wants of it, unless something befalls it."""


def keeps(schedule: Schedule, at: float) -> bool:
    """Whether a run that was told at `at` (seconds since the start) what is listed could keep what it wants."""
    befalls = schedule.of("store away", "disk full", "kill", "kill in a write", "power loss")
    return not any(fault.touches(at, at + TO_KEEP) for fault in befalls)


@dataclass
class Market:
    """The truth. `start` is the schedule's first ms."""

    schedule: Schedule
    start: int = START
    traits: Traits = field(init=False)
    lives: tuple[Instrument, ...] = field(init=False)
    """Every life of every contract."""
    first_listed: int | None = None
    """When anybody was first told what is listed and could keep what it wants of that: nobody can want a contract before."""
    moving: int = 0
    """ms before now in which buckets may be there as they were under way, however far from what they are in the end."""
    period: int | None = field(init=False)
    """The buckets that are collected; None where there is no history."""

    def __post_init__(self) -> None:
        schedule = self.schedule
        self.traits = traits(schedule.venue)
        history = self.traits.open_interest_history
        self.period = schedule.every if history is not None else None
        chance = random.Random(f"market {schedule.seed}")
        bases = ("BTC", "ETH")[: schedule.instruments]
        lives = [replace(perpetual(self.traits, base, listed=self.start - 90 * DAY), funding_minutes=schedule.settles) for base in bases]
        for fault in schedule.of("relisting")[:1]:  # the last contract ends, and comes back with other terms
            over = self.start + int(fault.start * SECOND)
            back = over + int((5 + fault.size * 40) * MINUTE)
            last = lives.pop()
            lives += [replace(last, delisted=over), replace(last, listed=back, contract_size=Decimal("0.1"))]
        self.lives = tuple(lives)
        slots = range(ceil(self.start - BACKFILL - HOUR, schedule.every), self.start + int(STORM * SECOND), schedule.every)
        self._holes = frozenset(slot for slot in slots if chance.random() < 0.03)
        self._late = [self._window(fault.start, fault.seconds) for fault in schedule.of("late publication")]

    def _window(self, start: float, seconds: float) -> Interval:
        return Interval(self.start + int(start * SECOND), self.start + int((start + seconds) * SECOND))

    def listed(self, now: int) -> tuple[Instrument, ...]:
        """What the venue lists: of each contract its present life, or the last one with its end."""
        begun = [one for one in self.lives if one.listed is None or one.listed <= now]
        newest = {one.id: one for one in begun}
        return tuple(one if one.delisted is None or one.delisted <= now else replace(one, delisted=None) for one in newest.values())

    def hole(self, one: Instrument, time: int) -> bool:
        """Whether there never is a bucket at this time, whatever the asker takes for the contract's life."""
        return time in self._holes or not self.trades(one.id, time)

    def trades(self, instrument: str, time: int) -> bool:
        return any(time in one.life for one in self._of(instrument))

    def hidden(self, time: int, now: int) -> bool:
        """Whether a bucket that ended while the venue published late cannot be seen yet."""
        end = time + (self.period or 0)
        return any(end in window and now < window.end for window in self._late)

    def open_interest(self, one: Instrument, time: int, now: int) -> str:
        """A bucket's value: it moves until some minutes after its end."""
        final = open_interest_of(one, time)
        end = time + (self.period or 0)
        return final if now >= end + AFTER else str(int(final) + 1 + now // MINUTE % 7)

    def buckets(self, instrument: str, span: Interval, *, whole: bool = True) -> dict[int, float]:
        """time -> base coins, of every bucket of an instrument that starts in the span.

        whole: not those that the contract's end cuts: nobody owes them, though the venue may serve them.
        """
        if self.period is None:
            return {}
        times = range(ceil(span.start, self.period), span.end, self.period)
        return {time: float(open_interest_of(one, time)) for one in self._of(instrument) for time in times if self._there(one, time, whole)}

    def _there(self, one: Instrument, time: int, whole: bool) -> bool:
        end = time + (self.period or 0) - 1 if whole else time
        return not self.hole(one, time) and time in one.life and end in one.life

    def _of(self, instrument: str) -> list[Instrument]:
        return [one for one in self.lives if one.id == instrument]

    def settlements(self, one: Instrument, span: Interval) -> Iterable[int]:
        period = (one.funding_minutes or 480) * MINUTE
        return (time for time in range(ceil(span.start, period), span.end, period) if self.trades(one.id, time))

    def settled(self, instrument: str, span: Interval) -> dict[int, float]:
        """time -> rate, of every settlement in the span."""
        found = ((one, time) for one in self._of(instrument) for time in self.settlements(one, span) if time in one.life)
        return {time: float(rate_of(one, time)) for one, time in found}
