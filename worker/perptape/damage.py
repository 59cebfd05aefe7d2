"""Rows that the store lost, and which claims say nothing any more because of it.

Pure. Times are ms; those of damage are of the store's clock, those of claims of the venue's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from perptape.claims import Claim, grid_step, is_period
from perptape.interval import Interval, ceil

REPAIRED = "repaired after "

DAMAGED = "damaged"
"""Why time is lost whose rows the store lost."""

REBUILT = "rebuilt from rows"
"""The cause of a stream's claims that were made again from what is left. They say that nobody knows, which damage does not take away."""


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """A file of rows was lost from the store; `time` is when that was found.

    ``[start, end)``: the event times that its rows may have had; `first`: the earliest ts_init.
    """

    instrument: str
    start: int
    end: int
    time: int
    first: int = 0

    def over(self, grid: str) -> Interval:
        """The time of a grid about which nothing that was claimed before is believed.

        Of the time after it was found it says nothing, but that the slot in progress was in the file. Rows of a period are known
        long after its start (ts_init); all others at their event time, so that none of them was before `first`.
        """
        start = self.start if is_period(grid) else max(self.start, self.first)
        return Interval(start, max(start, min(self.end, ceil(self.time, grid_step(grid) or 1))))


def repaired(claims: Iterable[Claim], damage: Iterable[Damage]) -> Iterator[Claim]:
    """Claims made with knowledge of `damage`, marked with the newest that they reach: asking times are floored to the day and hide it."""
    records = tuple(damage)
    for claim in claims:
        times = [one.time for one in records if one.instrument == claim.instrument and claim.span.intersection(one.over(claim.grid))]
        yield replace(claim, cause=f"{REPAIRED}{max(times):015d}") if times and claim.kind != "hole" else claim


def masked(claims: Iterable[Claim], damage: Iterable[Damage]) -> Iterator[Claim]:
    """The claims less what damage took away: a claim counts over a damaged time only if it was asked again after the damage."""
    by_instrument: dict[str, list[Damage]] = {}
    for record in damage:
        by_instrument.setdefault(record.instrument, []).append(record)
    for claim in claims:
        pieces = [claim]
        if claim.kind != "hole":
            for record in by_instrument.get(claim.instrument, ()):
                if not _outlives(claim, record):
                    pieces = [left for piece in pieces for left in _without(piece, record.over(claim.grid))]
        yield from pieces


def _outlives(claim: Claim, record: Damage) -> bool:
    if claim.cause == REBUILT and claim.kind == "live":
        return True
    return claim.asked_last > record.time or (claim.cause.startswith(REPAIRED) and int(claim.cause.removeprefix(REPAIRED)) >= record.time)


def _without(claim: Claim, lost: Interval) -> Iterator[Claim]:
    if claim.span.intersection(lost) is None:
        yield claim
        return
    if claim.start < lost.start:
        yield replace(claim, end=lost.start)
    if claim.end > lost.end:
        yield replace(claim, start=lost.end)
