"""Asks a venue again for a sample of what is kept of one dataset, and stores where it says otherwise now.

Shell over `audit`: windows and pages are those of a fill.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from perptape.claims import Claim, sample_grid
from perptape.collect.asking import VenueStopped
from perptape.collect.audit import Audited, Difference, compared, pages, past, sample
from perptape.collect.backfill import Backfill
from perptape.collect.batch import Batch
from perptape.collect.grids import Grid, page_rule
from perptape.collect.outcome import Outcome
from perptape.collect.plan import Window, complete, settled_by
from perptape.collect.sampling import sampled
from perptape.collect.stamps import Measured, measured
from perptape.collect.targets import Session
from perptape.collect.venue import Settings, Venue
from perptape.datasets import DATASETS
from perptape.datasets.open_interest import OPEN_INTEREST
from perptape.errors import Fatal, Retry, Skip
from perptape.exchanges.base import PageRule
from perptape.instruments import Instrument
from perptape.interval import DAY, MINUTE, NS, Interval, floor
from perptape.standing import GridRules

log = structlog.get_logger("perptape")
T = TypeVar("T")
TOLD = 50
"""So many differences of one dataset are logged; all are counted."""
SAMPLED_FOR = 30 * DAY
"""So long a sample is kept to measure by, though no part of the tape."""


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


def _paging(venue: Venue, grid: Grid) -> PageRule:
    rule = page_rule(venue.exchange.traits, grid)
    assert rule is not None, "history is paged"
    return rule


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
            grids = self.venue.grids(self.outcome.dataset, settings)
            for grid in grids:
                if not grid.sampled:
                    await self._grid(grid, session, audited)
            audited.measured = await self._measured(grids, session)
        except (Retry, Skip) as error:
            self.outcome.failed.append(str(error))
        except (VenueStopped, Fatal) as error:
            self.outcome.error = str(error)
        told = {name: value for name, value in self.outcome.fields().items() if name not in ("state", "rows", "audited")}
        if audited.measured is not None and audited.measured.contradicts:
            log.warning(audited.measured.warning, venue=self.venue.name, dataset=self.outcome.dataset, **audited.measured.fields())
        log.info("audited", outcome="differs" if audited.differs else self.outcome.state, **told, **audited.fields())

    async def _grid(self, grid: Grid, session: Session, audited: Audited) -> None:
        venue, kind, aside = self.venue, DATASETS[grid.dataset], self.venue.asking.environment.aside
        coverage = await aside(lambda: venue.tape.coverage(venue.name, grid.dataset))
        rule = _paging(venue, grid)
        now = await venue.now()
        known: list[Window] = []
        for one in [target.instrument for target in venue.targets if target.instrument is not None]:
            damaged = [damage.over(grid.name) for damage in coverage.damage if damage.instrument == one.id]
            known += pages(one.id, past(complete(coverage, one.id, grid, one.life), damaged, grid, now), grid, rule)
        plan = sample(known, self.windows, venue.asking.environment.chance)
        audited.planned += len(plan)
        if not plan:
            return
        heard = await self._asked(grid, plan, session, settled_by(coverage))
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

    async def _asked(self, grid: Grid, plan: Sequence[Window], session: Session, settled: dict[str, int]) -> _Heard:
        """What the venue says of some windows now."""
        venue, heard = self.venue, _Heard(self.venue, grid.dataset)
        fill = Backfill(venue.exchange, venue.asking, session, venue.targets, self.outcome, {grid.dataset: heard}, settled=settled)
        await fill.work(grid, _paging(venue, grid), plan, 0)
        return heard

    async def _measured(self, grids: Sequence[Grid], session: Session) -> Measured | None:
        """By what time the venue stamps its history, by samples of ours: those of the tape, else of the audits, to which one is added.

        None where there is no history of what can be sampled.
        """
        venue, history, aside = self.venue, self.venue.exchange.traits.open_interest_history, self.venue.asking.environment.aside
        grid = next((one for one in grids if one.dataset == "open_interest" and one.period is not None), None)
        if grid is None or grid.period is None or history is None:
            return None
        few = [target.instrument for target in venue.targets if target.instrument is not None][: self.windows]
        now, ids = await venue.now(), [one.id for one in few]
        if any(one.sampled for one in grids):
            ends = floor(now - grid.rules.delay, grid.period)
            plan = [[*pages(one, [Interval(ends - DAY, ends)], grid, _paging(venue, grid))][-1] for one in ids]
            told = OPEN_INTEREST.table((await self._asked(grid, plan, session, {})).rows)
            rows = await aside(lambda: venue.tape.every_row(grid.dataset, ids, now - DAY, now))
            return measured(venue.name, history.stamp, [rows.filter(pc.equal(rows["period_minutes"], 0)), told], grid.period)
        await self._sample(few)
        rows = await aside(lambda: venue.tape.every_row(grid.dataset, ids, now - SAMPLED_FOR, now))
        samples = await aside(lambda: venue.tape.samples(venue.name, grid.dataset))
        return measured(venue.name, history.stamp, [rows, samples], grid.period)

    async def _sample(self, instruments: Sequence[Instrument]) -> None:
        """Keeps what the venue says of now beside the tape."""
        asking, exchange, outcome = self.venue.asking, self.venue.exchange, self.outcome
        now = Grid("open_interest", sample_grid(MINUTE), MINUTE, GridRules(False, 0, DAY, MINUTE))

        async def ask(call: Callable[[], Awaitable[T]]) -> T:
            outcome.calls += 1
            return await asking.ask(call)

        found = await sampled(exchange, now, instruments, ask, lambda lines: None, outcome) if instruments else None
        if found is not None and found.rows:
            rows, since = OPEN_INTEREST.table(found.rows), asking.environment.clock() - SAMPLED_FOR
            await asking.environment.aside(lambda: self.venue.keep_sample(now.dataset, rows, since))

    def _compared(self, grid: Grid, window: Window, told: pa.Table, claims: Sequence[Claim]) -> tuple[int, list[Difference]]:
        """Against what is kept, read window by window: the past of a tape does not fit a pod's memory."""
        start, end = window.span.start - MINUTE, window.span.end + MINUTE
        tape = self.venue.tape.every_row(grid.dataset, [window.instrument], start, end)
        return compared(DATASETS[grid.dataset], grid, window, tape, told, claims)

    def _tell(self, found: Sequence[Difference]) -> None:
        for one in found[:TOLD]:
            log.warning(str(one), venue=self.venue.name, dataset=self.outcome.dataset, instrument=one.instrument, outcome=one.kind)
