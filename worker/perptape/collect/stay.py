"""A run that stays: schedules, streams and publishing until it is told to stop.

Shell. A venue that cannot be reached is tried again; a store that is away is tried again; both are said.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from perptape.collect.adoption import Adoption
from perptape.collect.batch import Batch
from perptape.collect.following import Following
from perptape.collect.mending import EVERY_S, looked_after
from perptape.collect.outcome import Outcome
from perptape.collect.rhythm import Rhythm, spread
from perptape.collect.selection import AGAIN
from perptape.collect.streams import stream
from perptape.collect.targets import Session
from perptape.collect.together import beside, side_by_side, until
from perptape.collect.venue import Settings, Venue
from perptape.errors import PerptapeError, StoreError
from perptape.interval import SECOND
from perptape_api.collection import Liquidations

if TYPE_CHECKING:
    from perptape.collect.run import Run

log = structlog.get_logger("perptape")

TRY_AGAIN = 60.0
STORE_AGAIN = 10.0
OVERTIME = 20.0
"""Seconds that the pages under way may take past the budget."""
FAREWELL = 5.0
BUDGET = 0.8
SHORTEST, LONGEST = 45.0, 900.0
"""A scheduled fetch has 0.8 x every, at least 45 s and at most 15 min."""


class Stay:
    """What goes on for as long as the run stays."""

    def __init__(self, run: Run, failures: dict[str, str], deadline: float | None) -> None:
        self._run, self._failures, self._deadline = run, failures, deadline
        self._environment, self._stop = run.environment, run.stop
        self._adoption, self._over = Adoption(run), False

    async def carry_out(self) -> None:
        """Until stop or the deadline. Publishes at a normal end only. Raises StoreError when logs cannot be listed, UsageError."""
        request = self._run.request
        self._run.summary.scheduled = True
        if "liquidations" in request.datasets:
            self._environment.settle()
        await until(self._stop, self._adoption.begin())
        timer = None
        if self._deadline is not None:
            left = max(self._deadline - self._environment.monotonic(), 0)
            timer = asyncio.get_running_loop().call_later(left, self._end)
        try:
            beside_them = [until(self._stop, self._publishing()), until(self._stop, self._adoption.going_on())]
            await side_by_side([*(self._venue(name) for name in request.venues), *beside_them])
        finally:
            self._adoption.over()
            if timer is not None:
                timer.cancel()
        if self._over and not request.namespace:
            self._run.summary.published = await self._publish()

    def _end(self) -> None:
        self._over = True
        self._stop.set()

    async def _venue(self, name: str) -> None:
        await until(self._stop, self._reached(name))
        if self._stop.is_set() and name in self._failures:
            self._run.summary.outcomes.extend(Outcome(name, one, error=self._failures[name]) for one in self._run.request.datasets)
            return
        venue, sessions = self._run.venues[name], list[Session]()

        async def begin() -> None:
            sessions.append(await self._run.session_of(venue))

        await until(self._stop, begin())  # it asks the venue's clock, which a stop does not wait for
        if not sessions:
            return
        (session,) = sessions
        wanted = self._run.request.spec.wanted()
        listed, parts = asyncio.Event(), list[Coroutine[Any, Any, None]]()
        for dataset in self._run.request.datasets:
            settings = wanted[dataset]
            outcome = Outcome(venue.name, dataset)
            self._run.summary.outcomes.append(outcome)
            if isinstance(settings, Liquidations):
                parts.append(self._stream(venue, settings, session, outcome, listed))
            else:
                parts.append(until(self._stop, self._schedule(venue, settings, session, outcome)))
        await beside(side_by_side(parts), self._listing(venue, listed))

    async def _stream(self, venue: Venue, settings: Liquidations, session: Session, outcome: Outcome, listed: asyncio.Event) -> None:
        """A venue's liquidations until the stop, of what is wanted at any time."""
        request, since = self._run.request, self._adoption.since(outcome)
        self._adoption.name_in(outcome)
        replicas = 1 if request.namespace else settings.replicas  # in a cluster each is a pod

        def begin(outcome: Outcome, stop: asyncio.Event, handed_over: Callable[[], bool], *, first: bool) -> Coroutine[Any, Any, None]:
            holes = since if first else None  # what an earlier process missed is told once
            return stream(
                venue, session, replicas, outcome,
                state=request.state, reserve=request.reserve, since=holes, stop=stop, handed_over=handed_over,
            )  # fmt: skip

        def wanted() -> frozenset[str]:
            return frozenset(target.instrument.id for target in venue.targets if target.instrument is not None)

        def replaced(old: Outcome, new: Outcome) -> None:
            told = self._run.summary.outcomes
            told[:] = [new if one is old else one for one in told]

        feed = venue.exchange.traits.feed
        push = 0 if feed is None else feed.push_interval
        following = Following(begin, wanted, outcome, self._stop, listed, replaced, self._environment.sleep, push)
        late = spread(session.id, venue.name, request.writer, round(EVERY_S * SECOND)) / SECOND
        mending = looked_after(lambda found: venue.mend(found, session), venue.name, lambda: self._environment.sleep(EVERY_S + late))
        await beside(following.carry_out(), mending)

    async def _listing(self, venue: Venue, listed: asyncio.Event) -> None:
        """Once an hour what the venue lists, and what is wanted of it, is looked at anew. Fetches take it as it is then, streams are
        told. A look that comes to nothing is repeated soon: nobody listens to what was listed meanwhile."""
        hour = (AGAIN + spread(self._run.request.spec_id, venue.name, "list", AGAIN)) / SECOND
        wait = hour
        while True:
            await self._environment.sleep(wait)
            try:
                await self._run.meeting.list_again(venue, self._failures)
                listed.set()
                wait = hour
            except PerptapeError as error:
                wait = TRY_AGAIN
                log.warning("what is wanted stays as it is", venue=venue.name, outcome="retry", error=str(error))

    async def _reached(self, name: str) -> None:
        """Comes back when the venue lists its instruments."""
        while name in self._failures:
            try:
                await self._run.meeting.join(name, self._failures)
            except StoreError as error:
                log.error("the store cannot be used: trying again", venue=name, outcome="retry", error=str(error))
            if name in self._failures:
                await self._environment.sleep(TRY_AGAIN)

    async def _schedule(self, venue: Venue, settings: Settings, session: Session, outcome: Outcome) -> None:
        """Fetches a dataset in its rhythm, each time within its budget; goes straight on when a budget left work."""
        late = spread(self._run.request.spec_id, venue.name, outcome.dataset, settings.every.ms)
        rhythm = Rhythm(settings.every.ms, late)
        batches = venue.batches(outcome.dataset, settings)
        try:
            while True:
                latest, began = Outcome(venue.name, outcome.dataset), self._environment.clock()
                try:
                    stored = await self._fetched(venue, settings, session, batches, latest)
                finally:
                    outcome.go_on(latest)
                    outcome.last_run = began
                failed = bool(latest.failed or latest.error)
                if stored and not failed:
                    outcome.last_success = self._environment.clock()
                if not stored:
                    await self._environment.sleep(STORE_AGAIN)
                elif not latest.remaining or latest.error:
                    await self._environment.sleep(rhythm.wait(await venue.now(), failed=failed) / SECOND)
        finally:
            if self._stop.is_set() and not session.shared:
                await self._ended(venue, settings, session, batches, outcome)

    async def _fetched(self, venue: Venue, settings: Settings, session: Session, batches: Mapping[str, Batch], latest: Outcome) -> bool:
        """One fetch within its time budget; False when the store did not take what was obtained (it is kept for the next)."""
        budget = min(max(BUDGET * settings.every.ms / SECOND, SHORTEST), LONGEST)
        until = self._environment.monotonic() + budget
        try:
            async with asyncio.timeout(budget + OVERTIME):
                await venue.fetch(latest, settings, session, batches, until)
        except TimeoutError:
            log.warning("the time budget is over", venue=venue.name, dataset=latest.dataset, outcome="remaining")
        except StoreError as error:
            log.error("the store cannot be used: trying again", venue=venue.name, dataset=latest.dataset, outcome="retry", error=str(error))
            latest.error = str(error)
            return False
        finally:
            circuit = venue.asking.circuit
            if circuit.open and not latest.error:
                latest.error = f"{venue.name} does not answer: {circuit.reason}"
        return True

    async def _ended(self, venue: Venue, settings: Settings, session: Session, batches: Mapping[str, Batch], outcome: Outcome) -> None:
        try:
            async with asyncio.timeout(FAREWELL):
                await venue.end(outcome, settings, session, batches)
        except (PerptapeError, TimeoutError) as error:
            log.warning("wants are not ended", venue=venue.name, dataset=outcome.dataset, outcome="failed", error=str(error))

    async def _publishing(self) -> None:
        while True:
            await self._environment.sleep(self._run.request.spec.store.published_every.ms / SECOND)
            if not self._run.request.namespace:
                await self._publish()

    async def _publish(self) -> bool:
        try:
            reports = await self._environment.aside(self._run.tape.publish)
        except StoreError as error:
            log.error("publishing failed: trying again next time", outcome="retry", error=str(error))
            return False
        for report in reports:
            said = {name: value for name, value in dataclasses.asdict(report).items() if value or name in ("segments", "rows")}
            log.info("published", outcome="failed" if report.error else "published", **said)
        return not any(report.error for report in reports)
