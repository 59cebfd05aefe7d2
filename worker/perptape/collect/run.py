"""Carries out a CollectionSpec here: once, or on its schedules with streams and publishing until it is told to stop.

Shell. Venues run side by side and fail alone; the store is the one thing that they share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from perptape.collect.asking import Asking, Environment, VenueStopped
from perptape.collect.circuit import Circuit
from perptape.collect.outcome import Outcome
from perptape.collect.request import Request
from perptape.collect.selection import Selection
from perptape.collect.summary import Summary
from perptape.collect.targets import Session, followed, resolved
from perptape.collect.together import aside, side_by_side, until
from perptape.collect.venue import Venue
from perptape.errors import Fatal, Retry, Skip, StoreError
from perptape.exchanges.base import Access, Exchange, Traits
from perptape.instruments import Resolution
from perptape.store.catalog import Tape
from perptape.store.made import one_origin
from perptape_api.collect import Liquidations

log = structlog.get_logger("perptape")

PATIENCE = 300.0
"""Seconds without progress after which a venue's part of `--once` ends."""

STORE_AGAIN = 30.0
OPENING = 15.0
"""Seconds that all wait for one another at the start, so that symbols are resolved together; a venue that takes longer joins alone."""


class Progress(Protocol):
    """Told how far a run is, for whoever watches."""

    def advanced(self, venue: str, dataset: str, done: int, total: int, rows: int) -> None: ...

    def message(self, text: str) -> None: ...


Connect = Callable[[str, Access], Exchange]


@dataclass(slots=True)
class Run:
    """One run under way. `stop` ends it gracefully."""

    request: Request
    tape: Tape
    connect: Connect
    environment: Environment
    stop: asyncio.Event
    progress: Progress | None = None
    summary: Summary = field(init=False)
    venues: dict[str, Venue] = field(default_factory=dict)
    failures: dict[str, str] | None = None
    """Why, for each venue that is not reached; None before any was asked."""

    def __post_init__(self) -> None:
        request = self.request
        self.summary = Summary(request.name, request.writer, request.work_hash, self.environment.clock(), scheduled=request.scheduled)

    async def carry_out(self) -> Summary:
        """The whole run. Raises UsageError (exit 2); everything else is in the summary."""
        deadline = None if self.request.deadline_s is None else self.environment.monotonic() + self.request.deadline_s
        try:
            await until(self.stop, self._opened(deadline))
            failures = self.failures
            if failures is None:
                self._stopped()
            elif self.request.once:
                await self._once(failures)
            else:
                from perptape.collect.stay import Stay  # what streams need is no load for a job

                await Stay(self, failures, deadline).carry_out()
        except StoreError as error:
            self.summary.store_error, self.summary.store_reason = str(error), error.reason
            log.error("the store cannot be used", outcome="failed", error=str(error))
        finally:
            await asyncio.gather(*(venue.exchange.close() for venue in self.venues.values()), return_exceptions=True)
            self.summary.finished = self.environment.clock()
            self.look()
        return self.summary

    async def _opened(self, deadline: float | None) -> None:
        """As `open`; a pod that stays asks a store that is away again: to end and be started again takes ever longer."""
        while self.failures is None:
            try:
                self.failures = await self.open(deadline)
                return
            except StoreError as error:
                if self.request.once or not self.request.namespace:
                    raise
                log.error("the store cannot be used: trying again", outcome="retry", error=str(error))
            await self.environment.sleep(STORE_AGAIN)

    def look(self) -> None:
        """Brings the summary up to date with what goes on."""
        now, clock = self.environment.monotonic(), self.environment.clock()
        ends = {name: venue.asking.circuit.told_until - now for name, venue in self.venues.items()}
        for name, access in self.request.access.items():
            if access.turns is not None:
                ends[name] = max(ends.get(name, 0.0), access.turns.paused)
        self.summary.pauses = {name: clock + int(left * 1000) for name, left in ends.items() if left > 0}
        for outcome in self.summary.outcomes:
            outcome.listened()
            if (venue := self.venues.get(outcome.venue)) is not None:
                outcome.offset = venue.exchange.offset

    def _asking(self, venue: str, traits: Traits, deadline: float | None) -> Asking:
        return Asking(
            venue,
            self.environment,
            Circuit(traits.circuit_failures),
            deadline,
            OPENING,
            turns=self.request.access.get(venue, Access()).turns,
            on_trouble=lambda message: log.warning(message, venue=venue),
        )

    async def open(self, deadline: float | None) -> dict[str, str]:
        """Connects every venue and resolves the symbols. Returns why, for each venue that could not be reached."""
        for name in self.request.venues:
            exchange = self.connect(name, self.request.access.get(name, Access()))
            asking = self._asking(name, exchange.traits, deadline)
            advanced = self.progress.advanced if self.progress is not None else None
            self.venues[name] = Venue(exchange, asking, self.tape, self.request.writer, advanced)
        failures: dict[str, str] = {}
        await asyncio.gather(*(self.reach(name, failures) for name in self.request.venues))
        self.resolve(failures)  # first: a symbol that nobody knows leaves no store behind
        await self.settle_origin(failures)
        for name, venue in self.venues.items():
            venue.asking.patience = PATIENCE if self.request.once else float("inf")
            if name not in failures:
                await venue.remember()
        return failures

    async def join(self, name: str, failures: dict[str, str]) -> None:
        """Another try at a venue that could not be reached; it leaves `failures` when it joined. Raises StoreError."""
        found: dict[str, str] = {}
        await self.reach(name, found)
        if found:
            failures |= found
            return
        others = {other: "" for other in self.venues if other != name}
        self.resolve(others)
        await self.settle_origin(others)
        await self.venues[name].remember()
        del failures[name]

    async def reach(self, name: str, failures: dict[str, str]) -> None:
        try:
            await self.list(self.venues[name])
        except (Retry, Skip, Fatal, VenueStopped) as error:
            failures[name] = str(error)
            log.error("cannot list instruments", venue=name, outcome="failed", error=str(error))

    async def list(self, venue: Venue) -> None:
        """What the venue lists and, where the spec chooses, what is wanted of it. Raises Retry, Skip, Fatal, VenueStopped, StoreError."""
        await venue.list_instruments()
        select = self.request.spec.symbols.select
        if select is None:
            return
        from perptape.collect.selecting import selected  # a choice by name is no load

        venue.targets = await selected(venue, Selection(select, self.request.spec_id), tuple(self.request.spec.wanted()))
        if not venue.targets:
            self._tell(venue.name, [Resolution("", venue.name, None, f"{venue.name} lists nothing that spec.symbols.select asks for")])
        self._tell(venue.name, venue.targets)

    async def list_again(self, venue: Venue) -> None:
        """The same for a venue under way: what was delisted or listed since is followed. Raises UsageError too."""
        await self.list(venue)
        self.resolve(self.failures or {})
        await venue.remember()

    async def settle_origin(self, failures: Mapping[str, str]) -> None:
        """Holds the store's origin against every venue's before anything is written. Raises OriginConflict, FormatConflict."""
        origin = one_origin({name: venue.exchange.origin or "live" for name, venue in self.venues.items() if name not in failures})
        if origin is not None:
            await aside(partial(self.tape.prepare, origin, self.request.spec.store.format))

    def resolve(self, failures: Mapping[str, str]) -> None:
        symbols = self.request.spec.symbols
        if symbols.names is None:
            return  # each venue's choice is its own: `list` has made it
        known = {name: venue.instruments for name, venue in self.venues.items() if name not in failures}
        traits = {name: venue.exchange.traits for name, venue in self.venues.items()}
        everything = not failures and set(self.request.venues) == {venue.exchange for venue in self.request.spec.venues}
        found = resolved(symbols.names, known, traits, exact=symbols.exact, all_reached=everything)
        for name, resolutions in found.items():
            venue = self.venues[name]
            venue.targets = followed(venue.targets, resolutions, venue.clock())
            self._tell(name, resolutions)

    def _tell(self, name: str, resolutions: Sequence[Resolution]) -> None:
        for one in resolutions:
            if one.message and one.message not in self.summary.notes:
                log.info(one.message, venue=name, symbol=one.asked, outcome="substituted" if one.substituted else "skipped")
                self.summary.notes.append(one.message)
                self.summary.logged.append(one.message)

    async def session_of(self, venue: Venue) -> Session:
        now = await venue.now()
        if self.request.since is not None:
            since = self.request.since + venue.exchange.offset
            return Session(self.request.spec_id, self.request.session, since, shared=bool(self.request.namespace))
        if self.request.once:
            return Session(self.request.spec_id, "once", now, once=True)
        return Session(self.request.spec_id, self.request.session or self.request.writer, now)

    async def _once(self, failures: dict[str, str]) -> None:
        wanted = self.request.spec.wanted()

        async def one(name: str) -> None:
            venue = self.venues[name]
            if name in failures:
                await self.join(name, failures)
            session = None if name in failures else await self.session_of(venue)
            for dataset in self.request.datasets:
                settings = wanted[dataset]
                outcome = Outcome(name, dataset)
                self.summary.outcomes.append(outcome)
                if isinstance(settings, Liquidations):
                    outcome.unsupported = venue.exchange.traits.no_feed or "a stream has no --once: run without it"
                elif session is None:
                    outcome.error = failures[name]
                else:
                    await venue.fetch(outcome, settings, session, venue.batches(dataset, settings))

        await side_by_side([until(self.stop, one(name)) for name in self.request.venues])
        await self._adopt()
        if self.stop.is_set():
            self._stopped()

    def _stopped(self) -> None:
        """Told to stop before all was done: what was not begun remains."""
        self.summary.notes.append("stopped before it was done: the next run goes on")
        begun = {(one.venue, one.dataset) for one in self.summary.outcomes}
        if self.request.once:
            asked = [(name, dataset) for name in self.request.venues for dataset in self.request.datasets]
            self.summary.outcomes.extend(Outcome(*one, remaining=1) for one in asked if one not in begun)

    async def _adopt(self) -> None:
        """What a dead streamer left in its log goes into the store."""
        from perptape.collect.streams import adopted  # only now: a job must not load streams before it has asked

        if self.tape.made() is not None:
            await aside(lambda: adopted(self.tape, self.request.state, self.environment.clock))


async def run(
    request: Request, tape: Tape, *, connect: Connect, environment: Environment, stop: asyncio.Event, progress: Progress | None = None
) -> Summary:
    """Carries the request out. Raises UsageError (and OriginConflict, FormatConflict) for what only a person can mend."""
    return await Run(request, tape, connect, environment, stop, progress).carry_out()
