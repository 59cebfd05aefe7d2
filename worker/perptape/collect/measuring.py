"""Measures by what time a venue stamps its history of open interest, when all of it has been audited.

Shell over `stamps`. It is asked once, for a few seconds: what goes wrong here is no failure of the audit, and takes no time from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from perptape.claims import sample_grid
from perptape.collect.asking import Asking
from perptape.collect.audit import Audited, pages
from perptape.collect.backfill import Backfill
from perptape.collect.grids import Grid
from perptape.collect.hearing import Heard, paging
from perptape.collect.outcome import Outcome
from perptape.collect.sampling import sampled
from perptape.collect.stamps import measured
from perptape.collect.targets import Session
from perptape.collect.venue import Venue
from perptape.datasets.open_interest import OPEN_INTEREST
from perptape.errors import PerptapeError
from perptape.instruments import Instrument
from perptape.interval import DAY, MINUTE, Interval, floor
from perptape.standing import GridRules

log = structlog.get_logger("perptape")
T = TypeVar("T")
SECONDS: Final = 5.0
"""So long the venue is asked at most."""
SAMPLED_FOR: Final = 30 * DAY
"""So long a sample is kept to measure by, though no part of the tape."""


@dataclass(slots=True)
class Measuring:
    """The stamps of one venue's history of open interest; what is found is noted in `audited`, and nothing else changes by it."""

    venue: Venue
    session: Session
    audited: Audited
    most: int
    """So many contracts at most."""
    asking: Asking = field(init=False)
    outcome: Outcome = field(init=False)
    """Of these calls alone."""

    def __post_init__(self) -> None:
        self.asking = replace(self.venue.asking, attempts=1)
        self.outcome = Outcome(self.venue.name, "open_interest")

    async def carry_out(self, grids: Sequence[Grid]) -> None:
        """By samples of ours: those of the tape, else of the audits, to which one is added. Raises nothing of a venue or a store."""
        history = self.venue.exchange.traits.open_interest_history
        grid = next((one for one in grids if one.dataset == "open_interest" and one.period is not None), None)
        if grid is None or grid.period is None or history is None:
            return
        few = self.venue.chosen[: self.most]
        if not few:
            return
        sampled_too = any(one.sampled for one in grids)
        try:
            rows = await (self._by_tape(grid, grid.period, few) if sampled_too else self._by_samples(grid, few))
            found = measured(self.venue.name, history.stamp, rows, grid.period)
            if found.buckets or not self.audited.unmeasured:
                self.audited.measured = found
        except PerptapeError as error:
            self.audited.unmeasured = str(error)
        self._tell()

    async def _by_tape(self, grid: Grid, period: int, few: Sequence[Instrument]) -> Sequence[pa.Table]:
        """The samples of the last day, which the tape has, and the history of it, which the venue is asked for."""
        venue, rule, ids = self.venue, paging(self.venue, grid), [one.id for one in few]
        now, heard = venue.clock(), Heard(self.venue, grid.dataset)
        ends = floor(now - grid.rules.delay, period)
        plan = [[*pages(one, [Interval(ends - DAY, ends)], grid, rule)][-1] for one in ids]
        fill = Backfill(venue.exchange, self.asking, self.session, venue.targets, self.outcome, {grid.dataset: heard})
        await self._briefly(fill.work(grid, rule, plan, 0))
        self._in_vain(not heard.rows)
        rows = await self.asking.environment.aside(lambda: venue.tape.every_row(grid.dataset, ids, now - DAY, now))
        return rows.filter(pc.equal(rows["period_minutes"], 0)), OPEN_INTEREST.table(heard.rows)

    async def _by_samples(self, grid: Grid, few: Sequence[Instrument]) -> Sequence[pa.Table]:
        """The history, which the tape has, and what audits sampled, with a sample of now."""
        venue, aside = self.venue, self.asking.environment.aside
        await self._sample(few)
        now, ids = venue.clock(), [one.id for one in few]
        rows = await aside(lambda: venue.tape.every_row(grid.dataset, ids, now - SAMPLED_FOR, now))
        return rows, await aside(lambda: venue.tape.samples(venue.name, grid.dataset))

    async def _sample(self, few: Sequence[Instrument]) -> None:
        """Keeps what the venue says of now beside the tape."""
        now = Grid("open_interest", sample_grid(MINUTE), MINUTE, GridRules(False, 0, DAY, MINUTE))

        async def ask(call: Callable[[], Awaitable[T]]) -> T:
            self.outcome.calls += 1
            return await self.asking.ask(call)

        found = await self._briefly(sampled(self.venue.exchange, now, few, ask, lambda lines: None, self.outcome))
        self._in_vain(found is None or not found.rows)
        if found is not None and found.rows:
            rows, since = OPEN_INTEREST.table(found.rows), self.asking.environment.clock() - SAMPLED_FOR
            await self.asking.environment.aside(lambda: self.venue.keep_sample(now.dataset, rows, since))

    async def _briefly(self, asked: Awaitable[T]) -> T | None:
        """What comes of it within a few seconds; why nothing did is in the outcome."""
        try:
            async with asyncio.timeout(SECONDS) as limit:
                return await asked
        except TimeoutError:
            if not limit.expired():
                raise
            reason = self.asking.circuit.reason
            self.outcome.failed.append(f"{self.venue.name}: no answer within {SECONDS:.0f} s" + (f" ({reason})" if reason else ""))
        except PerptapeError as error:
            self.outcome.failed.append(str(error))
        return None

    def _in_vain(self, nothing: bool) -> None:
        """Where nothing came of the calls, why."""
        if nothing:
            self.audited.unmeasured = [*self.outcome.failed, *self.outcome.skipped, "there was no time left"][0]

    def _tell(self) -> None:
        audited, names = self.audited, {"venue": self.venue.name, "dataset": self.outcome.dataset}
        if audited.measured is not None and audited.measured.contradicts:
            log.warning(audited.measured.warning, **names, **audited.measured.fields())
        told = {} if audited.measured is None else audited.measured.fields()
        trouble = {"error": audited.unmeasured} if audited.unmeasured else {}
        log.info("stamps measured", **names, outcome="failed" if trouble else "ok", calls=self.outcome.calls, **told, **trouble)
