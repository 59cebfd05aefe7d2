"""Any venue through CCXT's client: what its file knows is asked over its line; streams are dialled and kept measured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from perptape.errors import Retry, Skip
from perptape.exchanges._ccxt_client import made
from perptape.exchanges._ccxt_line import Line
from perptape.exchanges._ccxt_stream import Connection, listen
from perptape.exchanges.base import Access, Sink, Traits
from perptape.exchanges.calls import Venue
from perptape.exchanges.clock_watch import kept_measured
from perptape.instruments import Instrument
from perptape.interval import MINUTE, Interval
from perptape.raw import Answer, RawFill, RawFunding, RawOpenInterest, RawPrediction, RawVolume

_LOG = logging.getLogger(__name__)


class CcxtExchange:
    """Implements `Exchange` for any venue file. `clock` is the local wall clock in ns; `ids` names connections."""

    def __init__(self, venue: Venue, access: Access, clock: Callable[[], int], ids: Callable[[], str]) -> None:
        self._venue, self._access, self._clock, self._ids = venue, access, clock, ids
        self._line = Line(venue, access, clock)
        self._streaming: Any = None
        self.listed_whole = True
        self._ahead: asyncio.Task[Answer[Instrument]] | None = None

    @property
    def traits(self) -> Traits:
        return self._venue.TRAITS

    @property
    def origin(self) -> str | None:
        return self._line.origin

    @property
    def offset(self) -> int:
        return self._line.offset

    async def now(self) -> int:
        return await self._line.measured()

    def ask_ahead(self) -> None:
        """Asks for the list of contracts now; the next `instruments` waits for that answer."""
        self._ahead = asyncio.ensure_future(self._line.answer(self._venue.instruments()))

    async def instruments(self) -> tuple[Instrument, ...]:
        asked, self._ahead = self._ahead, None
        answer = await (self._line.answer(self._venue.instruments()) if asked is None else asked)
        for line in answer.dropped:
            _LOG.warning("%s lists a contract that cannot be understood: %s", self.traits.venue, line)
        self.listed_whole = not answer.dropped
        return tuple(answer.rows)

    async def open_interest(self, instruments: Sequence[Instrument]) -> Answer[RawOpenInterest]:
        return await self._line.answer(self._venue.open_interest(instruments))

    async def volume(self, instruments: Sequence[Instrument]) -> Answer[RawVolume]:
        return await self._line.answer(self._venue.volume(instruments))

    async def open_interest_page(self, instrument: Instrument, period: int, window: Interval) -> Answer[RawOpenInterest]:
        history = self.traits.open_interest_history
        if history is None or period not in history.periods:
            raise Skip(f"{self.traits.venue} serves no history of open interest every {period // MINUTE} min")
        return await self._line.answer(self._venue.open_interest_page(instrument, period, window))

    async def funding(self, instruments: Sequence[Instrument]) -> Answer[RawPrediction]:
        return await self._line.answer(self._venue.funding(instruments))

    async def funding_page(self, instrument: Instrument, window: Interval) -> Answer[RawFunding]:
        return await self._line.answer(self._venue.funding_page(instrument, window))

    async def liquidations_page(self, instrument: Instrument, window: Interval) -> Answer[RawFill]:
        if self._venue.REPAIR is None:
            raise Skip(f"{self.traits.venue} serves no past liquidations")
        return await self._line.answer(self._venue.REPAIR(instrument, window))

    async def liquidations(self, instruments: Sequence[Instrument], sink: Sink) -> None:
        if self.traits.feed is None:
            raise Skip(self.traits.no_feed)
        stream, control = self._venue.STREAM, self.traits.feed.control
        if stream is None:
            raise Skip(f"{self.traits.venue} has no stream")
        if self._streaming is None:
            self._streaming = made("pro", self._venue.CCXT, self._access, self._clock)
        connection = Connection(self._ids(), instruments, sink, self._line.now)
        ids = [one.venue_id for one in instruments]
        await self._line.turns.dial()
        keeping = asyncio.create_task(kept_measured(self._line.measured, lambda: self._clock() / 1e9))
        line, watch = self._line, self._line.dialled()
        try:
            await listen(self._streaming, stream, control, ids, connection, self._access.timeout, lambda shaken: line.met(shaken, watch))
        except Retry as error:
            raise line.refused(error) from error
        finally:
            keeping.cancel()

    async def close(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()
        if self._streaming is not None:
            await self._streaming.close()
        await self._line.close()
