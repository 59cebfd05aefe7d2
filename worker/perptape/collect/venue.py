"""One venue in a run: connects, finds its instruments, fetches its datasets. Its failures are its own.

Shell: everything it decides with is given or pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from perptape.claims import Claim, Want
from perptape.collect.asking import Asking, VenueStopped
from perptape.collect.backfill import Backfill
from perptape.collect.batch import Batch
from perptape.collect.grids import Grid, funding_grids, open_interest_grids
from perptape.collect.outcome import Outcome
from perptape.collect.targets import Session
from perptape.datasets.instruments import instrument_rows
from perptape.errors import Fatal, Retry, Skip
from perptape.exchanges.base import Exchange
from perptape.instruments import Instrument, Resolution
from perptape.interval import DAY, SECOND
from perptape.store.catalog import Tape
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

    async def list_instruments(self) -> tuple[Instrument, ...]:
        """What the venue lists, with what the tape remembers of it. Raises Retry, Skip, Fatal, VenueStopped, StoreError."""
        fresh = await self.asking.ask(self.exchange.instruments)
        if not fresh:
            raise Retry(f"{self.name} lists no instruments; not believed")
        await self.asking.ask(self.exchange.now)  # from here on its clock is known and `now` asks nobody
        if abs(self.exchange.offset) > OFF:
            log.warning("this machine's clock and the venue's differ: the venue's counts", venue=self.name, ahead_ms=self.exchange.offset)
        self._fresh = fresh
        remembered = await asyncio.to_thread(self.tape.instruments, self.name)
        listed = {one.id for one in fresh}
        old = tuple(seen.instrument for seen in remembered if seen.instrument.id not in listed)
        self.instruments = (*fresh, *old)
        self._remembered = {(seen.instrument.id, seen.instrument.terms): seen for seen in remembered}
        return self.instruments

    async def remember(self) -> None:
        """Stores the wanted instruments' terms when they are new, changed, or were last seen a day ago. Raises StoreError."""
        now = await self.exchange.now()
        wanted = {t.instrument.id for t in self.targets if t.instrument is not None}
        stale = [
            one
            for one in self._fresh
            if one.id in wanted and ((seen := self._remembered.get((one.id, one.terms))) is None or now - seen.seen_to > DAY)
        ]
        for one in stale:
            if any(known == one.id for known, terms in self._remembered if terms != one.terms):
                log.warning("listed again with other terms", venue=self.name, instrument=one.id, contract_size=str(one.contract_size))
        if stale:
            rows = instrument_rows(stale, now)
            await asyncio.to_thread(self._commit, "instruments", rows, (), ())

    def _commit(self, dataset: str, rows: Any, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> str:
        started = self.asking.environment.monotonic()
        name = self.tape.commit(self.name, dataset, rows, claims, wants, self._writer, self.asking.environment.clock)
        seconds = round(self.asking.environment.monotonic() - started, 3)
        told = {"rows": rows.num_rows, "claims": len(claims), "segment": name, "seconds": seconds}
        log.info("segment written", venue=self.name, dataset=dataset, outcome="stored", **told)
        return name

    def grids(self, dataset: str, settings: Settings) -> tuple[Grid, ...]:
        make = open_interest_grids if dataset == "open_interest" else funding_grids
        return make(self.exchange.traits, settings.every.ms, settings.backfill.ms)

    async def fetch(self, dataset: str, settings: Settings, session: Session) -> Outcome:
        """Obtains everything that is due of one dataset. Raises StoreError; all else is in the outcome."""
        outcome = Outcome(self.name, dataset, instruments=sum(1 for t in self.targets if t.instrument is not None))
        outcome.skipped.extend(t.message for t in self.targets if t.instrument is None)
        grids = self.grids(dataset, settings)
        names = {grid.dataset for grid in grids}
        batches = {name: Batch(name, self._commit, self.asking.environment.monotonic) for name in names}
        calls = self.asking.calls

        def advanced(done: int, total: int, rows: int) -> None:
            if self._advanced is not None:
                self._advanced(self.name, dataset, done, total, rows)

        fill = Backfill(self.exchange, self.asking, session, self.targets, outcome, batches, advanced)
        listed = [t.instrument.id for t in self.targets if t.instrument is not None]
        try:
            for name in sorted(names):
                coverage = await asyncio.to_thread(self.tape.coverage, self.name, name)
                mine = [grid for grid in grids if grid.dataset == name]
                batches[name].want(session.given_up(coverage, listed, mine, await self.exchange.now()))
                for grid in mine:
                    await fill.grid(grid, coverage)
        except (VenueStopped, Fatal) as error:
            outcome.error = str(error)
        except (Retry, Skip) as error:
            outcome.failed.append(str(error))
        finally:
            for batch in batches.values():
                await batch.commit()
            outcome.calls = self.asking.calls - calls
        log.info("collected", outcome=outcome.state, **{name: value for name, value in outcome.fields().items() if name != "state"})
        return outcome
