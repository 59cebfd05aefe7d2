"""Carries out a CollectionSpec here: once, or on its schedules with streams and publishing until it is told to stop.

Shell. Venues run side by side and fail alone; the store is the one thing that they share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import structlog

from perptape.collect.asking import Environment
from perptape.collect.batch import Batch
from perptape.collect.meeting import Connect, Meeting, Progress
from perptape.collect.outcome import Outcome
from perptape.collect.request import Request
from perptape.collect.summary import Summary
from perptape.collect.targets import Session
from perptape.collect.together import side_by_side, until
from perptape.collect.venue import Venue
from perptape.errors import StoreError
from perptape.store.tape import Tape
from perptape_api.collect import Funding, Liquidations, OpenInterest

if TYPE_CHECKING:
    from perptape.collect.auditing import Audit

log = structlog.get_logger("perptape")

STORE_AGAIN = 30.0


@dataclass(frozen=True, slots=True)
class Fetch:
    """One dataset of a venue in a run that ends."""

    venue: Venue
    outcome: Outcome
    settings: OpenInterest | Funding
    session: Session
    batches: Mapping[str, Batch]

    async def first(self, waiting: int) -> None:
        """Fetches for this dataset's share of the time, of so many that wait for theirs."""
        await self.venue.fetch(self.outcome, self.settings, self.session, self.batches, self.venue.asking.share(waiting))

    async def again(self) -> None:
        """Goes on with what the share left undone, where the others left time."""
        if not self.outcome.remaining or self.outcome.error or self.venue.asking.deadline is None or self.venue.asking.over:
            return
        latest = Outcome(self.outcome.venue, self.outcome.dataset)
        try:
            await self.venue.fetch(latest, self.settings, self.session, self.batches)
        finally:
            self.outcome.go_on(latest)
            self.outcome.unstored = latest.unstored


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
    meeting: Meeting = field(init=False)
    failures: dict[str, str] | None = None
    """Why, for each venue that is not reached; None before any was asked."""

    def __post_init__(self) -> None:
        request = self.request
        self.summary = Summary(request.name, request.writer, request.work_hash, self.environment.clock(), scheduled=request.scheduled)
        self.tape.gone = self._gone
        self.meeting = Meeting(request, self.tape, self.connect, self.environment, self.summary, self.progress)

    @property
    def venues(self) -> Mapping[str, Venue]:
        return self.meeting.venues

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
            self._left()
        finally:
            await asyncio.gather(*(venue.exchange.close() for venue in self.venues.values()), return_exceptions=True)
            self.summary.finished = self.environment.clock()
            self.look()
        return self.summary

    async def _opened(self, deadline: float | None) -> None:
        """Meets the venues; a pod that stays asks a store that is away again: to end and be started again takes ever longer."""
        while self.failures is None:
            try:
                self.failures = await self.meeting.open(deadline)
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

    def _gone(self) -> None:
        """What was fetched is missing until the next fetch has looked at the store again."""
        said = "what it held is missing: restore a backup into it, or let this go on: what venues still keep is asked for again"
        log.warning(f"the store was deleted under this run and is made again; {said}", store=self.tape.location, outcome="remaining")
        for one in self.summary.outcomes:
            if not one.streamed:
                one.failed = [*one.failed, f"the store was deleted under this run: {said}"]

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
                await self.meeting.join(name, failures)
            session = None if name in failures else await self.session_of(venue)
            fetches: list[Fetch] = []
            audits: list[Audit] = []
            for place, dataset in enumerate(self.request.datasets):
                settings = wanted[dataset]
                outcome = Outcome(name, dataset)
                self.summary.outcomes.append(outcome)
                if isinstance(settings, Liquidations) and (self.request.audit or not venue.mends):
                    outcome.unsupported = venue.exchange.traits.no_feed or "streams are no part of --once"
                elif session is None:
                    outcome.error = failures[name]
                elif isinstance(settings, Liquidations):
                    await venue.mend(outcome, session)
                elif self.request.audit:
                    from perptape.collect.auditing import Audit  # no load for a job that fetches

                    audits.append(Audit(venue, outcome, self.request.audit, settings, session))
                    await audits[-1].carry_out()
                else:
                    fetches.append(Fetch(venue, outcome, settings, session, venue.batches(dataset, settings)))
                    waiting = sum(other != "liquidations" or venue.mends for other in self.request.datasets[place:])
                    await fetches[-1].first(waiting)
            for fetch in fetches:
                await fetch.again()
            for audit in audits:
                await audit.measure()

        mends = not self.request.audit and "liquidations" in self.request.datasets and any(one.mends for one in self.venues.values())
        unread: StoreError | None = None
        if mends:  # what a log holds need not be asked for; one that cannot be read keeps nothing from being fetched
            try:
                await until(self.stop, self._adopt())
            except StoreError as error:
                unread = error
        await side_by_side([until(self.stop, one(name)) for name in self.request.venues])
        if not (mends or self.request.audit):
            await self._adopt()
        if unread is not None:
            raise unread
        if self.stop.is_set():
            self._stopped()

    def _stopped(self) -> None:
        """Told to stop before all was done: what was not begun remains."""
        self.summary.notes.append("stopped before it was done: the next run goes on")
        if self.request.once:
            self._left()

    def _left(self) -> None:
        """What had not begun when the run ended remains, and is named."""
        self.summary.outcomes.extend([Outcome(*one, remaining=1) for one in self.unbegun()])

    def unbegun(self) -> list[tuple[str, str]]:
        """(venue, dataset) of what is asked for and has not begun."""
        begun = {(one.venue, one.dataset) for one in self.summary.outcomes}
        return [one for one in product(self.request.venues, self.request.datasets) if one not in begun]

    async def _adopt(self) -> None:
        """What a dead streamer left in its log goes into the store."""
        from perptape.collect.streams import adopted  # only now: a job must not load streams before it has asked

        if self.tape.made() is not None:
            found = await self.environment.aside(lambda: adopted(self.tape, self.request.state, self.environment))
            self.summary.notes.extend(found.unreadable)  # no failure: what this run is for goes on, and only a person ends it


async def run(
    request: Request, tape: Tape, *, connect: Connect, environment: Environment, stop: asyncio.Event, progress: Progress | None = None
) -> Summary:
    """Carries the request out. Raises UsageError (and OriginConflict, FormatConflict) for what only a person can mend."""
    return await Run(request, tape, connect, environment, stop, progress).carry_out()
