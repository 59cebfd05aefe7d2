"""A process of the campaign: tasks that can die at any side effect, and what they see of disk, bucket and clock.

A dead process reaches nothing: every look and every effect of it raises `Killed`, and the locks that it held are free.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from support.storage import Actor, Killed

T = TypeVar("T")
CURRENT: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def tracked(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], **more: Any) -> asyncio.Task[T]:
    """A task factory: every task is its process'."""
    task = asyncio.Task(coroutine, loop=loop, **more)
    process = CURRENT.get()
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(process.ended)
    return task


@dataclass(eq=False)
class Process:
    """`fatal`: the side effects that it has left before it dies in one (None: it does not). `skew`: its clock less the true one, ms."""

    name: str
    loop: asyncio.AbstractEventLoop
    chance: random.Random
    skew: Callable[[], int] = lambda: 0
    alive: bool = True
    fatal: int | None = None
    tasks: dict[asyncio.Task[Any], None] = field(default_factory=dict)
    actors: list[Actor] = field(default_factory=list)
    main: asyncio.Task[Any] | None = None
    began: float = 0.0
    died: float | None = None
    streams: bool = False
    listed: float | None = None
    """When it was first told what is listed."""
    ended_well: bool = False
    """It was told to stop, and did."""

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        context = contextvars.copy_context()
        context.run(CURRENT.set, self)
        self.began = self.loop.time()
        self.main = context.run(self.loop.create_task, coroutine)
        return self.main

    def ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)
        if not task.cancelled():
            task.exception()  # seen: one that is killed dies of it

    def look(self) -> None:
        """Before anything outside is read."""
        if not self.alive:
            raise Killed

    def dies(self) -> bool:
        """Before a side effect: whether it dies in this one."""
        self.look()
        if self.fatal is None:
            return False
        self.fatal -= 1
        return self.fatal < 0

    def kill(self) -> None:
        """At once: nothing that it still does reaches anything."""
        self.alive = False
        self.died = self.loop.time() if self.died is None else self.died
        for actor in self.actors:
            actor.kill()
        for task in list(self.tasks):
            task.cancel()

    def die(self) -> None:
        """In the middle of something."""
        self.alive, self.died = False, self.loop.time()
        self.loop.call_soon(self.kill)
        raise Killed


class Lane:
    """Runs what blocks in its turn, some milliseconds later, in one go."""

    def __init__(self, process: Process, seconds: float = 0.004) -> None:
        self._process, self._seconds = process, seconds

    async def __call__(self, call: Callable[[], T]) -> T:
        await asyncio.sleep(self._seconds)
        self._process.look()
        return call()

    def close(self) -> None:
        pass
