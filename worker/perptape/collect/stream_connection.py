"""One place of a stream: a connection, and after its end the next one, for as long as the venue may be asked.

A silent connection is ended by us, a closed one is dialled again after a backoff with full jitter, or when the venue says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from random import Random
from typing import Final

import structlog

from perptape.collect.circuit import backoff
from perptape.collect.deafness import LOOK, Deafness, Ear
from perptape.collect.stream_report import LiveReport, Pace
from perptape.collect.stream_sink import ConnectionSink
from perptape.collect.watchdog import Watch
from perptape.errors import Fatal, Retry, Skip
from perptape.exchanges.base import Exchange
from perptape.instruments import Instrument
from perptape.interval import NS

UNREAD: Final = 0.1
"""Seconds for what came while this process was held up: it lies in the socket when the silence seems over-long, and is read first."""


class Place:
    """Keeps one connection of a stream alive. `now`: ms on the venue's clock."""

    def __init__(
        self,
        exchange: Exchange,
        instruments: Sequence[Instrument],
        sink: ConnectionSink,
        report: LiveReport,
        *,
        now: Callable[[], int],
        random: Random,
        pace: Pace,
        watch: Watch,
        others: Callable[[], Iterable[Ear]] = tuple,
    ) -> None:
        self._exchange = exchange
        self._instruments = instruments
        self._sink = sink
        self._report = report
        self._now = now
        self._random = random
        self._pace = pace
        self._watch = watch
        self._others = others
        """What the other connections of the stream hear."""
        self._said = structlog.get_logger(__name__).bind(venue=report.venue, dataset=report.dataset)

    async def keep(self, stopping: asyncio.Event) -> None:
        """Returns when `stopping` is set, or when the venue says that it never will; the report then says why."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while not stopping.is_set():
            started, after = clock(), None
            try:
                reason = await self._connection(started)
            except Retry as error:
                reason, after = str(error), error.after
            except (Skip, Fatal) as error:
                self._report.ended = str(error)
                return
            failures = 1 if clock() - started >= self._pace.steady else failures + 1
            delay = backoff(failures, self._random.random())
            delay = delay if after is None else after + delay / 10
            self._report.reconnects += 1
            self._report.last_error = reason
            self._said.warning("connection ended", connection=self._sink.counted, outcome=reason, again_in=round(delay, 1))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), delay)

    async def _connection(self, started: float) -> str:
        """One connection from dialling to its end, and why it ended."""
        clock, sink = asyncio.get_running_loop().time, self._sink
        task = asyncio.create_task(self._exchange.liquidations(self._instruments, sink))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks how it ended that was given up
        reason, deafness, looked = "stopped", Deafness(), started
        try:
            while not task.done():
                dead = self._watch.verdict(started, sink.heard, clock())
                if dead is not None:
                    await asyncio.wait({task}, timeout=UNREAD)
                    dead = self._watch.verdict(started, sink.heard, clock())
                if dead is None and clock() >= looked + LOOK:  # as it was waited for: else rounding makes it spin
                    dead, looked = deafness.verdict(sink, self._others()), clock()
                if dead is not None and not task.done():
                    reason = dead
                    return reason
                due = min(self._watch.due(started, sink.heard), looked + LOOK)
                await asyncio.wait({task}, timeout=max(0.0, due - clock()))
            reason = "closed by the venue"
            task.result()
            return reason
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=self._pace.farewell)
            if sink.connection is not None:
                sink.closed(sink.connection, reason, self._now() * NS)
