"""What a venue says of windows that are kept already: heard, and committed by nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from perptape.claims import Claim
from perptape.collect.batch import Batch
from perptape.collect.grids import Grid, page_rule
from perptape.collect.venue import Venue
from perptape.exchanges.base import PageRule


class Heard(Batch):
    """Keeps what the venue said, and commits nothing."""

    def __init__(self, venue: Venue, dataset: str) -> None:
        environment = venue.asking.environment
        super().__init__(dataset, venue.commit, environment.monotonic, environment.aside)
        self.rows: list[Sequence[Any]] = []
        self.claims: list[Claim] = []

    async def add(self, rows: Iterable[Sequence[Any]], claims: Iterable[Claim]) -> None:
        self.rows.extend(rows)
        self.claims.extend(claims)


def paging(venue: Venue, grid: Grid) -> PageRule:
    """How a grid that has a history is paged."""
    rule = page_rule(venue.exchange.traits, grid)
    assert rule is not None, "history is paged"
    return rule
