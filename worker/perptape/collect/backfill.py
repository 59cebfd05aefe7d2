"""Fetches what is due of one dataset at one venue: gaps -> windows -> pages -> rows -> segment.

A thin shell: `plan` decides what to ask, `harvest` what an answer is worth, `Asking` when. Stops between pages when time is over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from perptape.claims import join_wants
from perptape.collect.asking import Asking, TimeOver
from perptape.collect.batch import Batch
from perptape.collect.doubts import best
from perptape.collect.grids import Grid, page_rule
from perptape.collect.harvest import NEVER, Harvest, funding_page, history_page, settlements
from perptape.collect.outcome import Outcome
from perptape.collect.pages import Pages
from perptape.collect.paginate import request
from perptape.collect.plan import Window, complete, due, judged, ordered, settled_by, windows
from perptape.collect.sampling import sampled
from perptape.collect.targets import Session, former
from perptape.coverage import Coverage
from perptape.damage import Damage, repaired
from perptape.datasets import funding
from perptape.errors import Doubtful, Retry, Skip, StoreError
from perptape.exchanges.base import Exchange, PageRule
from perptape.instruments import END_OF_TIME, Instrument, Resolution
from perptape.interval import DAY, HOUR, MINUTE, Interval, hull

T = TypeVar("T")

CONCURRENT = 8
"""Windows of one venue under way at once: enough to keep the limiter busy over a slow line."""

SHRINK = (5 * MINUTE, HOUR, 6 * HOUR, DAY, 2 * DAY)
"""By how much a refused start is moved, one after another."""

RUN_ESTIMATE = HOUR


@dataclass(slots=True)
class Backfill:
    """One dataset of one venue. `batches` by dataset name; `outcome` counts."""

    exchange: Exchange
    asking: Asking
    session: Session
    targets: Sequence[Resolution]
    outcome: Outcome
    batches: dict[str, Batch]
    advanced: Callable[[int, int, int], None] = lambda done, total, rows: None
    until: float | None = None
    """The monotonic second at which this fetch stops between pages; what is left is `remaining`."""
    delisted: set[str] = field(default_factory=set)
    """Those of which nothing new comes and something was missing."""
    _total: int = 0
    _done: int = 0
    _by_id: dict[str, Instrument] = field(default_factory=dict)
    _wanted: dict[str, tuple[Interval, ...]] = field(default_factory=dict)
    """What is asked for, by instrument: windows hold more."""
    _damage: tuple[Damage, ...] = ()
    settled: dict[str, int] = field(default_factory=dict)
    """By when (ms) the store knows of settlements of each instrument."""

    def __post_init__(self) -> None:
        self._by_id = {t.instrument.id: t.instrument for t in self.targets if t.instrument is not None}

    @property
    def over(self) -> bool:
        """Whether the time of this fetch, or of the whole run, has passed."""
        return self.asking.over or (self.until is not None and self.asking.environment.monotonic() >= self.until)

    async def want(self, grids: Sequence[Grid], coverage: Coverage) -> None:
        """Stores what is wanted on the grids of a dataset before anything is asked: killed before its first rows, a process has a
        successor that wants from later. Raises Fatal and what `now` does.
        """
        now = await self.exchange.now()
        for grid in grids:
            self._open(grid, coverage, now)
        with suppress(StoreError):  # they stay in the batch, and go with the rows
            await self.batches[grids[0].dataset].commit()

    async def grid(self, grid: Grid, coverage: Coverage) -> None:
        """Obtains what is due on one grid, also of lives that ended. Raises Fatal, StoreError and VenueStopped."""
        await self._lives(grid, coverage)
        if not grid.sampled:
            for targets in former(self.targets):
                await replace(self, targets=targets).grid(grid, coverage)

    async def _lives(self, grid: Grid, coverage: Coverage) -> None:
        now = await self.exchange.now()
        self._damage = coverage.damage
        self.settled = settled_by(coverage)
        open_time = self._wanted = self._open(grid, coverage, now)
        if grid.sampled:
            await self._sample(grid, [self._by_id[one] for one in open_time])
            return
        if (rule := page_rule(self.exchange.traits, grid)) is None:
            return
        lives = {one: self._by_id[one].life for one in open_time}
        lists = [
            windows(one, grid, spans, rule, now, lives[one].start, complete(coverage, one, grid, lives[one]))
            for one, spans in open_time.items()
        ]
        plan = ordered(lists, grid.rules.floor(now), RUN_ESTIMATE)
        await self.work(grid, rule, plan, sum(map(bool, lists)))

    def _open(self, grid: Grid, coverage: Coverage, now: int) -> dict[str, tuple[Interval, ...]]:
        """The open time that may be asked for now, by instrument; asserts the wants on the way."""
        found: dict[str, tuple[Interval, ...]] = {}
        batch = self.batches[grid.dataset]
        for target in self.targets:
            if target.instrument is None:
                continue
            one = target.instrument.id
            mine = self.session.want(grid, target, now, coverage)
            wants = [w for w in coverage.wants if (w.spec, w.instrument, w.grid) == (self.session.spec, one, grid.name)]
            instrument = target.instrument
            states = judged(grid, one, coverage, join_wants([*wants, mine]), now, instrument.life, instrument.funding_minutes)
            if states or instrument.delisted is None:
                batch.want([mine])
            if spans := due(states, END_OF_TIME if self.session.insists else now):
                found[one] = spans
                self.delisted |= {one} if instrument.delisted is not None else set()
        return found

    async def work(self, grid: Grid, rule: PageRule, plan: Sequence[Window], fresh: int) -> None:
        """Asks every window; the first `fresh` of them hold what is due."""
        queue = deque(plan)
        self._total, self._done = len(plan), 0

        async def worker() -> None:
            while queue and not self.over:
                self.asking.filling(past=len(plan) - len(queue) >= fresh)
                await self._window(grid, rule, queue.popleft())

        tasks = [asyncio.ensure_future(worker()) for _ in range(min(CONCURRENT, len(plan)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.outcome.remaining += len(queue)

    async def _window(self, grid: Grid, rule: PageRule, window: Window) -> None:
        """All pages of one window; what they prove is handed over at its end, or when it ends early."""
        pages = Pages(window, self._wanted.get(window.instrument, ()))
        try:
            while window.span and not self.over:
                left = await self._page(grid, rule, window, pages)
                if left is None:
                    window = Window(window.instrument, window.grid, Interval(window.span.end, window.span.end))
                    break
                window = Window(window.instrument, window.grid, left)
            if window.span:
                self.outcome.remaining += 1
        except TimeOver:
            self.outcome.remaining += 1
        except (Retry, Skip) as error:
            await self._unanswered(window, pages, error)
        finally:
            await self._hand_over(grid, pages)
        self._done += 1
        self.advanced(self._done, self._total, self.outcome.rows)

    async def _unanswered(self, window: Window, pages: Pages, error: Retry | Skip) -> None:
        one = self._by_id[window.instrument]
        last = one.delisted is not None and isinstance(error, (Doubtful, Skip))
        said = f"{one.id}: {str(error).removeprefix(f'{one.id}: ')}"
        (self.outcome.skipped if last or isinstance(error, Skip) else self.outcome.failed).append(said)
        if last:
            pages.refuse(one, window.span, await self.exchange.now())

    async def _page(self, grid: Grid, rule: PageRule, window: Window, pages: Pages) -> Interval | None:
        instrument = self._by_id[window.instrument]
        for moved in (0, *SHRINK):
            now = await self.exchange.now()
            floor = grid.rules.floor(now) + moved if grid.rules.retention is not None else 0
            span = Interval(min(max(window.span.start, floor), window.span.end), window.span.end)
            if not span:
                self.outcome.skipped.append(f"{window.instrument}: past {self.exchange.traits.title}'s retention")
                return None
            asked = request(hull(span, window.beside), rule, now)
            asked = Interval(max(asked.start, min(floor, span.start)), asked.end)
            try:
                answer = partial(self._answer, grid, rule, instrument, replace(window, span=span), asked, pages)
                harvest = await best(answer, self.asking.pause)
            except Skip as error:
                if not error.shrink:
                    raise
                continue
            pages.add(harvest)
            if harvest.doubt and not window.oldest:
                raise Doubtful(harvest.doubt)
            self.outcome.windows += 1
            return harvest.left
        raise Skip(f"{self.exchange.traits.title} refuses every start of {window.instrument}'s history")

    async def _answer(self, grid: Grid, rule: PageRule, one: Instrument, window: Window, asked: Interval, pages: Pages) -> Harvest:
        """One answer's worth."""
        if grid.dataset == "funding":
            settled = await self._ask(lambda: self.exchange.funding_page(one, asked))
            self._count(settled.dropped)
            told, unread = settled.rows, len(settled.dropped)
            seen = self.settled.get(one.id, NEVER)
            return pages.due(funding_page(window, asked, told, pages.raws, grid, rule, settled.received, unread, one.life, seen))
        answer = await self._ask(lambda: self.exchange.open_interest_page(one, grid.period or 0, asked))
        self._count(answer.dropped)
        return pages.due(history_page(window, asked, answer.rows, grid, rule, answer.received, len(answer.dropped)))

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's answer; every attempt is counted here, since several outcomes of a venue share its `asking`."""

        def counted() -> Awaitable[T]:
            self.outcome.calls += 1
            return call()

        return await self.asking.ask(counted)

    async def _hand_over(self, grid: Grid, pages: Pages) -> None:
        """Gives rows and claims of a window to the batch, together."""
        settled = settlements(pages.raws, pages.received, self.exchange.traits.funding_fixed_interval)
        if odd := funding.off_minute(settled):
            self.asking.on_trouble(odd)
        rows = [*pages.rows, *settled]
        self.outcome.rows += len(rows)
        self._count(pages.dropped)
        self.outcome.suspicious += pages.suspicious
        self.outcome.failed.extend(pages.spoilt)
        if rows or pages.claims:
            await self.batches[grid.dataset].add(rows, pages.claimed(self._by_id[pages.window.instrument], self._damage))

    async def _sample(self, grid: Grid, instruments: Sequence[Instrument]) -> None:
        self.asking.filling(past=False)
        harvest = await sampled(self.exchange, grid, instruments, self._ask, self._count, self.outcome) if instruments else None
        if harvest is not None:
            await self.batches[grid.dataset].add(harvest.rows, list(repaired(harvest.claims, self._damage)))

    def _count(self, dropped: Sequence[str]) -> None:
        self.outcome.dropped += len(dropped)
        for line in dropped[:5]:
            self.asking.on_trouble(f"dropped: {line}")
