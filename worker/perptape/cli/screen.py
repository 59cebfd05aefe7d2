"""Where events are printed while they happen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from perptape import output
from perptape.errors import PerptapeError


@dataclass(slots=True)
class Screen:
    """Where events are printed, of all venues. A reader that leaves (`| head`) ends the command, and is no fault of the stream's. An output
    that takes nothing is a failure, which ends a command that does nothing else (`alone`)."""

    stop: asyncio.Event
    alone: bool
    failure: PerptapeError | None = None

    def show(self, line: str) -> None:
        """Nothing more once an output took nothing."""
        if self.failure is not None:
            return
        try:
            output.line(line)
            output.flush()
        except output.Unread:
            self.stop.set()
        except PerptapeError as failure:
            self._fails(failure)

    def _fails(self, failure: PerptapeError) -> None:
        self.failure = failure
        if self.alone:
            self.stop.set()
        else:
            output.error(f"{failure}: nothing more is shown; what comes is kept")
