"""From the intake to the log, from the log to segments, from segments to the store, each in a rhythm of its own.

A failure of the disk or the store is told and tried again; it stops nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

import structlog

from perptape.claims import Want, ended
from perptape.collect.circuit import backoff
from perptape.collect.stream_adopt import Segments, put
from perptape.collect.stream_batch import Batch, Intake
from perptape.collect.stream_log import StreamLog
from perptape.collect.stream_report import LiveReport, Pace
from perptape.collect.stream_sink import ConnectionSink
from perptape.collect.stream_tail import Segment
from perptape.collect.stream_thread import Offload
from perptape.collect.together import any_within
from perptape.errors import StoreError, Unwritable

Wants = Callable[[int, int | None], tuple[Want, ...]]
"""(now, the first time that a connection proved, if any) -> what a roll asserts; ms on the venue's clock."""


class Writer:
    """Writes one stream. `now`: ms on the venue's clock. `disk` and `store` run what blocks. `look` raises StoreError while the store
    is away."""

    def __init__(
        self,
        log: StreamLog,
        segments: Segments,
        intake: Intake,
        sinks: Sequence[ConnectionSink],
        report: LiveReport,
        *,
        wants: Wants,
        now: Callable[[], int],
        random: Random,
        pace: Pace,
        disk: Offload,
        store: Offload,
        look: Callable[[], object] | None = None,
    ) -> None:
        self._log = log
        self._segments = segments
        self._intake = intake
        self._sinks = sinks
        self._report = report
        self._wants = wants
        self._now = now
        self._random = random
        self._pace = pace
        self._disk = disk
        self._store = store
        self._look = look
        self._rolled, self._due, self._flushing = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._said = structlog.get_logger(__name__).bind(venue=report.venue, dataset=report.dataset)

    async def begin(self, wants: tuple[Want, ...]) -> None:
        """What is wanted is in the log, and soon in the store: who is killed before a connection proves is missed. What the log does
        not take now it takes with its first roll."""
        if not wants:
            return
        with suppress(StoreError):
            await self._disk(lambda: self._log.assert_wants(self._now(), wants))
            self._report.waiting += 1
            self._rolled.set()

    async def flushing(self, stopping: asyncio.Event) -> None:
        while not await any_within((stopping,), self._pace.flush):
            with suppress(StoreError):
                await self._flush()

    async def rolling(self, stopping: asyncio.Event) -> None:
        """The first as soon as a connection proves, so that it is known from when on. Before its time where much was received, or the
        store is back."""
        wait, left = self._pace.flush, self._pace.roll
        while not stopping.is_set():
            due = await any_within((stopping, self._due), wait)
            left -= wait
            if stopping.is_set() or not (due or left <= 0 or any(sink.first is not None for sink in self._sinks)):
                continue
            wait, left = self._pace.roll, 0.0
            self._due.clear()
            if self._rolls:
                await self._rolled_or_asserted(stopping)
                await any_within((stopping,), self._pace.flush)
                wait -= self._pace.flush

    @property
    def _rolls(self) -> bool:
        """Whether the next roll is not left for later: few segments wait, or this one would be more than memory should put at once."""
        return self._log.heavy or self._report.waiting < self._pace.waiting

    async def _rolled_or_asserted(self, stopping: asyncio.Event) -> None:
        """What the log does not take waits; that the time is wanted goes straight to the store, for this process may be killed."""
        with suppress(StoreError):
            await self._flush()
        if stopping.is_set():  # connections that were closed for that are no reason to say that nobody listened: `end` knows
            return
        with suppress(StoreError):
            try:
                await self._roll(self._now(), self._wanted())
            except Unwritable:
                now, wants = self._now(), self._wanted()
                segment = await self._disk(lambda: self._log.asserting(now, wants))
                await self._store(lambda: put(self._segments, segment))

    async def putting(self, stopping: asyncio.Event) -> None:
        """Until it is cancelled: putting a segment twice puts the same. With nothing to put it looks at the store now and then."""
        failures = 0
        while True:
            await any_within((self._rolled,), self._pace.look)
            self._rolled.clear()
            try:
                if self._report.waiting:
                    await self._put_all()
                elif self._look is not None:
                    await self._store(self._look)
                if failures:
                    self._due.set()  # what waited for room is rolled now
                failures = 0
                self._report.store_error = self._report.store_reason = ""
            except StoreError as error:
                failures += 1
                delay = min(backoff(failures, self._random.random()), self._pace.patience)
                if self._report.waiting or str(error) != self._report.store_error:
                    self._said.error("segment not stored", segments=self._report.waiting, outcome=str(error), again_in=round(delay, 1))
                self._report.last_error = self._report.store_error = str(error)
                self._report.store_reason = error.reason
                await any_within((stopping,), delay)
                self._rolled.set()

    async def end(self, *, listening: int | None, wanted: bool) -> None:
        """What was received becomes durable, then a segment; the log goes if the store has it all. What the log refuses now goes
        straight to the store.

        `listening`: since when (ms on the venue's clock) somebody did, without a break, so that nothing after it is known to be missed
        though the last moments are not proven; None: nobody does. `wanted`: still; else what is wanted ends with what is said.
        """
        events, durable = self._report.counts.events, self._report.durable_until
        beside, stored = "", False
        try:
            try:
                await self._finish(listening, wanted)
            except Unwritable as error:
                beside = error.reason
                await self._disk(self._log.pass_by)
                await self._finish(listening, wanted)
            await self._put_all()
            stored = True
        except StoreError as error:
            self._report.complete = False
            self._report.last_error = str(error)
        finally:
            if beside and not stored:
                self._report.lose(beside, events, durable)
        with suppress(StoreError):
            await self._disk(self._log.close)

    async def _finish(self, listening: int | None, wanted: bool) -> None:
        """The last flush and roll. Raises StoreError."""
        if await self._flush():  # something had been dropped: from there on all is missed, and it must be said
            listening = None
            await self._flush()
        end = await self._disk(lambda: self._log.end(self._now() if listening is None else listening))
        wants = self._wanted()
        await self._roll(end, wants if wanted else ended(wants, end), last=True)

    async def _flush(self) -> bool:
        """What was received is durable. True: something had been dropped before, which the next write says. Raises StoreError."""
        async with self._flushing:  # marks prove what is before them, so that no batch is between the pieces of another
            for sink in self._sinks:
                sink.settle()
            until, batch = self._now(), self._intake.take()
            connected, places = [sink for sink in self._sinks if sink.connection is not None], self._report.places
            self._report.connected = min(len(connected), places)
            self._report.proven = min(sum(sink.proven for sink in connected), places)
            await self._written(batch)
            self._report.durable_until = until
            self._report.log_error = self._report.log_reason = ""
            resumed = self._intake.resumed(now := self._now())
            if resumed:
                self._anew(now)
            return resumed

    async def _written(self, batch: Batch) -> None:
        """Makes a batch durable; what does not get there is tried again before anything newer."""
        pieces = list(batch.pieces(self._log.piece)) if batch else []
        try:
            while pieces:
                piece = pieces[0]
                await self._disk(lambda piece=piece: self._log.write(piece))  # type: ignore[misc]
                self._intake.durable(piece)
                del pieces[0]
        except Unwritable as error:
            left = Batch()
            for piece in pieces:
                left.extend(piece)
            self._intake.give_back(left, error.reason)
            self._failed(error)
            raise
        finally:
            self._report.log_used = self._log.used
            if (self._log.pressed or self._log.heavy) and self._rolls:
                self._due.set()

    def _anew(self, now: int) -> None:
        """What connections prove counts from now on."""
        for sink in self._sinks:
            sink.again(now)

    def _wanted(self) -> tuple[Want, ...]:
        return self._wants(self._now(), min((sink.first for sink in self._sinks if sink.first is not None), default=None))

    async def _roll(self, time: int, wants: tuple[Want, ...], *, last: bool = False) -> None:
        try:
            if await self._disk(lambda: self._log.roll(time, wants, last=last)):
                self._anew(self._now())
        except StoreError as error:
            self._failed(error)
            raise
        self._report.waiting += 1
        self._rolled.set()

    async def _put_all(self) -> None:
        for segment in await self._disk(lambda: self._log.unconfirmed):
            await self._put(segment)
        if self._report.log_error:
            self._due.set()  # there is room, or will be after the next roll

    async def _put(self, segment: Segment) -> None:
        await self._store(lambda: put(self._segments, segment))
        self._report.segments += 1
        self._report.waiting = max(0, self._report.waiting - 1)
        self._report.holes += len({(c.start, c.end) for c in segment.claims if c.kind == "hole"})
        self._said.info("segment", rows=segment.rows.num_rows, segment=segment.name, outcome="stored")
        await self._disk(lambda: self._log.confirm(segment.name))

    def _failed(self, error: StoreError) -> None:
        if self._report.last_error != str(error):
            self._said.error("not written", rows=len(self._intake), outcome=str(error))
        self._report.last_error = self._report.log_error = str(error)
        self._report.log_reason = error.reason
