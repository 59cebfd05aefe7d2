"""Carries out a CollectionSpec here: once, or on its schedules with streams and publishing until it is told to stop.

Shell. Venues run side by side and fail alone; the store is the one thing that they share.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from perptape.collect.asking import Asking, Environment, VenueStopped
from perptape.collect.circuit import Circuit
from perptape.collect.outcome import Outcome
from perptape.collect.streams import stream
from perptape.collect.summary import Summary
from perptape.collect.targets import Session, resolved
from perptape.collect.venue import Venue
from perptape.errors import Fatal, OriginConflict, Retry, Skip, StoreError, UsageError
from perptape.exchanges.base import Access, Exchange, Traits
from perptape.interval import MINUTE
from perptape.store.catalog import Tape
from perptape_api.collection import CollectionSpec

log = structlog.get_logger("perptape")

PATIENCE = 300.0
"""Seconds without progress after which a venue's part of `--once` ends."""


class Progress(Protocol):
    """Told how far a run is, for whoever watches."""

    def advanced(self, venue: str, dataset: str, done: int, total: int, rows: int) -> None: ...

    def message(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """What to carry out. `datasets` are names of `spec.collect`; `access` by venue; `writer` is unique to this process."""

    name: str
    source: str
    spec: CollectionSpec
    venues: tuple[str, ...]
    datasets: tuple[str, ...]
    once: bool
    access: Mapping[str, Access]
    writer: str
    deadline_s: float | None = None
    session: str = ""
    since: int | None = None
    scheduled: bool = False
    work_hash: str = ""
    state: str | None = None
    """Where stream logs are kept when the store is not a folder."""

    @property
    def spec_id(self) -> str:
        return f"{self.source}:{self.name}"


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
    _origins: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        request = self.request
        self.summary = Summary(request.name, request.writer, request.work_hash, self.environment.clock(), scheduled=request.scheduled)

    async def carry_out(self) -> Summary:
        """The whole run. Raises UsageError (exit 2); everything else is in the summary."""
        if self.request.spec.symbols.names is None:
            raise UsageError("spec.symbols.select: `perptape run` does not choose symbols yet; list them in spec.symbols.names")
        deadline = None if self.request.deadline_s is None else self.environment.monotonic() + self.request.deadline_s
        try:
            failures = await self._open(deadline)
            if self.request.once:
                await self._once(failures)
            else:
                await self._stay(failures, deadline)
        except StoreError as error:
            self.summary.store_error = str(error)
            log.error("the store cannot be used", outcome="failed", error=str(error))
        finally:
            await asyncio.gather(*(venue.exchange.close() for venue in self.venues.values()), return_exceptions=True)
            self.summary.finished = self.environment.clock()
        return self.summary

    def _asking(self, venue: str, traits: Traits, deadline: float | None) -> Asking:
        patience = PATIENCE if self.request.once else float("inf")
        return Asking(
            venue,
            self.environment,
            Circuit(traits.circuit_failures),
            deadline,
            patience,
            on_trouble=lambda message: log.warning(message, venue=venue),
        )

    async def _open(self, deadline: float | None) -> dict[str, str]:
        """Connects every venue and resolves the symbols. Returns why, for each venue that could not be reached."""
        for name in self.request.venues:
            exchange = self.connect(name, self.request.access.get(name, Access()))
            asking = self._asking(name, exchange.traits, deadline)
            advanced = self.progress.advanced if self.progress is not None else None
            self.venues[name] = Venue(exchange, asking, self.tape, self.request.writer, advanced)
        failures: dict[str, str] = {}
        await asyncio.gather(*(self._list(name, failures) for name in self.request.venues))
        await self._settle_origin(failures)
        self._resolve(failures)
        for name in self.request.venues:
            if name not in failures:
                await self.venues[name].remember()
        return failures

    async def _list(self, name: str, failures: dict[str, str]) -> None:
        try:
            await self.venues[name].list_instruments()
        except (Retry, Skip, Fatal, VenueStopped) as error:
            failures[name] = str(error)
            log.error("cannot list instruments", venue=name, outcome="failed", error=str(error))

    async def _settle_origin(self, failures: Mapping[str, str]) -> None:
        """Holds the store's origin against every venue's before anything is written. Raises OriginConflict, FormatConflict."""
        reached = {venue.exchange.origin or "live": name for name, venue in self.venues.items() if name not in failures}
        if len(reached) > 1:
            parts = ", ".join(f"{name} is {origin}" for origin, name in sorted(reached.items()))
            raise OriginConflict(f"simulated and live venues cannot share a catalog: {parts}; use one --catalog for each")
        for origin in reached:
            await asyncio.to_thread(self.tape.prepare, origin, self.request.spec.store.format)

    def _resolve(self, failures: Mapping[str, str]) -> None:
        symbols = self.request.spec.symbols
        assert symbols.names is not None
        known = {name: venue.instruments for name, venue in self.venues.items() if name not in failures}
        traits = {name: venue.exchange.traits for name, venue in self.venues.items()}
        everything = not failures and set(self.request.venues) == {venue.exchange for venue in self.request.spec.venues}
        found = resolved(symbols.names, known, traits, exact=symbols.exact, all_reached=everything)
        for name, resolutions in found.items():
            self.venues[name].targets = resolutions
            for one in resolutions:
                if one.message:
                    log.info(one.message, venue=name, symbol=one.asked, outcome="substituted" if one.substituted else "skipped")
                    self.summary.notes.append(one.message)

    async def _session(self, venue: Venue) -> Session:
        now = await venue.exchange.now()
        if self.request.since is not None:
            return Session(self.request.spec_id, self.request.session, self.request.since + venue.exchange.offset)
        if self.request.once:
            return Session(self.request.spec_id, "once", now, once=True)
        return Session(self.request.spec_id, self.request.session or self.request.writer, now)

    async def _once(self, failures: Mapping[str, str]) -> None:
        wanted = self.request.spec.wanted()

        async def one(name: str) -> None:
            venue = self.venues[name]
            session = None if name in failures else await self._session(venue)
            for dataset in self.request.datasets:
                settings = wanted[dataset]
                if dataset == "liquidations":
                    why = venue.exchange.traits.no_feed or "a stream has no --once: run without it"
                    self.summary.outcomes.append(Outcome(name, dataset, unsupported=why))
                elif session is None:
                    self.summary.outcomes.append(Outcome(name, dataset, error=failures[name]))
                else:
                    assert not hasattr(settings, "replicas")
                    self.summary.outcomes.append(await venue.fetch(dataset, settings, session))  # type: ignore[arg-type]

        await self._side_by_side([one(name) for name in self.request.venues])

    async def _side_by_side(self, parts: list[Awaitable[None]]) -> None:
        """Runs them all; a stop cancels them (what they have is committed); the store's failure ends them all."""
        tasks = [asyncio.ensure_future(part) for part in parts]
        stopped = asyncio.ensure_future(self.stop.wait())
        everything = asyncio.gather(*tasks)
        try:
            await asyncio.wait({everything, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not everything.done():
                self.summary.notes.append("stopped before it was done: the next run goes on")
                return
            await everything
        finally:
            stopped.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, everything, return_exceptions=True)

    async def _stay(self, failures: dict[str, str], deadline: float | None) -> None:
        """Schedules, streams and publishing until stop or the deadline."""
        parts: list[Awaitable[None]] = []
        for name in self.request.venues:
            parts.append(self._venue(name, failures.get(name), deadline))
        if self.request.spec.store.published_every:
            parts.append(self._publishing())
        timer = None
        if deadline is not None:
            timer = asyncio.get_running_loop().call_later(max(deadline - self.environment.monotonic(), 0), self.stop.set)
        try:
            await self._side_by_side(parts)
        finally:
            if timer is not None:
                timer.cancel()
        self.summary.notes = [note for note in self.summary.notes if not note.startswith("stopped before")]
        await self._publish()

    async def _venue(self, name: str, failure: str | None, deadline: float | None) -> None:
        venue = self.venues[name]
        while failure is not None:
            await self.environment.sleep(60)
            failures: dict[str, str] = {}
            await self._list(name, failures)
            if not failures:
                try:
                    await self._settle_origin({other: "" for other in self.venues if other != name})
                    self._resolve({other: "" for other in self.venues if other != name})
                    await venue.remember()
                except StoreError as error:
                    failures[name] = str(error)
            failure = failures.get(name)
        session = await self._session(venue)
        wanted = self.request.spec.wanted()
        parts = []
        for dataset in self.request.datasets:
            if dataset == "liquidations":
                parts.append(stream(self, venue, session, wanted[dataset].replicas))  # type: ignore[union-attr]
            else:
                parts.append(self._schedule(venue, dataset, session))
        await asyncio.gather(*parts)

    async def _schedule(self, venue: Venue, dataset: str, session: Session) -> None:
        """Fetches a dataset once per `every`, each time within its budget; goes straight on when a budget left work."""
        settings = self.request.spec.wanted()[dataset]
        every = settings.every.ms  # type: ignore[union-attr]
        outcome = Outcome(venue.name, dataset)
        self.summary.outcomes.append(outcome)
        while not self.stop.is_set():
            venue.asking.deadline = None
            try:
                latest = await venue.fetch(dataset, settings, session)  # type: ignore[arg-type]
            except StoreError as error:
                log.error("the store cannot be used: trying again", venue=venue.name, dataset=dataset, outcome="retry", error=str(error))
                await self.environment.sleep(10)
                continue
            _accumulate(outcome, latest)
            if latest.remaining:
                continue
            now = await venue.exchange.now()
            await self.environment.sleep((every - now % every + spread(self.request.spec_id, venue.name, dataset, every)) / 1000)

    async def _publishing(self) -> None:
        while not self.stop.is_set():
            await self.environment.sleep(self.request.spec.store.published_every.ms / 1000)
            await self._publish()

    async def _publish(self) -> None:
        try:
            reports = await asyncio.to_thread(self.tape.publish)
        except StoreError as error:
            log.error("publishing failed: trying again next time", outcome="retry", error=str(error))
            return
        for report in reports:
            said = {name: value for name, value in dataclasses.asdict(report).items() if value or name in ("segments", "rows")}
            log.info("published", **said)


def _accumulate(total: Outcome, latest: Outcome) -> None:
    total.rows += latest.rows
    total.windows += latest.windows
    total.calls += latest.calls
    total.dropped += latest.dropped
    total.suspicious += latest.suspicious
    total.instruments = latest.instruments
    total.remaining, total.failed, total.skipped, total.error = latest.remaining, latest.failed, latest.skipped, latest.error


def spread(spec: str, venue: str, dataset: str, every: int) -> int:
    """ms after a slot's edge at which this collection asks: a stable hash, so that many do not ask in one moment."""
    digest = hashlib.blake2b(f"{spec}/{venue}/{dataset}".encode(), digest_size=4).digest()
    return 2_000 + int.from_bytes(digest, "big") % max(min(every // 10, MINUTE), 1)


async def run(
    request: Request, tape: Tape, *, connect: Connect, environment: Environment, stop: asyncio.Event, progress: Progress | None = None
) -> Summary:
    """Carries the request out. Raises UsageError (and OriginConflict, FormatConflict) for what only a person can mend."""
    return await Run(request, tape, connect, environment, stop, progress).carry_out()
