"""A stream whose instruments change while it runs: the new set is listened to and proven before the old one's connection is closed.

Shell. Until what both prove overlaps both listen, to logs of their own; what both hear is one event on the tape: nothing is missed or
doubled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from perptape.collect.outcome import Outcome
from perptape.interval import SECOND

log = structlog.get_logger("perptape")

LOOK_S: Final = 1.0
SPARE_S: Final = 5.0
"""What both listen beyond the venue's push interval, by which what the old one proves ends before its last mark."""


class Begin(Protocol):
    """Begins a stream of what is wanted now. `first`: of this process."""

    def __call__(
        self, outcome: Outcome, stop: asyncio.Event, handed_over: Callable[[], bool], *, first: bool
    ) -> Coroutine[Any, Any, None]: ...


@dataclass(slots=True, eq=False)
class Part:
    """One of the streams. `handed_over`: another one goes on with what it wanted."""

    ids: frozenset[str]
    outcome: Outcome
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    handed_over: bool = False
    task: asyncio.Task[None] = field(init=False)

    @property
    def proven(self) -> bool:
        live = self.outcome.live
        return live is not None and live.proven >= live.places

    async def end(self) -> None:
        self.stop.set()
        await self.task


class Following:
    """Streams until `stop`. `wanted` are the ids chosen now, `chosen` is set when that may have changed; what happened is in `outcome`,
    in whose place `replaced` puts that of a stream that goes on."""

    def __init__(
        self,
        begin: Begin,
        wanted: Callable[[], frozenset[str]],
        outcome: Outcome,
        stop: asyncio.Event,
        chosen: asyncio.Event,
        replaced: Callable[[Outcome, Outcome], None],
        sleep: Callable[[float], Awaitable[Any]],
        push_interval: int = 0,
    ) -> None:
        self._begin, self._wanted, self._outcome = begin, wanted, outcome
        self._stop, self._chosen, self._instead, self._sleep = stop, chosen, replaced, sleep
        self._overlap = push_interval / SECOND + SPARE_S

    async def carry_out(self) -> None:
        """Raises what a stream raises."""
        now = self._begun(self._outcome, first=True)
        parts = {now}
        try:
            while not self._stop.is_set() and not (now.ids and now.task.done()):
                await self._woken(now)
                if self._chosen.is_set():
                    self._chosen.clear()
                    if self._wanted() != now.ids:
                        then = self._begun(Outcome(self._outcome.venue, self._outcome.dataset), first=False)
                        parts.add(then)
                        now = await self._replaced(now, then)
        finally:
            for part in parts:
                part.stop.set()
            await asyncio.gather(*(part.task for part in parts))

    def _begun(self, outcome: Outcome, *, first: bool) -> Part:
        part = Part(self._wanted(), outcome)
        part.task = asyncio.ensure_future(self._begin(outcome, part.stop, lambda: part.handed_over, first=first))
        return part

    async def _woken(self, now: Part) -> None:
        """Until there is something to do. A stream of nothing has ended, and is no news."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in (self._stop, self._chosen)]
        try:
            await asyncio.wait([*waits, *([now.task] if now.ids else [])], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _replaced(self, old: Part, new: Part) -> Part:
        """The stream that goes on: the new one once it is proven, the old one where that does not come about."""
        both = 0.0
        while both < self._overlap and not (new.task.done() or old.task.done() or self._stop.is_set()):
            await self._sleep(LOOK_S)
            both = both + LOOK_S if new.proven else 0.0
        failed = new.task.done() and bool(new.ids)
        if failed or self._stop.is_set():
            if failed:
                why = new.outcome.error or "it ended"
                log.warning("the stream of the new choice does not begin: the old one goes on", venue=old.outcome.venue, error=why)
            new.handed_over = True  # the old one wants it still, or ends it
            await new.end()
            return old
        old.handed_over = True
        await old.end()
        log.info("instruments changed", venue=old.outcome.venue, added=len(new.ids - old.ids), removed=len(old.ids - new.ids))
        if new.outcome.live is not None and old.outcome.live is not None:
            new.outcome.live.counts.add(old.outcome.live.counts)
        new.outcome.stored += old.outcome.stored
        new.outcome.failed = [*old.outcome.failed, *new.outcome.failed]  # logs that cannot be read are still there
        self._instead(old.outcome, new.outcome)
        return new
