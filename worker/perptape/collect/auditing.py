"""Asks a venue again for a sample of what is kept of one dataset, and stores where it says otherwise now.

Shell over `audit`: windows and pages are those of a fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import structlog

from perptape.claims import Claim
from perptape.collect.asking import VenueStopped
from perptape.collect.audit import Audited, Difference, compared, pages, past, sample
from perptape.collect.backfill import Backfill
from perptape.collect.grids import Grid
from perptape.collect.hearing import Heard, paging
from perptape.collect.measuring import Measuring
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


@dataclass(slots=True)
class Audit:
    """One dataset of one venue."""

    venue: Venue
    outcome: Outcome
    windows: int
    """So many calls at most."""
    settings: Settings
    session: Session

    async def carry_out(self) -> None:
        """Everything that goes wrong at the venue is in the outcome. Raises StoreError."""
        self.outcome.audited = audited = Audited()
        self.outcome.instruments = len(self.venue.chosen)
        try:
            for grid in self._grids:
                if not grid.sampled:
                    await self._grid(grid, audited)
        except (Retry, Skip) as error:
            self.outcome.failed.append(str(error))
        except (VenueStopped, Fatal) as error:
            self.outcome.error = str(error)
        told = {name: value for name, value in self.outcome.fields().items() if name not in ("state", "rows", "audited")}
        log.info("audited", outcome="differs" if audited.differs else self.outcome.state, **told, **audited.fields())

    async def measure(self) -> None:
        """By what time the venue stamps, where that can be measured: when nothing else is left to ask. It changes no outcome."""
        if self.outcome.audited is not None:
            measuring = Measuring(self.venue, self.session, self.outcome.audited, self.windows)
            await measuring.carry_out(self._grids)
            self.outcome.calls += measuring.outcome.calls

    @property
    def _grids(self) -> Sequence[Grid]:
        return self.venue.grids(self.outcome.dataset, self.settings)

    async def _grid(self, grid: Grid, audited: Audited) -> None:
        venue, kind, aside = self.venue, DATASETS[grid.dataset], self.venue.asking.environment.aside
        coverage = await aside(lambda: venue.tape.coverage(venue.name, grid.dataset))
        rule = paging(venue, grid)
        now = await venue.now()
        known: list[Window] = []
        for one in venue.chosen:
            damaged = [damage.over(grid.name) for damage in coverage.damage if damage.instrument == one.id]
            known += pages(one.id, past(complete(coverage, one.id, grid, one.life), damaged, grid, now), grid, rule)
        plan = sample(known, self.windows, venue.asking.environment.chance)
        audited.planned += len(plan)
        if not plan:
            return
        heard = await self._asked(grid, plan, settled_by(coverage))
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

    async def _asked(self, grid: Grid, plan: Sequence[Window], settled: dict[str, int]) -> Heard:
        """What the venue says of some windows now."""
        venue, heard = self.venue, Heard(self.venue, grid.dataset)
        fill = Backfill(venue.exchange, venue.asking, self.session, venue.targets, self.outcome, {grid.dataset: heard}, settled=settled)
        await fill.work(grid, paging(venue, grid), plan, 0)
        return heard

    def _compared(self, grid: Grid, window: Window, told: pa.Table, claims: Sequence[Claim]) -> tuple[int, list[Difference]]:
        """Against what is kept, read window by window: the past of a tape does not fit a pod's memory."""
        start, end = window.span.start - MINUTE, window.span.end + MINUTE
        tape = self.venue.tape.every_row(grid.dataset, [window.instrument], start, end)
        return compared(DATASETS[grid.dataset], grid, window, tape, told, claims)

    def _tell(self, found: Sequence[Difference]) -> None:
        for one in found[:TOLD]:
            log.warning(str(one), venue=self.venue.name, dataset=self.outcome.dataset, instrument=one.instrument, outcome=one.kind)
