"""Any venue through CCXT's client: carries out the conversations of its file and keeps to its limits.

Neither CCXT's unified history methods nor its pager nor its limiter are used (facts: they lose rows, and share nothing).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from perptape.errors import PerptapeError, Retry, Skip
from perptape.exchanges._ccxt_client import WATCH, Watch, made
from perptape.exchanges._ccxt_errors import Seen, Translator, http_date
from perptape.exchanges._ccxt_lite import errors
from perptape.exchanges._ccxt_stream import Connection, listen
from perptape.exchanges.base import Access, Sink, Traits
from perptape.exchanges.calls import Call, Conversation, Reply, Rows, Venue
from perptape.exchanges.host import Shared, place
from perptape.exchanges.offset import Offset, measured
from perptape.exchanges.turns import Turns
from perptape.instruments import Instrument
from perptape.interval import LATEST, MINUTE, SECOND, Interval
from perptape.raw import Answer, RawFunding, RawOpenInterest, RawPrediction, RawVolume

T = TypeVar("T")
ORIGIN = "x-perptape-origin"
MEASURED_FOR = 10 * MINUTE
"""How long a measured offset is trusted without asking again."""
DOUBT = 250
"""ms: an offset less certain than this (a Date header has whole seconds) is measured by asking the venue's clock."""
_LOG = logging.getLogger(__name__)


class CcxtExchange:
    """Implements `Exchange` for any venue file. `clock` is the local wall clock in ns; `ids` names connections."""

    def __init__(self, venue: Venue, access: Access, clock: Callable[[], int], ids: Callable[[], str]) -> None:
        self._venue, self._access, self._clock, self._ids = venue, access, clock, ids
        self._client = made("async_support", venue.CCXT, access, clock)
        self._translator = Translator(venue.TRAITS.venue, errors(), venue.CODES)
        self._turns = access.turns or Turns(venue.TRAITS.venue, venue.TRAITS.limits, access.speed, shared=_shared(venue, access))
        self._offset: Offset | None = None
        self._shift = 0
        self._origin: str | None = None
        self._streaming: Any = None
        self.listed_whole = True
        self._ahead: asyncio.Task[Answer[Instrument]] | None = None

    @property
    def traits(self) -> Traits:
        return self._venue.TRAITS

    @property
    def origin(self) -> str | None:
        return self._origin

    @property
    def offset(self) -> int:
        return self._offset.ms if self._offset is not None else 0

    async def now(self) -> int:
        local = self._clock() // 1_000_000
        known = self._offset
        if known is None or known.doubt > DOUBT or local - known.at > MEASURED_FOR:
            await self._told(self._venue.clock())
        return self._now() // 1_000_000

    def ask_ahead(self) -> None:
        """Asks for the list of contracts now; the next `instruments` waits for that answer."""
        self._ahead = asyncio.ensure_future(self._answer(self._venue.instruments()))

    async def instruments(self) -> tuple[Instrument, ...]:
        asked, self._ahead = self._ahead, None
        answer = await (self._answer(self._venue.instruments()) if asked is None else asked)
        for line in answer.dropped:
            _LOG.warning("%s lists a contract that cannot be understood: %s", self.traits.venue, line)
        self.listed_whole = not answer.dropped
        return tuple(answer.rows)

    async def open_interest(self, instruments: Sequence[Instrument]) -> Answer[RawOpenInterest]:
        return await self._answer(self._venue.open_interest(instruments))

    async def volume(self, instruments: Sequence[Instrument]) -> Answer[RawVolume]:
        return await self._answer(self._venue.volume(instruments))

    async def open_interest_page(self, instrument: Instrument, period: int, window: Interval) -> Answer[RawOpenInterest]:
        history = self.traits.open_interest_history
        if history is None or period not in history.periods:
            raise Skip(f"{self.traits.venue} serves no history of open interest every {period // MINUTE} min")
        return await self._answer(self._venue.open_interest_page(instrument, period, window))

    async def funding(self, instruments: Sequence[Instrument]) -> Answer[RawPrediction]:
        return await self._answer(self._venue.funding(instruments))

    async def funding_page(self, instrument: Instrument, window: Interval) -> Answer[RawFunding]:
        return await self._answer(self._venue.funding_page(instrument, window))

    async def liquidations(self, instruments: Sequence[Instrument], sink: Sink) -> None:
        if self.traits.feed is None:
            raise Skip(self.traits.no_feed)
        stream, control = self._venue.STREAM, self.traits.feed.control
        if stream is None:
            raise Skip(f"{self.traits.venue} has no stream")
        if self._streaming is None:
            self._streaming = made("pro", self._venue.CCXT, self._access, self._clock)
        connection = Connection(self._ids(), instruments, sink, self._now)
        ids = [one.venue_id for one in instruments]
        await self._turns.dial()
        keeping = asyncio.create_task(self._keep_measured())
        began = self._clock() // 1_000_000
        try:
            await listen(self._streaming, stream, control, ids, connection, self._access.timeout, lambda shaken: self._met(shaken, began))
        except Retry as error:
            raise self._dialled(error) from error
        finally:
            keeping.cancel()

    async def close(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()
        for client in (self._client, self._streaming):
            if client is not None:
                await client.close()
        if self._access.turns is None:
            self._turns.close()

    # -- conversations

    async def _answer(self, conversation: Conversation[Rows[T]]) -> Answer[T]:
        (rows, dropped), replies = await self._held(conversation)
        if dropped and not rows:
            raise Retry(f"{self.traits.venue}: nothing in the answer can be understood: {dropped[0]}")
        received = max((reply.received for reply in replies), default=self._now() // 1_000_000)
        return Answer(rows, received, self._origin or "live", len(replies), tuple(dropped))

    async def _told(self, conversation: Conversation[int | None]) -> None:
        """Measures the offset by the venue's clock; where it has none, the Date header of the answer has done so already."""
        (call,) = next(conversation)
        reply, watch = await self._call(call)
        try:
            conversation.send([reply])
        except StopIteration as done:
            if done.value is None:
                return
            if not 0 < done.value < LATEST:  # micro- or nanoseconds, or a number of another kind
                raise Retry(f"{self.traits.venue}: {done.value} is no time of a clock; not believed") from None
            self._measure(watch, done.value, done.value)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            raise self._translator.translated(error, watch.seen, reply.received) from error

    async def _held(self, conversation: Conversation[T]) -> tuple[T, list[Reply]]:
        replies: list[Reply] = []
        said: list[Reply] | None = None
        while True:
            try:
                calls = conversation.send(said) if said is not None else next(conversation)
            except StopIteration as done:
                self._turns.met("")
                return done.value, replies
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
                found = self._translator.translated(error, Watch().seen, self._now() // 1_000_000)
                self._turns.met(str(found))
                raise found from error
            said = await self._all(calls)
            replies += said

    async def _all(self, calls: Sequence[Call]) -> list[Reply]:
        """The replies in the order of the calls; the first failure ends the others, but a refusal of one instrument beside others."""
        if len(calls) == 1:
            return [(await self._call(calls[0]))[0]]
        several = sum(call.instrument is not None for call in calls) > 1
        tasks = [asyncio.create_task(self._beside(call, several)) for call in calls]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _beside(self, call: Call, several: bool) -> Reply:
        try:
            return (await self._call(call))[0]
        except Skip as refused:
            if not several or call.instrument is None:
                raise
            return Reply({"refused": str(refused)}, self._now() // 1_000_000)

    async def _call(self, call: Call) -> tuple[Reply, Watch]:
        await self._turns.take(call.cost)
        watch = Watch()
        token = WATCH.set(watch)
        try:
            payload = await getattr(self._client, call.method)(dict(call.params))
        except Exception as error:
            self._note(watch)
            found = self._translator.translated(error, watch.seen, self._now() // 1_000_000)
            self._heed(found, watch.seen.status)
            self._turns.met("" if isinstance(found, Skip) else str(found))
            raise found from error
        finally:
            WATCH.reset(token)
        self._note(watch)
        self._translator.answered()
        return Reply(payload, watch.received // 1_000_000 + self.offset, http_date(watch.seen.headers.get("date"))), watch

    def _heed(self, error: PerptapeError, status: int) -> None:
        """A refusal concerns all who share the venue's limits; of several bans the longest holds."""
        if isinstance(error, Retry):
            self._turns.note(status, error.after if error.banned or status == 429 else None)

    def _note(self, watch: Watch) -> None:
        """What the headers of any answer tell: whose data it is, the venue's clock, the use of the limits."""
        if not watch.seen.status:
            return
        headers = watch.seen.headers
        self._origin = headers.get(ORIGIN, "live")
        self._turns.observe(headers)
        if (date := http_date(headers.get("date"))) is not None:
            self._measure(watch, date, date + 999)

    async def _keep_measured(self) -> None:
        """As long as a stream lasts, its clock is measured now and then; a venue that does not answer is asked again later."""
        while True:
            with suppress(PerptapeError):
                await self.now()
            await asyncio.sleep(MEASURED_FOR / SECOND)

    def _dialled(self, error: Retry) -> PerptapeError:
        """Why a stream did not come about: a refused handshake means what it means elsewhere."""
        cause = error.__cause__
        status = getattr(cause, "status", 0)
        if cause is None or not status:
            return Retry(f"{self.traits.venue}: {error}", error.after)
        headers = {name.lower(): value for name, value in (getattr(cause, "headers", None) or {}).items()}
        found = self._translator.translated(cause, Seen(status, headers, str(error)), self._now() // 1_000_000)
        self._heed(found, status)
        return found

    def _met(self, handshake: Any, began: int) -> None:
        """The answer to a WebSocket's handshake tells the same."""
        headers = {name.lower(): value for name, value in handshake.headers.items()}
        self._origin = headers.get(ORIGIN, "live")
        now = self._clock() // 1_000_000
        if (date := http_date(headers.get("date"))) is not None:
            self._measure(Watch(began * 1_000_000, now * 1_000_000), date, date + 999)

    def _measure(self, watch: Watch, earliest: int, latest: int) -> None:
        self._offset = measured(self._offset, watch.sent // 1_000_000, watch.received // 1_000_000, earliest, latest)
        self._shift = self._offset.ms * 1_000_000

    def _now(self) -> int:
        """The venue's clock in ns, as far as it is known."""
        return self._clock() + self._shift


def _shared(venue: Venue, access: Access) -> Shared | None:
    return None if access.shared is None else Shared(place(access.shared, venue.TRAITS.venue, access.endpoint))
