"""CCXT Pro's WebSocket client with a receive loop of our own: all that a wake-up brought is told at once, however it ends.

In dense traffic the socket is left unread for moments (`pauses`). Over TLS the bytes are still taken off the socket meanwhile;
what waits is everything after that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from perptape.errors import Retry
from perptape.exchanges.pauses import PAUSE, Pauses

KEEP_ALIVE = 15_000
"""ms between pings: a socket from which nothing came for two of them is dead (CCXT's own: up to 9 minutes on Binance)."""
CLOSING = 2.0
"""Seconds that a closing handshake may take."""
GOING = (1000).to_bytes(2, "big")
"""A close frame's code: we have no further use for the connection (RFC 6455, 7.4.1)."""

Heard = Callable[[Sequence[str | bytes]], None]
"""Is told the messages that were read at once, in their order. It must not raise."""


def socket(client: Any, url: str, heard: Heard, timeout: float) -> Any:
    """A CCXT client of our kind, with the exchange's ping."""
    options = {
        **client.streaming,
        "ping": client.ping,
        "keepAlive": KEEP_ALIVE,
        "connectionTimeout": max(1, round(timeout)) * 1000,
        "asyncio_loop": asyncio.get_running_loop(),
    }
    return socket_class()(url, heard, options)


@cache
def socket_class() -> type[Any]:
    """Made here because only then CCXT is imported."""
    from aiohttp import WSMsgType

    theirs = import_module("ccxt.async_support.base.ws.client")
    base: type[Any] = theirs.Client
    overhead: int = theirs.MSG_SIZE_OVERHEAD
    text, binary, ping, pong, close = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE

    def drain(waiting: deque[tuple[Any, int]], texts: list[str | bytes]) -> None:
        """Takes texts as CCXT's own loop does, without a coroutine for each: all but the last, which tells aiohttp of their sizes."""
        taken = 0
        while len(waiting) > 1 and ((kind := waiting[0][0].type) is text or kind is binary):
            message, size = waiting.popleft()
            texts.append(message.data)
            taken += size + overhead
        waiting[0] = (waiting[0][0], waiting[0][1] + taken)

    class Socket(base):  # type: ignore[misc]
        def __init__(self, url: str, heard: Heard, options: Mapping[str, Any]) -> None:
            nothing = lambda *ignored: None  # noqa: E731
            super().__init__(url, nothing, nothing, nothing, nothing, dict(options))
            self.heard = heard
            self.error: Any = None
            self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self.reading: asyncio.Task[None] | None = None
            self.resuming: asyncio.TimerHandle | None = None

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
            pauses, clock, protocol = Pauses(), self.asyncio_loop.time, self.connection._conn.protocol
            while True:
                texts: list[str | bytes] = []
                end = await self.wake(texts)
                self.lastPong = self.last_message_at = base_now()
                self.heard(texts)
                if end is not None:
                    return self.end(end)
                if pauses.due(clock(), len(texts), sum(map(len, texts))):
                    protocol.pause_reading()
                    self.resuming = self.asyncio_loop.call_later(PAUSE, protocol.resume_reading)

        async def wake(self, texts: list[str | bytes]) -> str | None:
            """Adds what the next wake-up brings: at least one message, and all that wait behind it. Why the socket ended, if it did."""
            receive, waiting = self.connection.receive, self.connection._reader._buffer
            try:
                while True:
                    message = await receive()
                    kind = message.type
                    if kind is text or kind is binary:
                        texts.append(message.data)
                    elif kind is ping:
                        with suppress(ConnectionError):
                            await self.connection.pong(message.data)
                    elif kind is not pong:
                        return f"closed by the venue ({self.connection.close_code or message.data or kind.name})"
                    if not waiting:
                        return None
                    drain(waiting, texts)
            except (OSError, RuntimeError) as error:
                return f"{type(error).__name__}: {error}"

        def on_error(self, error: Any) -> None:
            self.error = error
            self.end(f"{type(error).__name__}: {error}")

        def end(self, reason: str) -> None:
            if not self.ended.done():
                self.ended.set_result(reason)

        async def leave(self) -> None:
            """Closes the socket, when all that the venue sent before it heard of it was read; one whose other side is gone is dropped."""
            self.end("closed here")
            await self.part()
            tasks = [task for task in (self.ping_looper, self.reading) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.resuming is not None:
                self.resuming.cancel()
            if self.connection is not None:
                self.connection._response.close()

        async def part(self) -> None:
            """Says that we close, and reads on until the venue says so too: on a busy machine seconds of events lie in the socket."""
            if self.reading is None or self.reading.done():
                return
            with suppress(TimeoutError, OSError, RuntimeError):
                async with asyncio.timeout(CLOSING):
                    await self.connection.send_frame(GOING, close)
                    await asyncio.wait({self.reading})

    base_now: Callable[[], int] = import_module("ccxt.base.exchange").Exchange.milliseconds
    return Socket


def url_of(url: str) -> str:
    """Scheme and authority of a URL, for a message."""
    return "/".join(url.split("/")[:3])
