"""One venue in a run: connects, finds its instruments, fetches its datasets. Its failures are its own.

Shell: everything it decides with is given or pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from perptape.claims import Claim, Want
from perptape.collect.asking import Asking, VenueStopped
from perptape.collect.backfill import Backfill
from perptape.collect.batch import Batch, commit_all
from perptape.collect.figures import Figures, figures, symbols, wanted_by
from perptape.collect.grids import Grid, funding_grids, open_interest_grids, stream_grid
from perptape.collect.mending import Mending
from perptape.collect.outcome import Outcome
from perptape.collect.report import Standing
from perptape.collect.targets import Session
from perptape.coverage import Coverage
from perptape.datasets.instruments import SeenInstrument, seen_rows
from perptape.datasets.lifetimes import lives, news
from perptape.errors import Fatal, PerptapeError, Retry, Skip
from perptape.exchanges.base import Exchange
from perptape.instruments import Instrument, Resolution
from perptape.interval import SECOND
from perptape.store.looked import Looked
from perptape.store.tape import Tape
from perptape_api.collect import Funding, OpenInterest

log = structlog.get_logger("perptape")

OFF = SECOND
"""A difference between the local clock and the venue's that is worth a line."""

Settings = OpenInterest | Funding
Advanced = Callable[[str, str, int, int, int], None]


class Venue:
    """Holds the connection and the calls' budget of one venue for the length of a run."""

    def __init__(self, exchange: Exchange, asking: Asking, tape: Tape, writer: str, advanced: Advanced | None = None) -> None:
        self.exchange, self.asking, self.tape = exchange, asking, tape
        self.name = exchange.traits.venue
        self._writer = writer
        self._advanced = advanced
        self.instruments: tuple[Instrument, ...] = ()
        self.targets: Sequence[Resolution] = ()
        self._looked: Looked | None = None

    async def list_instruments(self) -> tuple[Instrument, ...]:
        """What the venue lists, with what the tape remembers of it. Raises Retry, Skip, Fatal, VenueStopped, StoreError."""
        fresh = await self.asking.ask(self.exchange.instruments)
        if not fresh:
            raise Retry(f"{self.name} lists no instruments; not believed")
        now = await self.asking.ask(self.exchange.now)  # from here on its clock is known and `now` asks nobody
        if abs(self.exchange.offset) > OFF:
            log.warning("this machine's clock and the venue's differ: the venue's counts", venue=self.name, ahead_ms=self.exchange.offset)
        self._remembered = await self.asking.environment.aside(lambda: self.tape.instruments(self.name))
        self._lives = lives(self._remembered, fresh, now, whole=self.exchange.listed_whole)
        self.instruments = tuple(life.instrument for life in self._lives)
        return self.instruments

    async def remember(self) -> None:
        """Stores what changed of the contracts: terms, ends, returns, and that the wanted ones are still listed. Raises StoreError."""
        wanted = {one.id for target in self.targets for one in (*target.ended, target.instrument) if one is not None}
        fresh = news(self._lives, self._remembered, wanted)
        known = {seen.instrument.id for seen in self._remembered}
        for one in (seen.instrument for seen in fresh if seen.instrument.delisted is None and seen.seen_from == seen.seen_to):
            if one.id in known:
                log.warning("listed again with other terms", venue=self.name, instrument=one.id, contract_size=str(one.contract_size))
        for life in self._lives:
            if life.doubted and life.seen.instrument.id in wanted:
                log.warning("missing from the list: not yet taken for delisted", venue=self.name, instrument=life.seen.instrument.id)
        if fresh:
            await self.asking.environment.aside(lambda: self.commit("instruments", seen_rows(fresh), (), ()))

    def commit(self, dataset: str, rows: Any, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> str:
        started = self.asking.environment.monotonic()
        name = self.tape.commit(self.name, dataset, rows, claims, wants, self._writer, self.asking.environment.clock)
        seconds = round(self.asking.environment.monotonic() - started, 3)
        told = {"rows": rows.num_rows, "claims": len(claims), "segment": name, "seconds": seconds}
        log.info("segment written", venue=self.name, dataset=dataset, outcome="stored", **told)
        return name

    @property
    def chosen(self) -> list[Instrument]:
        """The contracts that the symbols asked for came to."""
        return [target.instrument for target in self.targets if target.instrument is not None]

    def keep_sample(self, dataset: str, rows: Any, since: int) -> None:
        """Keeps what an audit sampled, as no part of the tape; what was kept before `since` (ms of this clock) goes. Raises StoreError."""
        self.tape.keep_sample(self.name, dataset, rows, self._writer, self.asking.environment.clock, since)

    def grids(self, dataset: str, settings: Settings) -> tuple[Grid, ...]:
        make = open_interest_grids if dataset == "open_interest" else funding_grids
        return make(self.exchange.traits, settings.every.ms, settings.backfill.ms)

    async def now(self) -> int:
        """ms on the venue's clock; by the offset known so far where the venue does not answer."""
        try:
            return await self.exchange.now()
        except PerptapeError:
            return self.asking.environment.clock() + self.exchange.offset

    def batches(self, dataset: str, settings: Settings) -> dict[str, Batch]:
        """Where the rows of a dataset (and of what is fetched with it) gather, by name on the tape; kept from one fetch to the next."""
        environment = self.asking.environment
        names = sorted({grid.dataset for grid in self.grids(dataset, settings)})
        return {name: Batch(name, self.commit, environment.monotonic, environment.aside) for name in names}

    async def fetch(
        self, outcome: Outcome, settings: Settings, session: Session, batches: Mapping[str, Batch], until: float | None = None
    ) -> None:
        """Obtains what is due of one dataset, up to the monotonic second `until`. Raises StoreError; all else is in `outcome`."""
        listed = {one.id for one in self.chosen}
        outcome.instruments = len(listed)
        outcome.skipped.extend(t.message for t in self.targets if t.instrument is None)
        outcome.symbols = symbols(self.targets)

        def advanced(done: int, total: int, rows: int) -> None:
            if self._advanced is not None:
                self._advanced(self.name, outcome.dataset, done, total, rows)

        fill = Backfill(self.exchange, self.asking, session, self.targets, outcome, dict(batches), advanced, until)
        ended, known, begun = False, dict[str, Coverage](), self.clock()
        try:
            await self._fill(fill, settings, session, batches, known)
            ended = True
        except (VenueStopped, Fatal) as error:
            outcome.error, ended = str(error), True
        except (Retry, Skip) as error:
            outcome.failed.append(str(error))
            ended = True
        finally:
            outcome.instruments = len(listed | fill.delisted)
            if not ended:  # told to stop, or the store failed: there is more to do
                outcome.remaining = max(outcome.remaining, 1)
            try:
                await commit_all(batches.values())
            finally:
                outcome.unstored = sum(batch.held for batch in batches.values())
            self._judge(outcome, session, batches, known, begun)
        log.info("collected", outcome=outcome.state, **{name: value for name, value in outcome.fields().items() if name != "state"})

    def _judge(self, outcome: Outcome, session: Session, batches: Mapping[str, Batch], known: Mapping[str, Coverage], now: int) -> None:
        """How far the collection was at `now`: by the coverage that was read and what this run added. A fetch is judged as of its
        beginning: what fell due since is the next one's, and would stand as a hole until then.
        """
        found: list[Standing] = []
        for name, read in known.items():
            batch = batches[name]
            coverage = Coverage.of((*read.claims, *batch.said), (*read.wants, *batch.asserted), read.damage, trusted=read.trusted)
            found += self.standings(session, name, coverage, now)
        outcome.figures = self.figures(session, found, now)

    def standings(self, session: Session, dataset: str, coverage: Coverage, now: int) -> list[Standing]:
        """How what the session's spec wants of a dataset stands at `now`."""
        return wanted_by(session.spec, self.name, dataset, coverage, self._seen, now)

    def figures(self, session: Session, found: Sequence[Standing], now: int) -> Figures | None:
        over = [life.seen.instrument for life in self._lives]
        gone = {one.id for one in over if one.delisted is not None} - {one.id for one in over if one.delisted is None}
        return figures(found, now, session.since, gone)

    @property
    def _seen(self) -> tuple[SeenInstrument, ...]:
        """Every life of every contract that is known."""
        return tuple(life.seen for life in self._lives)

    def clock(self) -> int:
        """ms on the venue's clock, as far as it is known."""
        return self.asking.environment.clock() + self.exchange.offset

    async def _fill(
        self, fill: Backfill, settings: Settings, session: Session, batches: Mapping[str, Batch], known: dict[str, Coverage]
    ) -> None:
        """Fills every grid; `known` gets the coverage that was read."""
        listed = {one.id for target in self.targets for one in (*target.ended, target.instrument) if one is not None}
        grids = self.grids(fill.outcome.dataset, settings)
        for name in batches:
            coverage = known[name] = await self.asking.environment.aside(partial(self.tape.coverage, self.name, name))
            batches[name].forget()
            mine = [grid for grid in grids if grid.dataset == name]
            batches[name].want(session.given_up(coverage, listed, mine, await self.now()))
            if session.begins(coverage):
                await fill.want(mine, coverage)
        for grid in grids:
            await fill.grid(grid, known[grid.dataset])

    @property
    def mends(self) -> bool:
        """Whether what a stream missed can be had for a while."""
        feed = self.exchange.traits.feed
        return feed is not None and feed.repair_page is not None

    async def mend(self, outcome: Outcome, session: Session) -> None:
        """Fills what streams of these instruments missed, as far as the venue serves it. Raises StoreError; all else is in `outcome`."""
        grid = stream_grid(self.exchange.traits)
        if grid is None or not self.mends:
            return
        outcome.instruments, outcome.symbols = len(self.chosen), symbols(self.targets)
        environment = self.asking.environment
        batch = Batch(outcome.dataset, self.commit, environment.monotonic, environment.aside)
        if self._looked is None:
            self._looked = self.tape.looked(self.name, outcome.dataset)
        begun = self.clock()
        known = await self.asking.environment.aside(self._looked.coverage)
        try:
            await Mending(self.exchange, self.asking, session, self.targets, outcome, {outcome.dataset: batch}).mend(grid, known)
        except (VenueStopped, Fatal) as error:
            outcome.error = str(error)
        except (Retry, Skip) as error:
            outcome.failed.append(str(error))
        finally:
            await commit_all([batch])
        self._judge(outcome, session, {outcome.dataset: batch}, {outcome.dataset: known}, begun)

    async def end(self, outcome: Outcome, settings: Settings, session: Session, batches: Mapping[str, Batch]) -> None:
        """Ends what the session wanted of a dataset: after a clean stop nothing more is missed. `outcome` says how the store has it then.
        Raises StoreError.
        """
        now, known = self.clock(), dict[str, Coverage]()  # a stop waits for no answer
        grids = self.grids(outcome.dataset, settings)
        for name, batch in batches.items():
            coverage = known[name] = await self.asking.environment.aside(partial(self.tape.coverage, self.name, name))
            batch.forget()
            mine = [(grid, target) for grid in grids if grid.dataset == name for target in self.targets if target.instrument is not None]
            wants = [session.want(grid, target, now, coverage) for grid, target in mine]
            batch.want(replace(want, ended=now) for want in wants if want.ended is None)
        await commit_all(batches.values())
        self._judge(outcome, session, batches, known, now)
