"""What venues keep of the past, printed: what the catalog has already is read there, only the rest is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from perptape import logs, output
from perptape.cli.places import Place
from perptape.cli.rows import listing, newest
from perptape.cli.shell import FAILED, OK, PARTLY
from perptape.cli.tapes import Keeping
from perptape.cli.venue_calls import connect, environment
from perptape.collect.asking import Asking, VenueStopped
from perptape.collect.backfill import Backfill
from perptape.collect.batch import Batch
from perptape.collect.circuit import Circuit
from perptape.collect.grids import Grid, funding_grids, open_interest_grids
from perptape.collect.outcome import Outcome
from perptape.collect.targets import Session, resolved
from perptape.coverage import Coverage
from perptape.datasets import DATASETS
from perptape.datasets.base import join
from perptape.datasets.instruments import INSTRUMENTS, seen_rows
from perptape.datasets.lifetimes import Life, lives
from perptape.errors import Fatal, Retry, Skip, StoreError
from perptape.exchanges.base import Access, Exchange, Traits, origin_of
from perptape.instruments import Instrument, Resolution
from perptape.interval import DAY, MINUTE, NS, Interval
from perptape.settings import Settings
from perptape.store.made import one_origin
from perptape.times import iso, span

if TYPE_CHECKING:
    from perptape.claims import Claim, Want

SESSION = "fetch"
PATIENCE = 60.0
"""Seconds without an answer after which a venue is given up."""


@dataclass(slots=True)
class Part:
    """One venue's share of the question as it goes on."""

    exchange: Exchange
    asking: Asking
    outcome: Outcome
    targets: Sequence[Resolution] = ()
    lives: Sequence[Life] = ()
    tables: list[pa.Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_stored: list[str] = field(default_factory=list)

    @property
    def listed(self) -> tuple[Instrument, ...]:
        """Every life of every contract that is known."""
        return tuple(life.instrument for life in self.lives)

    @property
    def wanted(self) -> frozenset[str]:
        """The ids that were asked for, delisted ones too."""
        return frozenset(one.id for target in self.targets for one in (*target.ended, target.instrument) if one is not None)


def grid_of(dataset: str, traits: Traits, asked: Interval, every: int | None) -> tuple[Grid | None, list[str]]:
    """(the grid that answers, what is to say about it). Pure."""
    if dataset == "funding":
        return replace(funding_grids(traits, DAY, 0)[0], backfill=len(asked), lasting=False), []
    history = traits.open_interest_history
    if history is None:
        return None, [f"{traits.venue} serves no history of open interest, only the current value: ask without --from"]
    wanted = every or min(history.periods)
    found = next((grid for grid in open_interest_grids(traits, wanted, 0) if not grid.sampled), None)
    notes = []
    if found is None:
        finest = min(history.periods)
        notes.append(f"{traits.venue} serves no period that makes up {span(wanted)}: these are {span(finest)}")
        (found,) = open_interest_grids(traits, finest, 0)
    elif found.period != wanted:
        notes.append(f"{traits.venue} serves no {span(wanted)}: these are {span(found.period or 0)}")
    return replace(found, backfill=len(asked), lasting=False), notes


def beyond(traits: Traits, grid: Grid, asked: Interval, now: int) -> list[str]:
    """What retention takes away from the question. Pure."""
    kept = grid.rules.retention
    if kept is None or asked.start >= now - kept:
        return []
    days = f"{kept // DAY} days" if kept % DAY == 0 else span(kept)
    return [f"{traits.venue} keeps {days}: nothing before {iso((now - kept) // MINUTE * MINUTE)}"]


@dataclass(frozen=True, slots=True)
class Past:
    """One question to several venues."""

    dataset: Literal["open_interest", "funding"]
    words: tuple[str, ...]
    venues: tuple[str, ...]
    access: Mapping[str, Access]
    span: Interval
    every: int | None
    exact: bool
    place: Place
    store: bool
    patience: float = PATIENCE

    def answered(self, settings: Settings, form: output.Form, to: Path | None) -> int:
        """Reads, asks, prints, stores. The exit code."""
        return asyncio.run(self._answered(settings, form, to))

    async def _answered(self, settings: Settings, form: output.Form, to: Path | None) -> int:
        parts = {venue: self._part(venue) for venue in self.venues}
        kept = Keeping(self.place)
        try:
            await asyncio.gather(*(self._listed(part, kept) for part in parts.values()))
            self._resolve(parts)
            if self.store:
                found = {venue: origin_of(part.exchange) for venue, part in parts.items() if not part.outcome.error}
                if (origin := one_origin(found)) is not None:
                    await asyncio.to_thread(kept.prepare, origin)
            await asyncio.gather(*(self._fetched(part, kept) for part in parts.values() if not part.outcome.error))
        finally:
            await asyncio.gather(*(part.exchange.close() for part in parts.values()), return_exceptions=True)
        for line in dict.fromkeys(line for part in parts.values() for line in part.notes):
            output.note(logs.redacted(line, settings.secrets))
        for line in problems(parts.values()):
            output.error(logs.redacted(line, settings.secrets))
        symbols = {one.id: (one.venue, one.symbol) for part in parts.values() for one in part.listed}
        rows = newest(join(DATASETS[self.dataset], [table for part in parts.values() for table in part.tables]), 0)
        output.emit(listing(self.dataset, rows, symbols), form, to)
        return code(parts.values())

    def _part(self, venue: str) -> Part:
        exchange = connect(venue, self.access[venue])
        asking = Asking(venue, environment(), Circuit(exchange.traits.circuit_failures), None, self.patience)
        return Part(exchange, asking, Outcome(venue, self.dataset))

    async def _listed(self, part: Part, kept: Keeping) -> None:
        """What the venue lists, with what the catalog remembers of contracts that it has delisted."""
        try:
            listed = await part.asking.ask(part.exchange.instruments)
            if not listed:
                part.outcome.error = "lists no instruments; not believed: try again"
            remembered = await asyncio.to_thread(kept.instruments, part.outcome.venue, origin_of(part.exchange))
            part.lives = lives(remembered, listed, await part.exchange.now(), whole=part.exchange.listed_whole)
        except (VenueStopped, Retry, Skip, Fatal) as error:
            part.outcome.error = str(error)

    def _resolve(self, parts: Mapping[str, Part]) -> None:
        """What the words mean on each venue that answered. Raises UsageError for a word that nobody knows."""
        reached = {venue: part for venue, part in parts.items() if not part.outcome.error}
        known = {venue: part.listed for venue, part in reached.items()}
        traits = {venue: part.exchange.traits for venue, part in reached.items()}
        found = resolved(self.words, known, traits, exact=self.exact, all_reached=len(reached) == len(parts))
        for venue, part in reached.items():
            part.targets = found[venue]

    async def _fetched(self, part: Part, kept: Keeping) -> None:
        traits = part.exchange.traits
        grid, notes = grid_of(self.dataset, traits, self.span, self.every)
        if grid is not None:
            part.notes += [one.message.replace("nothing new to collect", "only its past") for one in part.targets if one.message]
        part.notes += notes
        if grid is None:
            return
        part.notes += beyond(traits, grid, self.span, await part.exchange.now())
        coverage = await self._had(part, grid, kept)
        await self._asked(part, grid, coverage, kept)

    async def _had(self, part: Part, grid: Grid, kept: Keeping) -> Coverage:
        """What the catalog has of it goes to the part's tables; what it claims comes back. A catalog of another origin has nothing."""
        venue = part.outcome.venue
        wanted = sorted(part.wanted)
        try:
            if not wanted or not await asyncio.to_thread(kept.holds, origin_of(part.exchange)):
                return Coverage()
            coverage = await asyncio.to_thread(kept.coverage, venue, self.dataset)
            mine = [claim for claim in coverage.claims if claim.grid == grid.name]  # a finer grid's satisfy a want, and are no rows of this
            if mine:
                part.tables.append(await asyncio.to_thread(kept.read, self.dataset, wanted, self.span, grid.period))
            return Coverage.of(mine, coverage.wants, coverage.damage, trusted=coverage.trusted)
        except StoreError as error:
            part.notes.append(f"{venue}: the catalog cannot be read, so that all is asked for: {error}")
            return Coverage()

    async def _asked(self, part: Part, grid: Grid, coverage: Coverage, kept: Keeping) -> None:
        """Asks for the rest, and stores it where that was asked for."""
        venue, stored = part.outcome.venue, list[str]()

        def commit(dataset: str, rows: pa.Table, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> str:
            if dataset == self.dataset:
                part.tables.append(_inside(rows, self.span))
            if not self.store or not (rows.num_rows or claims):
                return ""
            try:
                stored.append(kept.commit(venue, dataset, rows, claims))
            except StoreError as error:
                part.not_stored.append(f"{rows.num_rows} {dataset} rows were not stored: {error}")
                return ""
            return stored[-1]

        batch = Batch(self.dataset, commit, environment().monotonic)
        session = Session(f"{SESSION}:{self.dataset}", SESSION, self.span.end, once=True, insists=True)
        fill = Backfill(part.exchange, part.asking, session, part.targets, part.outcome, {self.dataset: batch})
        try:
            await fill.grid(grid, coverage)
        except (VenueStopped, Retry, Skip, Fatal) as error:
            part.outcome.error = str(error)
        finally:
            await batch.commit()
        part.notes += part.outcome.skipped
        if stored:  # rows, or only what is known of there being none
            mine = [life.seen for life in part.lives if life.seen.instrument.id in part.wanted]
            await asyncio.to_thread(commit, INSTRUMENTS, seen_rows(mine), (), ())


def _inside(table: pa.Table, asked: Interval) -> pa.Table:
    times = table["ts_event"]
    return table.filter(pc.and_(pc.greater_equal(times, asked.start * NS), pc.less(times, asked.end * NS)))


def problems(parts: Any) -> list[str]:
    """One line for each thing that went wrong."""
    lines = []
    for part in parts:
        lines += [f"{part.outcome.venue}: {line}" for line in (*part.outcome.failed, *part.not_stored)]
        if part.outcome.error:
            lines.append(f"{part.outcome.venue}: {part.outcome.error}")
    return list(dict.fromkeys(lines))


def code(parts: Any) -> int:
    """0, 1 or 3, as design.md says. Pure."""
    outcomes = [part.outcome for part in parts]
    if outcomes and all(one.nothing_obtained for one in outcomes):
        return FAILED
    return PARTLY if any(one.failed or one.error for one in outcomes) or any(part.not_stored for part in parts) else OK
