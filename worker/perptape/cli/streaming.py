"""Watches the liquidation streams of several venues at once until told to stop; each reconnects on its own."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from perptape import logs, output
from perptape.cli.places import Place
from perptape.cli.rows import iso_ns
from perptape.cli.screen import Screen
from perptape.cli.shell import FAILED, OK, PARTLY
from perptape.cli.venue_calls import connect, environment
from perptape.cli.watched import Talk, Watched, Watcher
from perptape.collect.circuit import backoff
from perptape.collect.current import each, named
from perptape.collect.targets import resolved
from perptape.datasets.base import Invalid
from perptape.datasets.liquidations import row
from perptape.errors import Fatal, PerptapeError, Retry, Skip
from perptape.exchanges.base import Access, Exchange
from perptape.exchanges.registry import traits
from perptape.instruments import Instrument
from perptape.raw import RawLiquidation
from perptape.settings import Settings

if TYPE_CHECKING:
    from perptape.collect.request import Request
    from perptape.collect.summary import Summary

COLUMNS = (
    "venue",
    "symbol",
    "ts_event",
    "side",
    "position_side",
    "price",
    "average_price",
    "quantity",
    "value_usd",
    "venue_id",
    "ts_received",
)
Form = Literal["table", "json", "csv"]
COMMAND = "stream-liquidations"
LISTING = 10.0
"""Seconds for a venue to list its instruments."""


def event_row(event: RawLiquidation, received: int) -> tuple[object, ...]:
    """One event in `COLUMNS`. Raises Invalid. Pure."""
    one = event.instrument
    feed = traits(one.venue).feed
    assert feed is not None
    _, side, position, price, average, quantity, _, value, venue_id, _, got, happened, _ = row(event, feed.quantity_unit, 0, received)
    return one.venue, one.symbol, iso_ns(happened), side, position, price, average, quantity, value, venue_id, iso_ns(got)


def event_line(form: Form, values: tuple[object, ...]) -> str:
    """One event as a line. Pure."""
    if form == "json":
        return json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False)
    if form == "csv":
        return output.as_csv(output.Listing(COLUMNS, [values])).splitlines()[1]
    venue, symbol, time, side, position, price, _, quantity, value, _, _ = values
    size, at, worth = map(output.human, (quantity, price, value))
    return f"{time}  {venue:<11} {symbol:<16} {position:<5} liquidated ({side})  {size} at {at} = {worth} USD"


@dataclass(frozen=True, slots=True)
class Streaming:
    """What to watch. `place`: where it is also kept; None: nowhere."""

    words: tuple[str, ...]
    venues: tuple[str, ...]
    access: Mapping[str, Access]
    form: Form
    exact: bool
    quiet: bool
    seconds: float | None
    place: Place | None

    async def run(self, settings: Settings) -> int:
        """Until SIGINT, SIGTERM or the time given. The exit code."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if self.seconds is not None:
            loop.call_later(self.seconds, stop.set)
        screen = Screen(stop, alone=self.place is None)
        if self.form == "csv" and not self.quiet:
            screen.show(",".join(COLUMNS))
        code = OK
        if not stop.is_set():
            code = await (self._kept(settings, screen) if self.place is not None else self._watched(settings, screen))
        if screen.failure is None:
            return code
        if screen.alone:
            raise screen.failure
        return code or PARTLY

    def _shown(self, screen: Screen) -> Watcher:
        """Prints events."""

        def show(event: RawLiquidation, received: int) -> None:
            if self.quiet or screen.stop.is_set():
                return
            with suppress(Invalid):  # the collector counts it and keeps the payload
                screen.show(event_line(self.form, event_row(event, received)))

        return show

    # -- only watched

    async def _watched(self, settings: Settings, screen: Screen) -> int:
        stop = screen.stop

        async def instruments(exchange: Exchange) -> tuple[Exchange, tuple[Instrument, ...]]:
            return exchange, tuple(await exchange.instruments())

        async with each(self.venues, self.access, LISTING, instruments, connect=connect) as answers:
            failures = {venue: named(venue, one, "try again") for venue, one in answers.items() if isinstance(one, PerptapeError)}
            reached = {venue: one for venue, one in answers.items() if not isinstance(one, PerptapeError)}
            for failure in failures.values():
                output.error(logs.redacted(failure, settings.secrets))
            silent: dict[str, str] = {}
            wanted = self._wanted({venue: listed for venue, (_, listed) in reached.items()}, bool(failures))
            streams = [
                asyncio.create_task(self._stream(reached[venue][0], mine, failures, silent, screen, settings))
                for venue, mine in wanted.items()
                if mine
            ]
            if streams:
                ended = asyncio.create_task(stop.wait())
                everything = asyncio.create_task(asyncio.wait(streams))
                await asyncio.wait((everything, ended), return_when=asyncio.FIRST_COMPLETED)
                for task in (*streams, everything, ended):
                    task.cancel()
                await asyncio.gather(*streams, everything, ended, return_exceptions=True)
        failed = failures.keys() | silent.keys()
        return OK if not failed else FAILED if len(failed) == len(self.venues) else PARTLY

    def _wanted(self, known: Mapping[str, tuple[Instrument, ...]], away: bool) -> dict[str, tuple[Instrument, ...]]:
        """The instruments that the words mean on each venue. Raises UsageError for a word that nobody knows."""
        every = {venue: traits(venue) for venue in known}
        found = resolved(self.words, known, every, exact=self.exact, all_reached=not away)
        for message in dict.fromkeys(one.message for each_of in found.values() for one in each_of if one.message):
            output.note(message.replace("collecting", "showing"))
        return {venue: tuple(one.instrument for one in each_of if one.instrument is not None) for venue, each_of in found.items()}

    async def _stream(
        self,
        exchange: Exchange,
        instruments: tuple[Instrument, ...],
        failures: dict[str, str],
        silent: dict[str, str],
        screen: Screen,
        settings: Settings,
    ) -> None:
        """One venue: connects again and again, after a while that grows with each failure in a row. It is `silent` as long as none of
        its connections came about."""
        venue, attempt, heard = exchange.traits.venue, 0, False
        watched = Watched(exchange, self._shown(screen))
        while not screen.stop.is_set():
            talk = Talk(venue, output.note)
            try:
                await watched.liquidations(instruments, talk)
            except Retry as error:
                output.error(logs.redacted(named(venue, error, "dialling again"), settings.secrets))
                if not heard:
                    silent[venue] = str(error)
                if error.after is not None:
                    await asyncio.sleep(error.after)
            except (Skip, Fatal) as error:
                failures[venue] = str(error)
                output.error(logs.redacted(named(venue, error), settings.secrets))
                return
            finally:
                if talk.acknowledgements:
                    heard = True
                    silent.pop(venue, None)
            attempt = 1 if talk.acknowledgements else attempt + 1
            await asyncio.sleep(backoff(attempt, random.random()))

    # -- kept too

    def request(self, settings: Settings) -> Request:
        """What the collector is asked to carry out."""
        from perptape.cli.carry import writer
        from perptape.cli.daemon import document, wanting
        from perptape.cli.order import reserve
        from perptape.collect.request import Request
        from perptape_api.document import parse

        collect: dict[str, object] = {"liquidations": {"replicas": 1}}
        spec = parse(document(COMMAND, self.words, self.venues, collect, exact=self.exact), COMMAND).spec
        return Request(
            name=COMMAND,
            source=wanting("cli", spec),
            spec=spec,
            venues=self.venues,
            datasets=("liquidations",),
            once=False,
            access=self.access,
            writer=settings.writer or writer(),
            deadline_s=self.seconds,
            state=settings.state,
            reserve=reserve(spec, settings),
        )

    async def _kept(self, settings: Settings, screen: Screen) -> int:
        from perptape.cli.tapes import tape
        from perptape.collect.run import run

        assert self.place is not None
        summary: Summary = await run(
            self.request(settings),
            tape(self.place),
            connect=lambda venue, access: Watched(connect(venue, access), self._shown(screen)),
            environment=environment(),
            stop=screen.stop,
        )
        for line in summary.lines():
            output.note(logs.redacted(line, settings.secrets))
        return summary.exit_code
