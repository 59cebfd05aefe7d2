"""Conversations with a venue through CCXT's client: each call at its turn, and what every answer tells beside its payload.

Neither CCXT's unified history methods nor its pager nor its limiter are used (facts: they lose rows, and share nothing).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from perptape.errors import PerptapeError, Retry, Skip
from perptape.exchanges._ccxt_client import WATCH, Watch, made
from perptape.exchanges._ccxt_errors import Seen, Translator, http_date
from perptape.exchanges._ccxt_lite import errors
from perptape.exchanges.base import Access
from perptape.exchanges.calls import Call, Conversation, Reply, Rows, Venue
from perptape.exchanges.host import Shared, place
from perptape.exchanges.offset import Offset, measured
from perptape.exchanges.turns import BORNE_S, Turns
from perptape.interval import LATEST
from perptape.raw import LIVE, Answer

T = TypeVar("T")
ORIGIN = "x-perptape-origin"
DOUBT = 250
"""ms: an offset less certain than this (a Date header has whole seconds) is measured by asking the venue's clock."""
ODD = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What reading an answer raises that is not as the venue documents it."""


class Line:
    """The line to one venue. `clock` is the local wall clock in ns."""

    def __init__(self, venue: Venue, access: Access, clock: Callable[[], int]) -> None:
        self.venue, self._name, self._clock = venue, venue.TRAITS.venue, clock
        self._client = made("async_support", venue.CCXT, access, clock)
        self._translator = Translator(self._name, errors(), venue.CODES)
        self._own = access.turns is None
        borne = min(BORNE_S, access.timeout / 2)  # who has no more time than a call may take must be told
        self.turns = access.turns or Turns(self._name, venue.TRAITS.limits, access.speed, shared=_shared(venue, access), borne=borne)
        self.origin: str | None = None
        self._offset: Offset | None = None
        self._shift = 0

    @property
    def offset(self) -> int:
        """ms from the local clock to the venue's, 0 before the first answer."""
        return self._offset.ms if self._offset is not None else 0

    def now(self) -> int:
        """The venue's clock in ns, as far as it is known."""
        return self._clock() + self._shift

    async def measured(self, *, anew: bool = False) -> int:
        """The venue's clock in ms, asked where it is not known well enough, or `anew`. Raises as any call."""
        local = self._clock() // 1_000_000
        known = self._offset
        if anew or known is None or known.doubt > DOUBT or not known.trusted(local):
            await self._told(self.venue.clock())
        return self.now() // 1_000_000

    async def answer(self, conversation: Conversation[Rows[T]]) -> Answer[T]:
        """Carries a conversation out. Raises Retry, Skip or Fatal."""
        (rows, dropped), replies = await self._held(conversation)
        if dropped and not rows:
            raise Retry(f"{self._name}: nothing in the answer can be understood: {dropped[0]}")
        received = max((reply.received for reply in replies), default=self.now() // 1_000_000)
        return Answer(rows, received, self.origin or LIVE, len(replies), tuple(dropped))

    def dialled(self) -> Watch:
        """What is noted of a WebSocket's handshake, from now on."""
        watch = Watch()
        watch.asks(self._clock)
        return watch

    def met(self, handshake: Any, watch: Watch) -> None:
        """The answer to a handshake tells what any answer's headers do."""
        watch.answered(self._clock)
        headers = _lower(handshake.headers)
        self.origin = headers.get(ORIGIN, LIVE)
        if (date := http_date(headers.get("date"))) is not None:
            self._measure(watch, date, date + 999)

    def refused(self, error: Retry) -> PerptapeError:
        """Why a stream did not come about: a refused handshake means what it means elsewhere."""
        cause = error.__cause__
        status = getattr(cause, "status", 0)
        if cause is None or not status:
            return Retry(f"{self._name}: {error}", error.after)
        found = self._translated(cause, Seen(status, _lower(getattr(cause, "headers", None) or {}), str(error)))
        self._heed(found, status)
        return found

    async def close(self) -> None:
        await self._client.close()
        if self._own:
            self.turns.close()

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
                raise Retry(f"{self._name}: {done.value} is no time of a clock; not believed") from None
            self._measure(watch, done.value, done.value)
        except ODD as error:
            raise self._translator.translated(error, watch.seen, reply.received) from error

    async def _held(self, conversation: Conversation[T]) -> tuple[T, list[Reply]]:
        replies: list[Reply] = []
        said: list[Reply] | None = None
        while True:
            try:
                calls = conversation.send(said) if said is not None else next(conversation)
            except StopIteration as done:
                self.turns.met("")
                return done.value, replies
            except ODD as error:
                found = self._translated(error, Watch().seen)
                self.turns.met(str(found))
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
            return Reply({"refused": str(refused)}, self.now() // 1_000_000)

    async def _call(self, call: Call) -> tuple[Reply, Watch]:
        await self.turns.take(call.cost)
        watch = Watch()
        token = WATCH.set(watch)
        try:
            ask = getattr(self._client, call.method) if not call.path else partial(self._client.request, call.path, ["public"], "GET")
            payload = await ask(dict(call.params))
        except Exception as error:
            self._note(watch)
            found = self._translated(error, watch.seen)
            self._heed(found, watch.seen.status)
            self.turns.met("" if isinstance(found, Skip) else str(found))
            raise found from error
        finally:
            WATCH.reset(token)
        self._note(watch)
        if watch.moved and "date" not in watch.seen.headers:  # by the offset to a clock that is no more it would be of another time
            self._offset, self._shift = None, 0
            raise Retry(f"{self._name}: this machine's clock was set while an answer was on its way that does not say when it was given")
        self._translator.answered()
        return Reply(payload, watch.received // 1_000_000 + self.offset, http_date(watch.seen.headers.get("date"))), watch

    def _heed(self, error: PerptapeError, status: int) -> None:
        """A refusal concerns all who share the venue's limits; of several bans the longest holds."""
        if isinstance(error, Retry):
            self.turns.note(status, error.after if error.banned or status == 429 else None)

    def _note(self, watch: Watch) -> None:
        """What the headers of any answer tell: whose data it is, the venue's clock, the use of the limits."""
        if not watch.seen.status:
            return
        headers = watch.seen.headers
        self.origin = headers.get(ORIGIN, LIVE)
        self.turns.observe(headers)
        if (date := http_date(headers.get("date"))) is not None:
            self._measure(watch, date, date + 999)

    def _measure(self, watch: Watch, earliest: int, latest: int) -> None:
        before = None if watch.moved else self._offset  # of a clock that is no more
        self._offset = measured(before, watch.sent // 1_000_000, watch.received // 1_000_000, earliest, latest)
        self._shift = self._offset.ms * 1_000_000

    def _translated(self, error: BaseException, seen: Seen) -> PerptapeError:
        return self._translator.translated(error, seen, self.now() // 1_000_000)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _shared(venue: Venue, access: Access) -> Shared | None:
    return None if access.shared is None else Shared(place(access.shared, venue.TRAITS.venue, access.endpoint))
