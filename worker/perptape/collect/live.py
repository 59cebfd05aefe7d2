"""One venue's liquidations from its sockets to segments: connections, the log that every event reaches first, rolls, the store.

The shell of the stream: `stream_connection` keeps connections alive, `stream_batch` takes what they say, `stream_writer` brings it to
the log and the store, `marks` decides what is claimed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

import structlog

from perptape.claims import Want
from perptape.collect.mark_rules import Rules
from perptape.collect.stream_adopt import Segments
from perptape.collect.stream_batch import Intake
from perptape.collect.stream_connection import Place
from perptape.collect.stream_log import StreamLog
from perptape.collect.stream_report import LiveReport, Pace
from perptape.collect.stream_second import Second
from perptape.collect.stream_sink import AHEAD, ConnectionSink
from perptape.collect.stream_thread import Lanes, Offload, Thread
from perptape.collect.stream_writer import Wants, Writer
from perptape.collect.together import until
from perptape.collect.watchdog import Watch
from perptape.datasets.liquidations import LIQUIDATIONS, Row
from perptape.errors import Fatal, Retry, Skip
from perptape.exchanges.base import Exchange, Feed
from perptape.instruments import Instrument
from perptape.interval import SECOND
from perptape.store.logs import Logs
from perptape_api.names import LOG_RESERVE

_log = structlog.get_logger(__name__)


class LiveStream:
    """A venue's stream. `clock` is local ms; times are shifted to the venue's clock by the exchange's offset.

    `since`: instrument -> when an earlier process stopped listening (`Adopted.since`), from where on this one records a hole.
    `before`: now, ms -> what is wanted before anything is dialled.
    `goes_on`, asked at its end: whether what is wanted outlives a stop, since another process or stream carries it on.
    `log_limit`: the bytes that its log takes from the disk beforehand. `look` raises StoreError while the store is away.
    `on_row` gets every row at once, of every connection; it must be quick and not raise.
    """

    def __init__(
        self,
        exchange: Exchange,
        instruments: Sequence[Instrument],
        *,
        logs: Logs,
        segments: Segments,
        wants: Wants,
        clock: Callable[[], int],
        random: Random,
        before: Callable[[int], tuple[Want, ...]] = lambda now: (),
        since: Mapping[str, int] | None = None,
        replicas: int = 1,
        pace: Pace | None = None,
        watch: Watch | None = None,
        on_row: Callable[[Row], None] | None = None,
        buffer: int = 200_000,
        log_limit: int = LOG_RESERVE,
        on_disk: Offload | None = None,
        on_store: Offload | None = None,
        lanes: Lanes = Thread,
        goes_on: Callable[[], bool] = lambda: False,
        look: Callable[[], object] | None = None,
    ) -> None:
        self._exchange = exchange
        self._instruments = tuple(instruments)
        self._logs = logs
        self._segments = segments
        self._wants = wants
        self._before = before
        self._clock = clock
        self._random = random
        self._since = dict(since or {})
        self._replicas = replicas
        self._pace = pace or Pace()
        self._watch = watch or Watch()
        self._on_row = on_row
        self._log_limit = log_limit
        self._on_disk = on_disk
        self._on_store = on_store
        self._lanes = lanes
        self._goes_on = goes_on
        self._look = look
        self.report = LiveReport(exchange.traits.venue, LIQUIDATIONS.name, len(self._instruments), places=replicas, log_reserve=log_limit)
        self._intake = Intake(buffer, self.report.counts)
        self._monotonic: Callable[[], float] | None = None
        self._said = _log.bind(venue=self.report.venue, dataset=self.report.dataset)

    def now(self) -> int:
        """ms on the venue's clock."""
        return self._clock() + self._exchange.offset

    def told(self) -> int:
        """ms on the venue's clock, to judge by. Where this machine takes that to be far ahead of what the control topic said last, it was
        measured while the venue's was wrong: it is the venue's own word that counts."""
        now, spoke = self.now(), self._intake.spoke
        if spoke is None or self._monotonic is None:
            return now
        said = spoke[0] + round((self._monotonic() - spoke[1]) * SECOND)
        return said if now > said + AHEAD else now

    async def run(self, stop: asyncio.Event) -> LiveReport:
        """Streams until `stop` is set or the venue says that it never will. Raises StoreError if no log can be made."""
        feed = self._exchange.traits.feed
        if feed is None:
            self.report.ended = self._exchange.traits.no_feed or f"{self.report.venue} has no liquidation feed"
            return self.report
        await until(stop, self._look_at_the_clock())
        if stop.is_set() or self.report.ended:
            return self.report
        threads = [self._lanes("perptape-log"), self._lanes("perptape-store")]
        disk, store = self._on_disk or threads[0], self._on_store or threads[1]
        try:
            log = await disk(lambda: self._opened(feed))
            await self._streamed(feed, log, disk, store, stop)
        finally:
            for thread in threads:
                thread.close()
        return self.report

    async def _look_at_the_clock(self) -> None:
        try:
            await self._exchange.now()
        except (Fatal, Skip) as error:
            self.report.ended = str(error)
        except Retry as error:
            self.report.last_error = str(error)  # the connections will tell

    def _opened(self, feed: Feed) -> StreamLog:
        rules = Rules.of(feed, (one.id for one in self._instruments))
        return StreamLog(
            self._logs,
            LIQUIDATIONS,
            self.report.venue,
            rules,
            opened=self.now(),
            since={one: time for one, time in self._since.items() if one in rules.instruments},
            new_id=lambda: f"{self._random.getrandbits(64):016x}",
            limit=self._log_limit,
            part=self._pace.part,
        )

    async def _streamed(self, feed: Feed, log: StreamLog, disk: Offload, store: Offload, stop: asyncio.Event) -> None:
        intake, self._monotonic = self._intake, asyncio.get_running_loop().time
        sinks = [self._sink(intake, feed) for _ in range(self._replicas)]
        spare = self._sink(intake, feed)
        ears = [*sinks, spare]
        writer = self._writer(log, intake, ears, disk, store)
        await writer.begin(self._before(self.now()))
        stopping = asyncio.Event()
        beside = LiveReport(self.report.venue, self.report.dataset, self.report.instruments)  # what becomes of it ends no stream
        second = Second(sinks, spare, lambda: self._place(spare, ears, beside).keep(stopping), self.report, feed.quiet_limit / SECOND)
        places = [asyncio.create_task(self._place(sink, ears, self.report).keep(stopping)) for sink in sinks]
        rhythms = [asyncio.create_task(one(stopping)) for one in (second.keep, writer.flushing, writer.rolling, writer.putting)]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({stopped, *places, *rhythms}, return_when=asyncio.FIRST_COMPLETED)
        deadline = asyncio.get_running_loop().time() + self._pace.stop
        listening = min((since for sink in sinks if (since := sink.listens(self._watch.fresh)) is not None), default=None)
        stopping.set()
        for task in (stopped, *places, rhythms[-1]):
            task.cancel()
        await asyncio.wait({*places, *rhythms}, timeout=2 * self._pace.farewell)
        try:
            async with asyncio.timeout_at(deadline):
                await writer.end(listening=listening, wanted=self._goes_on() or not stop.is_set())
        except TimeoutError:
            self.report.complete = False
        for task in (*places, *rhythms):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        outcome = self.report.ended or "stopped"
        self._said.info("stream ended", rows=self.report.counts.events, outcome=outcome, stored=self.report.complete)

    def _sink(self, intake: Intake, feed: Feed) -> ConnectionSink:
        clock = asyncio.get_running_loop().time
        market = feed.scope == "market"
        return ConnectionSink(intake, feed.quantity_unit, market=market, on_row=self._on_row, on_malformed=self._malformed, clock=clock)

    def _place(self, sink: ConnectionSink, ears: Sequence[ConnectionSink], report: LiveReport) -> Place:
        return Place(
            self._exchange, self._instruments, sink, report,
            now=self.now, random=self._random, pace=self._pace, watch=self._watch, others=lambda: [ear for ear in ears if ear is not sink],
        )  # fmt: skip

    def _writer(self, log: StreamLog, intake: Intake, sinks: Sequence[ConnectionSink], disk: Offload, store: Offload) -> Writer:
        return Writer(
            log,
            self._segments,
            intake,
            sinks,
            self.report,
            wants=self._wants,
            now=self.now,
            random=self._random,
            pace=self._pace,
            disk=disk,
            store=store,
            look=self._look,
        )

    def _malformed(self, connection: str, message: str) -> None:
        count = self.report.counts.malformed
        if count <= 10 or count % 1_000 == 0:
            self._said.warning("malformed frame", connection=connection, outcome="counted", malformed=count, payload=message[:200])
