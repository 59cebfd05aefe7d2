"""What a catalog holds and what it lacks, per venue, dataset, instrument and grid.

Pure over what is handed in: coverage, instruments, the time. Every figure is computed from claims and wants; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from perptape.claims import Want
from perptape.collect.grids import Grid, by_name
from perptape.collect.plan import judged
from perptape.coverage import Coverage
from perptape.damage import REBUILT
from perptape.datasets import DATASETS
from perptape.datasets.instruments import SeenInstrument
from perptape.exchanges.registry import VENUES, traits
from perptape.instruments import END_OF_TIME, Instrument
from perptape.interval import Interval, union
from perptape.standing import State, Status, watermark

HOLES: tuple[Status, ...] = ("open", "lost", "unproven")
KEPT = ("complete", "sampled", "live")


@dataclass(frozen=True, slots=True)
class Standing:
    """One instrument's grid. Times in ms UTC; lengths in ms. `wanted` is False for time that is claimed and nobody wants now."""

    venue: str
    dataset: str
    instrument: str
    grid: str
    states: tuple[State, ...]
    watermark: int | None
    trusted: bool = True

    def length(self, *statuses: Status) -> int:
        """ms of the wanted time that stand so."""
        return sum(len(state.span) for state in self.states if state.status in statuses)

    def holes(self, status: Status) -> list[tuple[Interval, str]]:
        """The spans that stand so, with their reasons."""
        return [(state.span, state.reason) for state in self.states if state.status == status]

    @property
    def first(self) -> int | None:
        """Where the oldest covered time begins."""
        return min((s.span.start for s in self.states if s.status in ("complete", "sampled", "empty")), default=None)

    @property
    def wanted(self) -> tuple[Interval, ...]:
        return union(state.span for state in self.states)


def holes(found: Iterable[Standing]) -> Iterator[tuple[Standing, Status, Interval, str]]:
    """Every hole: whose it is, its kind, its span, and the reason where one is known."""
    return ((one, kind, span, reason) for one in found for kind in HOLES for span, reason in one.holes(kind))


class Reader(Protocol):
    """What is needed of a catalog."""

    def coverage(self, venue: str, dataset: str) -> Coverage: ...

    def instruments(self, venue: str) -> Sequence[SeenInstrument]: ...


def of_coverage(
    venue: str, dataset: str, coverage: Coverage, instruments: Iterable[SeenInstrument], now: int, *, unwanted: bool = True
) -> list[Standing]:
    """The standings of one venue and dataset. `now` is ms on the venue's clock. `unwanted`: also of what is kept and nobody wants now."""
    lives: dict[str, list[Instrument]] = {}
    for seen in instruments:
        lives.setdefault(seen.instrument.id, []).append(seen.instrument)
    wants: dict[tuple[str, str], list[Want]] = {}
    for want in coverage.wants:
        wants.setdefault((want.instrument, want.grid), []).append(want)
    for key, kept in (_kept(coverage, wants.keys()) if unwanted else {}).items():
        wants.setdefault(key, []).extend(kept)
    found = []
    for (instrument, name), mine in sorted(wants.items()):
        grid = by_name(traits(venue), dataset, name)
        if grid is None:
            continue
        states = _over(lives.get(instrument, ()), grid, instrument, coverage, mine, now)
        upto = watermark(states)  # a sample's slot reaches into the future, what is known does not
        found.append(Standing(venue, dataset, instrument, name, states, None if upto is None else min(upto, now), coverage.trusted))
    return found


def _kept(coverage: Coverage, wanted: Container[tuple[str, str]]) -> dict[tuple[str, str], list[Want]]:
    """What is kept though nobody wants it now: fetched once, or its wants are lost with the coverage, whatever is wanted since."""
    found: dict[tuple[str, str], list[Want]] = {}
    for claim in coverage.claims:
        key = claim.instrument, claim.grid
        if claim.kind in KEPT and (key not in wanted or claim.cause == REBUILT):
            found.setdefault(key, []).append(Want("", "", *key, claim.start, claim.end, claim.end))
    return found


def _over(
    lives: Sequence[Instrument], grid: Grid, instrument: str, coverage: Coverage, wants: Sequence[Want], now: int
) -> tuple[State, ...]:
    """The standing over all lives of a ticker, each judged for itself, in order."""
    if not lives:
        return judged(grid, instrument, coverage, wants, now, Interval(0, END_OF_TIME))
    found = [state for one in lives for state in judged(grid, instrument, coverage, wants, now, one.life, one.funding_minutes)]
    return tuple(sorted(found, key=lambda state: state.span))


def standings(
    reader: Reader, now: int, venues: Iterable[str] = VENUES, datasets: Iterable[str] = tuple(DATASETS), *, unwanted: bool = True
) -> list[Standing]:
    """Every standing of a catalog, by venue, dataset, instrument and grid. `unwanted`: also of what is kept and nobody wants now."""
    found: list[Standing] = []
    chosen = tuple(datasets)
    for venue in venues:
        instruments = reader.instruments(venue)
        for dataset in chosen:
            coverage = reader.coverage(venue, dataset)
            if coverage.claims or coverage.wants:
                found.extend(of_coverage(venue, dataset, coverage, instruments, now, unwanted=unwanted))
    return found
