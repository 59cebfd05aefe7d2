"""One thread for calls that block, in their order, which nobody waits for when the process must leave."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

T = TypeVar("T")


class Offload(Protocol):
    """Runs a blocking call elsewhere and waits for it; calls never overlap."""

    async def __call__(self, call: Callable[[], T]) -> T: ...


class Lane(Offload, Protocol):
    """An Offload that somebody ends."""

    def close(self) -> None:
        """No call follows; those under way go on."""


Lanes = Callable[[str], Lane]
"""Makes a lane of that name."""


class Thread:
    """A daemon thread: an executor's would keep a process alive for as long as a store does not answer."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    async def __call__(self, call: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                settle, outcome = _result, call()
            except BaseException as error:
                settle, outcome = _error, error  # type: ignore[assignment]
            with suppress(RuntimeError):  # the loop has gone: nobody waits
                loop.call_soon_threadsafe(settle, future, outcome)

        self._calls.put(run)
        return await future

    def close(self) -> None:
        """The thread ends after the calls that are under way."""
        self._calls.put(None)


def _result(future: asyncio.Future[T], outcome: T) -> None:
    if not future.done():
        future.set_result(outcome)


def _error(future: asyncio.Future[object], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
