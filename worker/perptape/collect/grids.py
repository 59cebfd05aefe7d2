"""Which grids a dataset of a spec is collected on at a venue, and by what rules each is judged.

Pure: traits and settings in, grids out.
"""

from __future__ import annotations

from dataclasses import dataclass

from perptape.claims import SETTLED, STREAM, grid_step, period_grid, sample_grid
from perptape.exchanges.base import History, PageRule, Traits
from perptape.interval import DAY, HOUR, MINUTE
from perptape.standing import GridRules


@dataclass(frozen=True, slots=True)
class Grid:
    """One grid to keep up. `dataset` is where its rows go; `period` is the bucket in ms (None: settlements, samples, streams).

    backfill: how far before a session's start it is wanted, ms. lasting: False when it is wanted only up to the session's start.
    """

    dataset: str
    name: str
    every: int
    rules: GridRules
    period: int | None = None
    backfill: int = 0
    lasting: bool = True

    @property
    def sampled(self) -> bool:
        return self.name.startswith("sample/")


def open_interest_grids(traits: Traits, every: int, backfill: int) -> tuple[Grid, ...]:
    """The largest period of the venue's history that divides `every`; else samples, and the finest history for the past."""
    history = traits.open_interest_history
    if history is not None:
        fitting = [period for period in history.periods if period <= every and every % period == 0]
        if fitting:
            return (_period(history, max(fitting), every, backfill),)
    samples = Grid("open_interest", sample_grid(every), every, GridRules(False, 0, DAY, every))
    if history is None or not backfill:
        return (samples,)
    past = _period(history, min(history.periods), every, backfill)
    return samples, Grid(past.dataset, past.name, past.every, past.rules, past.period, past.backfill, lasting=False)


def _period(history: History, period: int, every: int, backfill: int) -> Grid:
    rules = GridRules(True, history.publication_delay, history.final_after, every, history.kept(period))
    return Grid("open_interest", period_grid(period), every, rules, period, backfill)


def funding_grids(traits: Traits, every: int, backfill: int) -> tuple[Grid, ...]:
    """Settled rates over time, and one prediction sample per `every`."""
    history = traits.funding_history
    settled = GridRules(True, history.publication_delay, history.final_after, every, history.retention)
    return (
        Grid("funding", SETTLED, every, settled, None, backfill),
        Grid("funding_prediction", sample_grid(every), every, GridRules(False, 0, DAY, every)),
    )


def stream_grid(traits: Traits) -> Grid | None:
    """The liquidation stream's grid; None where the venue has no public feed."""
    feed = traits.feed
    if feed is None:
        return None
    rules = GridRules(feed.repair != "none", 0, DAY, MINUTE, feed.repair_retention, leaves_out=feed.completeness == "sampled")
    return Grid("liquidations", STREAM, MINUTE, rules)


def by_name(traits: Traits, dataset: str, name: str) -> Grid | None:
    """The grid of that name as it is judged when no spec is at hand (status of a catalog); None for one nobody knows."""
    history = traits.open_interest_history
    if name == STREAM:
        return stream_grid(traits)
    if name == SETTLED:
        return funding_grids(traits, HOUR, 0)[0]
    if name.startswith("sample/"):
        every = grid_step(name) or HOUR
        return Grid(dataset, name, every, GridRules(False, 0, DAY, every))
    if history is not None:
        for period in history.periods:
            if period_grid(period) == name:
                return _period(history, period, period, 0)
    return None


def page_rule(traits: Traits, grid: Grid) -> PageRule | None:
    """How the history behind a grid is paged; None where there is none."""
    if grid.name == STREAM:
        return None if traits.feed is None else traits.feed.repair_page
    history = traits.funding_history if grid.dataset == "funding" else traits.open_interest_history
    return None if history is None else history.page
