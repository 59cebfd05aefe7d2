"""One WebSocket through CCXT Pro's client: every frame is told to a sink, and nothing that a frame holds ends the loop.

CCXT Pro gives the address, the handshake and the pings. Its `watch_*` loops are not used: they hand over one event of a burst
(facts: 1 of 50), and an exception in a handler ends its receive loop silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

import orjson

from perptape.errors import Retry
from perptape.exchanges.base import RawLiquidation, Sink
from perptape.exchanges.frames import Stream
from perptape.exchanges.text import short
from perptape.instruments import Instrument

KEEP_ALIVE = 15_000
"""ms between pings: a socket from which nothing came for two of them is dead (CCXT's own: up to 9 minutes on Binance)."""
CLOSING = 1.0
"""Seconds that a closing handshake may take."""


class Connection:
    """Implements `Hearing`: what a venue's stream says becomes what the sink is told."""

    def __init__(self, name: str, instruments: Sequence[Instrument], sink: Sink, now: Callable[[], int]) -> None:
        self.name, self._sink, self._now = name, sink, now
        self._wanted: Mapping[str, Instrument] = {one.venue_id: one for one in instruments}
        self._received = 0
        self._missing = 0
        self.subscribed = asyncio.Event()
        self.refusal: str | None = None

    def expect(self, acknowledgements: int) -> None:
        """How many acknowledgements there will be."""
        self._missing = acknowledgements

    def frame(self, text: str | bytes, stream: Stream) -> None:
        """Takes in one frame, whatever it is."""
        self._received = self._now()
        try:
            stream.read(orjson.loads(text), self)
        except orjson.JSONDecodeError as error:
            if text not in ("pong", "ping"):
                self.malformed(f"not JSON ({error}): {short(str(text))}")
        except Exception as error:
            self.malformed(f"{type(error).__name__} {error}: {short(str(text))}")

    # -- Hearing

    def feed(self, topic: str | None) -> None:
        one = self._wanted.get(topic) if topic is not None else None
        self._sink.feed(self.name, one.id if one is not None else topic, self._received)

    def event(self, id: str, time: int, side: str, price: Any, average: Any, quantity: Any, venue_id: str | None) -> None:
        one = self._wanted.get(id)
        if one is not None:
            self._sink.liquidation(self.name, RawLiquidation(one, time, side, price, average, quantity, venue_id), self._received)

    def control(self, time: int | None) -> None:
        self._sink.control(self.name, time, self._received)

    def acknowledged(self, count: int) -> None:
        self._missing -= count
        if self._missing <= 0 and not self.subscribed.is_set():
            self._sink.acknowledged(self.name, self._received)
            self.subscribed.set()

    def refused(self, message: str) -> None:
        self.refusal = message
        self.subscribed.set()

    def malformed(self, message: str) -> None:
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
    socket = _socket(client, address(client, stream), lambda text: connection.frame(text, stream), timeout)
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


def _socket(client: Any, url: str, heard: Callable[[str | bytes], None], timeout: float) -> Any:
    """A CCXT client of our kind, with the exchange's ping."""
    options = {
        **client.streaming,
        "ping": client.ping,
        "keepAlive": KEEP_ALIVE,
        "connectionTimeout": max(1, round(timeout)) * 1000,
        "asyncio_loop": asyncio.get_running_loop(),
    }
    return _socket_class()(url, heard, options)


@cache
def _socket_class() -> type[Any]:
    """CCXT's WebSocket client with a receive loop of our own; made here because only then CCXT is imported."""
    from aiohttp import WSMsgType

    base: type[Any] = import_module("ccxt.async_support.base.ws.client").Client
    text, binary, ping, pong = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG

    class Socket(base):  # type: ignore[misc]
        def __init__(self, url: str, heard: Callable[[str | bytes], None], options: Mapping[str, Any]) -> None:
            nothing = lambda *ignored: None  # noqa: E731
            super().__init__(url, nothing, nothing, nothing, nothing, dict(options))
            self.heard = heard
            self.error: Any = None
            self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self.reading: asyncio.Task[None] | None = None

        async def dial(self, session: Any, timeout: float) -> None:
            """Connects, or raises Retry."""
            try:
                async with asyncio.timeout(timeout):
                    await self.open(session)
            except TimeoutError:
                self.error = self.error or TimeoutError(f"no connection within {timeout:g} s")
            if self.connection is None or self.error is not None:
                await self.leave()
                first = self.error.args[0] if self.error is not None and self.error.args else None
                cause = first if isinstance(first, Exception) else self.error
                raise Retry(f"{url_of(self.url)} cannot be reached: {type(cause).__name__}: {cause}", self.last_retry_after) from cause

        def receive_loop(self) -> None:
            self.reading = self.asyncio_loop.create_task(self.read_on())

        async def read_on(self) -> None:
            """Reads until the socket ends. Whatever comes proves that it lives."""
            receive, heard = self.connection.receive, self.heard
            while True:
                try:
                    message = await receive()
                except (OSError, RuntimeError) as error:
                    return self.end(f"{type(error).__name__}: {error}")
                kind = message.type
                self.lastPong = self.last_message_at = base_now()
                if kind is text or kind is binary:
                    heard(message.data)
                elif kind is ping:
                    with suppress(ConnectionError):
                        await self.connection.pong(message.data)
                elif kind is not pong:
                    return self.end(f"closed by the venue ({self.connection.close_code or message.data or kind.name})")

        def on_error(self, error: Any) -> None:
            self.error = error
            self.end(f"{type(error).__name__}: {error}")

        def end(self, reason: str) -> None:
            if not self.ended.done():
                self.ended.set_result(reason)

        async def leave(self) -> None:
            """Closes the socket; one whose other side is gone is dropped."""
            self.end("closed here")
            tasks = [task for task in (self.ping_looper, self.reading) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.connection is not None:
                with suppress(TimeoutError, OSError, RuntimeError):
                    async with asyncio.timeout(CLOSING):
                        await self.connection.close()
                self.connection._response.close()

    base_now: Callable[[], int] = import_module("ccxt.base.exchange").Exchange.milliseconds
    return Socket


def url_of(url: str) -> str:
    """Scheme and authority of a URL, for a message."""
    return "/".join(url.split("/")[:3])
