"""A venue whose liquidations somebody also watches: each event goes to its sink, and then to the watcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from perptape.exchanges.base import Exchange, Sink
from perptape.instruments import Instrument
from perptape.raw import RawLiquidation

Watcher = Callable[[RawLiquidation, int], None]
"""(event, received in ns). Quick, and raises nothing: it runs in the read loop."""


class Watched:
    """The venue as it is, but for its stream's sink."""

    def __init__(self, exchange: Exchange, watcher: Watcher) -> None:
        self._exchange = exchange
        self._watcher = watcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    async def liquidations(self, instruments: Sequence[Instrument], sink: Sink) -> None:
        await self._exchange.liquidations(instruments, Tee(sink, self._watcher))


class Tee:
    """A sink that tells a watcher."""

    def __init__(self, sink: Sink, watcher: Watcher) -> None:
        self._sink = sink
        self._watcher = watcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        self._sink.liquidation(connection, event, received)
        self._watcher(event, received)


class Talk:
    """The sink of a stream that is only watched: says on stderr when it is connected and when it is not."""

    def __init__(self, venue: str, say: Callable[[str], None]) -> None:
        self._venue = venue
        self._say = say
        self.acknowledgements = 0

    def acknowledged(self, connection: str, received: int) -> None:
        self.acknowledgements += 1
        self._say(f"{self._venue}: listening")

    def control(self, connection: str, time: int | None, received: int) -> None:
        """The connection lives: nothing to say."""

    def feed(self, connection: str, instrument: str | None, received: int) -> None:
        """The feed speaks: nothing to say."""

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        """The watcher prints it."""

    def malformed(self, connection: str, message: str, received: int) -> None:
        self._say(f"{self._venue}: a message that cannot be understood: {message}")

    def closed(self, connection: str, reason: str, received: int) -> None:
        self._say(f"{self._venue}: disconnected: {reason}")
