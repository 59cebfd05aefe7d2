"""Runs parts side by side, each until it ends or everything is told to stop. Nothing is left running."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from perptape.collect.stream_thread import Lanes, Thread

T = TypeVar("T")


def settle_memory() -> None:
    """What is there when the streams begin stays: the garbage collector need not look through it at every burst.

    Once for the process, after venues and libraries are loaded. (CCXT alone is half a million objects: a microsecond for each event
    of a burst.)
    """
    gc.collect()
    gc.freeze()


async def aside(call: Callable[[], T], lanes: Lanes = Thread) -> T:
    """A blocking call's result, from a thread that nobody waits for when the process must leave (an executor's would be joined)."""
    lane = lanes("perptape-aside")
    try:
        return await lane(call)
    finally:
        lane.close()


async def until(stop: asyncio.Event, part: Coroutine[Any, Any, None]) -> None:
    """Runs the part; a stop cancels it (what it has, it commits on its way out)."""
    task = asyncio.ensure_future(part)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
    finally:
        stopped.cancel()
        task.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


async def side_by_side(parts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Runs them all to their ends; the first failure cancels the others and is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def beside(part: Coroutine[Any, Any, None], other: Coroutine[Any, Any, None]) -> None:
    """Runs the part to its end, and the other one for as long as that takes; the first failure ends both and is raised."""
    over = asyncio.Event()

    async def first() -> None:
        try:
            await part
        finally:
            over.set()

    await side_by_side([first(), until(over, other)])


async def any_within(events: Sequence[asyncio.Event], seconds: float) -> bool:
    """Whether one of them is set within so long."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for wait in waits:
            wait.cancel()
