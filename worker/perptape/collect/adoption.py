"""The logs that dead processes left, in a run that stays: brought in before its streams begin and again until none waits, and named in what
is told of the streams where they cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from perptape.collect.outcome import Outcome
from perptape.collect.stream_adopt import Adopted
from perptape.collect.streams import adopted
from perptape.errors import StoreError

if TYPE_CHECKING:
    from perptape.collect.run import Run

log = structlog.get_logger("perptape")

AGAIN_S = 30.0


class Adoption:
    """What logs said so far, and which cannot be read."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._found, self._stored = Adopted(), set[str]()

    async def begin(self) -> None:
        """Looks at every log. Raises StoreError when they cannot be listed."""
        self._found = await self._adopt()

    async def going_on(self) -> None:
        """Logs that were left to wait, until none is; what earlier ones said stays known. Streams name those that cannot be read."""
        while self._found.waiting:
            await self._run.environment.sleep(AGAIN_S)
            try:
                before, found = self._found.unreadable, await self._adopt()
                self._found.go_on(found)
                for outcome in self._run.summary.outcomes:
                    if outcome.dataset == "liquidations":
                        self.name_in(outcome, before)
            except StoreError as error:
                log.error("logs cannot be brought in: trying again", outcome="retry", error=str(error))

    def since(self, outcome: Outcome) -> dict[str, int]:
        """Up to when (ms) everything of each instrument of a stream is claimed or known to be missed."""
        return self._found.since(outcome.venue, outcome.dataset)

    def name_in(self, outcome: Outcome, before: Sequence[str] = ()) -> None:
        """The logs that cannot be read, in place of those that could not be `before`."""
        outcome.failed = self._found.named(outcome.failed, before)

    def over(self) -> None:
        """A log that cannot be read is a stream's trouble while it goes on, which a status tells; of a run that ended it is no failure."""
        unreadable = self._found.unreadable
        for outcome in self._run.summary.outcomes:
            outcome.failed = [line for line in outcome.failed if line not in unreadable]
        self._run.summary.notes.extend(unreadable)

    async def _adopt(self) -> Adopted:
        run, environment = self._run, self._run.environment
        return await environment.aside(lambda: adopted(run.tape, run.request.state, environment, self._stored))
