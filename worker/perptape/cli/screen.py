"""Where events are printed while they happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from perptape import output
from perptape.errors import PerptapeError


@dataclass(slots=True)
class Screen:
    """Where events are printed, of all venues. One that shows nothing more ends a command that does nothing else (`alone`); one that also
    keeps them says so, once, and goes on. A reader that leaves (`| head`) is no failure; an output that takes nothing is one."""

    stop: asyncio.Event
    alone: bool
    failure: PerptapeError | None = None
    left: bool = False
    """Whether its reader has left."""

    def show(self, line: str) -> None:
        """Nothing more once nobody reads, or an output took nothing."""
        if self.left or self.failure is not None:
            return
        try:
            output.line(line)
            output.flush()
        except output.Unread:
            self.left = True
            self._ends(output.note, "whoever read the events has left")
        except PerptapeError as failure:
            self.failure = failure
            self._ends(output.error, str(failure))

    def _ends(self, say: Callable[[str], None], why: str) -> None:
        """A command that is `alone` tells of a failure when it has ended."""
        if self.alone:
            self.stop.set()
        else:
            say(f"{why}: nothing more is shown; what comes is kept")
