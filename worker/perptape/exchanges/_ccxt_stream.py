"""One WebSocket through CCXT Pro's client: every frame is told to a sink, and nothing that a frame holds ends the loop.

CCXT Pro gives the address, the handshake and the pings. Its `watch_*` loops are not used: they hand over one event of a burst
(facts: 1 of 50), and an exception in a handler ends its receive loop silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from perptape.errors import Retry
from perptape.exchanges._ccxt_pro import socket as socket_of
from perptape.exchanges.base import Sink
from perptape.exchanges.culprit import Malformed, blamed
from perptape.exchanges.frames import DEAF, Stream
from perptape.exchanges.text import short
from perptape.instruments import Instrument
from perptape.interval import NS
from perptape.raw import RawLiquidation

_new = tuple.__new__  # half the time of a named tuple's own


class Connection:
    """Implements `Hearing`: what a venue's stream says becomes what the sink is told."""

    def __init__(self, name: str, instruments: Sequence[Instrument], sink: Sink, now: Callable[[], int]) -> None:
        self.name, self._sink, self._now = name, sink, now
        self._wanted: Mapping[str, Instrument] = {one.venue_id: one for one in instruments}
        self._received = 0
        self._missing = 0
        self._since = 0
        """When all was acknowledged, ms on the venue's clock."""
        self._fed: set[str | None] = set()
        """The topics that the sink was told of since frames were last read: once more would say nothing more."""
        self.subscribed = asyncio.Event()
        self.refusal: str | None = None

    def expect(self, acknowledgements: int) -> None:
        """How many acknowledgements there will be."""
        self._missing = acknowledgements

    def frames(self, texts: Sequence[str | bytes], stream: Stream) -> None:
        """Takes in frames, whatever they are, that were read at once: they were received now."""
        self._received = self._now()
        self._fed.clear()
        read, parsed = stream.read, orjson.loads
        for text in texts:
            try:
                read(parsed(text), self)
            except orjson.JSONDecodeError as error:
                if text not in ("pong", "ping"):
                    self.malformed(f"not JSON ({error}): {short(str(text))}")
            except Exception as error:
                self.malformed(blamed(parsed(text), lambda seen: read(seen, DEAF), error))

    # -- Hearing

    def feed(self, topic: str | None, time: int | None = None) -> None:
        if topic in self._fed or (time is not None and time < self._since):
            return  # a replay of what was before the subscription does not show that the topic speaks
        self._fed.add(topic)
        one = self._wanted.get(topic) if topic is not None else None
        self._sink.feed(self.name, one.id if one is not None else topic, self._received)

    def event(self, id: str, time: int, side: str, price: Any, average: Any, quantity: Any, venue_id: str | None) -> None:
        if type(id) is not str:
            raise Malformed("the contract is named in no text")
        one = self._wanted.get(id)
        if one is not None:
            event = _new(RawLiquidation, (one, time, side, price, average, quantity, venue_id))
            self._sink.liquidation(self.name, event, self._received)

    def control(self, time: int | None) -> None:
        self._sink.control(self.name, time, self._received)

    def acknowledged(self, count: int) -> None:
        self._missing -= count
        if self._missing <= 0 and not self.subscribed.is_set():
            self._fed.clear()
            self._since = self._received // NS
            self._sink.acknowledged(self.name, self._received)
            self.subscribed.set()

    def refused(self, message: str) -> None:
        self.refusal = message
        self.subscribed.set()

    def malformed(self, message: str) -> None:
        self._fed.clear()
        self._sink.malformed(self.name, message, self._received)

    def closed(self, reason: str) -> None:
        """The end: the sink is told nothing more."""
        self._sink.closed(self.name, reason, self._now())


def address(client: Any, stream: Stream) -> str:
    """The URL of a venue's stream, as CCXT Pro has it (and as it was redirected)."""
    found = client.urls["api"]
    for step in stream.address:
        found = found[step]
    return stream.finish(client.implode_hostname(found))


async def listen(
    client: Any, stream: Stream, control: str, ids: Sequence[str], connection: Connection, timeout: float, met: Callable[[Any], None]
) -> None:
    """Dials, subscribes and tells `connection` everything until the connection ends. Raises Retry when it does not come about.

    `met` is shown the answer to the handshake.
    """
    client.open()
    socket = socket_of(client, address(client, stream), lambda texts: connection.frames(texts, stream), timeout)
    await socket.dial(client.session, timeout)
    met(socket.connection._response)
    reason = "ended by us"
    try:
        frames = stream.subscribe(ids, control)
        connection.expect(stream.acknowledgements(frames))
        for frame in frames:
            await socket.send(frame)
        await _acknowledged(connection, socket, timeout)
        reason = await asyncio.shield(socket.ended)
    except OSError as error:
        reason = f"{type(error).__name__}: {error}"
    except Retry as error:
        reason = str(error)
        raise
    finally:
        await socket.leave()
        connection.closed(reason)


async def _acknowledged(connection: Connection, socket: Any, timeout: float) -> None:
    """Waits until all subscriptions are acknowledged."""
    waiting = asyncio.ensure_future(connection.subscribed.wait())
    try:
        await asyncio.wait({waiting, socket.ended}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if connection.refusal is not None:
        raise Retry(f"the subscription was refused: {connection.refusal}")
    if not connection.subscribed.is_set():
        raise Retry(
            f"the connection ended before the subscription was acknowledged: {socket.ended.result()}"
            if socket.ended.done()
            else f"the subscription was not acknowledged within {timeout:g} s"
        )
