"""Runs parts side by side, each until it ends or everything is told to stop. Nothing is left running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from perptape.collect.stream_thread import Thread

T = TypeVar("T")


async def aside(call: Callable[[], T]) -> T:
    """A blocking call's result, from a thread that nobody waits for when the process must leave (an executor's would be joined)."""
    thread = Thread("perptape-aside")
    try:
        return await thread(call)
    finally:
        thread.close()


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
