"""How a run meets its venues: connects, lists, resolves symbols, holds the store's origin against theirs; and meets again.

Shell. What one venue will not say concerns that venue alone; the store's word ends all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from perptape.collect.asking import Asking, Environment, VenueStopped
from perptape.collect.circuit import Circuit
from perptape.collect.request import Request
from perptape.collect.selection import Selection
from perptape.collect.summary import Summary
from perptape.collect.targets import followed, resolved
from perptape.collect.venue import Venue
from perptape.errors import Fatal, Retry, Skip, StoreError
from perptape.exchanges.base import Access, Exchange, Traits, origin_of
from perptape.instruments import Resolution
from perptape.raw import LIVE
from perptape.store.made import one_origin
from perptape.store.tape import Tape

log = structlog.get_logger("perptape")

PATIENCE = 300.0
"""Seconds without progress after which a venue's part of `--once` ends."""
UNREACHED = 60.0
"""The same where none of the venues answers a run that somebody started by hand: that is his network, and he must know soon."""
OPENING = 15.0
"""Seconds that all wait for one another at the start, so that symbols are resolved together; a venue that takes longer joins alone."""


class Progress(Protocol):
    """Told how far a run is, for whoever watches."""

    def advanced(self, venue: str, dataset: str, done: int, total: int, rows: int) -> None: ...

    def message(self, text: str) -> None: ...


Connect = Callable[[str, Access], Exchange]


@dataclass(slots=True)
class Meeting:
    """The venues of one run, and what is wanted of each."""

    request: Request
    tape: Tape
    connect: Connect
    environment: Environment
    summary: Summary
    progress: Progress | None = None
    venues: dict[str, Venue] = field(default_factory=dict)

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
        await asyncio.gather(*(self._reach(name, failures) for name in self.request.venues))
        self._resolve(failures)  # first: a symbol that nobody knows leaves no store behind
        await self._settle_origin(failures)
        patience = self._patience(failures)
        for name, venue in self.venues.items():
            venue.asking.patience = patience
            if name not in failures:
                await venue.remember()
        return failures

    def _patience(self, failures: Collection[str]) -> float:
        """Seconds that a venue may be silent from here on. A run of a schedule has its own end, one that stays has none."""
        if not self.request.once:
            return float("inf")
        nobody = len(failures) == len(self.venues) and not self.request.scheduled
        return UNREACHED if nobody else PATIENCE

    async def join(self, name: str, failures: dict[str, str]) -> None:
        """Another try at a venue that could not be reached; it leaves `failures` when it joined. Raises StoreError."""
        found: dict[str, str] = {}
        await self._reach(name, found)
        if found:
            failures |= found
            return
        others = {other: "" for other in self.venues if other != name}
        self._resolve(others)
        await self._settle_origin(others)
        await self.venues[name].remember()
        del failures[name]

    async def _reach(self, name: str, failures: dict[str, str]) -> None:
        try:
            await self._list(self.venues[name])
        except (Retry, Skip, Fatal, VenueStopped) as error:
            failures[name] = str(error)
            log.error("cannot list instruments yet", venue=name, outcome="failed", error=str(error))

    async def _list(self, venue: Venue) -> None:
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

    async def list_again(self, venue: Venue, failures: Mapping[str, str]) -> None:
        """Lists a venue under way anew: what was delisted or listed since is followed. Raises as `_list` does, and UsageError."""
        await self._list(venue)
        self._resolve(failures)
        await venue.remember()

    async def _settle_origin(self, failures: Mapping[str, str]) -> None:
        """Holds the store's origin against every venue's before anything is written. Raises OriginConflict, FormatConflict."""
        origin = one_origin({name: origin_of(venue.exchange) for name, venue in self.venues.items() if name not in failures})
        if origin is not None:
            await self.environment.aside(partial(self.tape.prepare, origin, self.request.spec.store.format))
        elif not any(self.request.access.get(name, Access()).endpoint for name in self.venues):
            with suppress(StoreError):  # what cannot be read yet is held against the first that answers
                await self.environment.aside(partial(self.tape.prepared, LIVE))

    def _resolve(self, failures: Mapping[str, str]) -> None:
        symbols = self.request.spec.symbols
        if symbols.names is None:
            return  # each venue's choice is its own: `_list` has made it
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
