"""Asks a venue again for a sample of what is kept of one dataset, and stores where it says otherwise now.

Shell over `audit`: windows and pages are those of a fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import structlog

from perptape.claims import Claim
from perptape.collect.asking import VenueStopped
from perptape.collect.audit import Audited, Difference, compared, pages, past, sample
from perptape.collect.backfill import Backfill
from perptape.collect.batch import Batch
from perptape.collect.grids import Grid, page_rule
from perptape.collect.outcome import Outcome
from perptape.collect.plan import Window, complete, settled_by
from perptape.collect.targets import Session
from perptape.collect.venue import Settings, Venue
from perptape.datasets import DATASETS
from perptape.errors import Fatal, Retry, Skip
from perptape.interval import MINUTE, NS

log = structlog.get_logger("perptape")
TOLD = 50
"""So many differences of one dataset are logged; all are counted."""


class _Heard(Batch):
    """Keeps what the venue said, and commits nothing."""

    def __init__(self, venue: Venue, dataset: str) -> None:
        environment = venue.asking.environment
        super().__init__(dataset, venue.commit, environment.monotonic, environment.aside)
        self.rows: list[Sequence[Any]] = []
        self.claims: list[Claim] = []

    async def add(self, rows: Iterable[Sequence[Any]], claims: Iterable[Claim]) -> None:
        self.rows.extend(rows)
        self.claims.extend(claims)


@dataclass(slots=True)
class Audit:
    """One dataset of one venue."""

    venue: Venue
    outcome: Outcome
    windows: int
    """So many calls at most."""

    async def carry_out(self, settings: Settings, session: Session) -> None:
        """Everything that goes wrong at the venue is in the outcome. Raises StoreError."""
        self.outcome.audited = audited = Audited()
        self.outcome.instruments = sum(1 for target in self.venue.targets if target.instrument is not None)
        try:
            for grid in self.venue.grids(self.outcome.dataset, settings):
                if not grid.sampled:
                    await self._grid(grid, session, audited)
        except (Retry, Skip) as error:
            self.outcome.failed.append(str(error))
        except (VenueStopped, Fatal) as error:
            self.outcome.error = str(error)
        told = {name: value for name, value in self.outcome.fields().items() if name not in ("state", "rows", "audited")}
        log.info("audited", outcome="differs" if audited.differs else self.outcome.state, **told, **audited.fields())

    async def _grid(self, grid: Grid, session: Session, audited: Audited) -> None:
        venue, kind, aside = self.venue, DATASETS[grid.dataset], self.venue.asking.environment.aside
        coverage = await aside(lambda: venue.tape.coverage(venue.name, grid.dataset))
        rule = page_rule(venue.exchange.traits, grid)
        assert rule is not None, "history is paged"
        now = await venue.now()
        known: list[Window] = []
        for one in [target.instrument for target in venue.targets if target.instrument is not None]:
            damaged = [damage.over(grid.name) for damage in coverage.damage if damage.instrument == one.id]
            known += pages(one.id, past(complete(coverage, one.id, grid, one.life), damaged, grid, now), grid, rule)
        plan = sample(known, self.windows, venue.asking.environment.chance)
        audited.planned += len(plan)
        if not plan:
            return
        heard = _Heard(venue, grid.dataset)
        fill = Backfill(venue.exchange, venue.asking, session, venue.targets, self.outcome, {grid.dataset: heard})
        fill.settled = settled_by(coverage)
        await fill.work(grid, rule, plan, 0)
        told = kind.table(heard.rows)
        wrong: set[tuple[str, int]] = set()
        for window in plan:
            rows, found = await aside(partial(self._compared, grid, window, told, heard.claims))
            audited.count(rows, found)
            self._tell(found)
            wrong |= {(one.instrument, one.time) for one in found if one.kind != "withdrawn"}
        column = kind.schema.get_field_index("ts_event")
        if right := [row for row in heard.rows if (row[0], row[column] // NS) in wrong]:
            await aside(lambda: venue.commit(grid.dataset, kind.table(right), (), ()))

    def _compared(self, grid: Grid, window: Window, told: pa.Table, claims: Sequence[Claim]) -> tuple[int, list[Difference]]:
        """Against what is kept, read window by window: the past of a tape does not fit a pod's memory."""
        start, end = window.span.start - MINUTE, window.span.end + MINUTE
        tape = self.venue.tape.every_row(grid.dataset, [window.instrument], start, end)
        return compared(DATASETS[grid.dataset], grid, window, tape, told, claims)

    def _tell(self, found: Sequence[Difference]) -> None:
        for one in found[:TOLD]:
            log.warning(str(one), venue=self.venue.name, dataset=self.outcome.dataset, instrument=one.instrument, outcome=one.kind)
