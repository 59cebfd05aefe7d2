"""A second connection beside those of a stream, for as long as their feed is silent beyond its quiet limit: it may hear what they do not.

Shell around `deafness`. Who is deaf ends and dials again (`stream_connection`); the second one goes once another hears, or after a quiet
limit in which nobody did: then the market is quiet, as far as anybody can know, and the time is unproven.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog

from perptape.collect.deafness import LOOK, newest, silent_since
from perptape.collect.stream_report import LiveReport
from perptape.collect.stream_sink import ConnectionSink

OVERLAP: Final = 10.0
"""Seconds that both hear before the second one goes: what it proves ends a push interval before its last word."""


class Second:
    """The second connection of one stream. `listen` keeps it until it is cancelled. `quiet`: seconds."""

    def __init__(
        self,
        sinks: Sequence[ConnectionSink],
        spare: ConnectionSink,
        listen: Callable[[], Coroutine[Any, Any, None]],
        report: LiveReport,
        quiet: float,
    ) -> None:
        self._sinks, self._spare, self._listen, self._report, self._quiet = sinks, spare, listen, report, quiet
        self._said = structlog.get_logger(__name__).bind(venue=report.venue, dataset=report.dataset)

    async def keep(self, stopping: asyncio.Event) -> None:
        """Until `stopping`."""
        clock, tried = asyncio.get_running_loop().time, 0.0
        while not await _within(stopping, LOOK):
            silent = silent_since(self._sinks)
            if silent is not None and clock() - max(silent, tried) > self._quiet:
                self._report.seconds += 1
                self._said.info("the feed is silent: a second connection listens", silent_s=round(clock() - silent))
                await self._listened(stopping)
                tried = clock()

    async def _listened(self, stopping: asyncio.Event) -> None:
        """One second connection, from its dialling to its end."""
        clock = asyncio.get_running_loop().time
        listening, began, heard = asyncio.create_task(self._listen()), clock(), 0.0
        hearing: float | None = None  # since when one of the others does
        try:
            while not (stopping.is_set() or listening.done()) and clock() - max(began, heard) < self._quiet:
                if hearing is None and any(at > began + LOOK for at in newest(self._sinks).values()):
                    hearing = clock()
                if hearing is not None and clock() - hearing >= OVERLAP:
                    break
                await _within(stopping, LOOK)
                heard = max([heard, *self._spare.fed.values()])
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            self._said.info("the second connection goes", outcome="it heard the feed" if heard else "it heard nothing either")


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
