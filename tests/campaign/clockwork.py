"""An event loop whose time is virtual: nobody waits, and the same work is done in the same order each time.

When nothing can be done now, time leaps to the next timer. There are no sockets, and no threads wake it.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Deadlock(RuntimeError):
    """Everything waits and no timer will wake it."""


class _Leap:
    """In the selector's place: nothing ever happens but the passing of time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("all tasks wait for one another")
        self._loop.seconds += timeout
        return []

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """`seconds` have passed since it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._selector = _Leap(self)

    def time(self) -> float:
        return self.seconds

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
