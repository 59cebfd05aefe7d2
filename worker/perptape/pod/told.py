"""What a run that stays tells over HTTP, out of the run as it stands at that moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog

from perptape.collect.outcome import Outcome
from perptape.collect.run import Run
from perptape.errors import StoreError
from perptape.pod import metrics, ready
from perptape.pod.ready import Listening
from perptape.pod.server import Board

log = structlog.get_logger("perptape")

LONGEST: Final = 60_000
"""Bytes of a status: the operator believes no longer one than 64 KiB."""
AGAIN_S: Final = 5.0


class Told:
    """A run, seen from outside."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stored = False
        self._store_error, self._store_reason = "", ""

    def show(self, board: Board) -> None:
        """From now on the server tells of this run."""
        board.status, board.metrics, board.unready = self.status, self.metrics, self.unready

    async def prove_store(self, sleep: Callable[[float], Awaitable[Any]]) -> None:
        """Comes back when something was written to the store and read back; a store that is away is asked again."""
        while not self._stored:
            try:
                await self._run.environment.aside(partial(self._run.tape.usable))
                self._stored, self._store_error, self._store_reason = True, "", ""
            except StoreError as error:
                if str(error) != self._store_error:
                    log.error("the store cannot be written: trying again", outcome="retry", error=str(error))
                self._store_error, self._store_reason = str(error), error.reason
                await sleep(AGAIN_S)

    def status(self) -> str:
        """The report, as a run's at its end."""
        self._look()
        return self._run.summary.as_json(LONGEST)

    def metrics(self) -> str:
        self._look()
        access = self._run.request.access
        shares = {venue: one.turns.granted for venue, one in access.items() if one.turns is not None}
        return metrics.text(self._run.summary, ready=not self.unready(), shares=shares)

    def unready(self) -> str:
        """Why the pod is not ready."""
        run = self._run
        failures = run.failures
        reached = {name: "it is being asked" if failures is None else failures.get(name, "") for name in run.request.venues}
        streams = [listening(one) for one in run.summary.outcomes if one.listens]
        begun = len(run.summary.outcomes) >= len(run.request.venues) * len(run.request.datasets)
        if not any(reached.values()) and not begun:
            return "collecting has not begun yet"
        return ready.unready(reached, streams, stored=self._stored, store_error=self._store_error)

    def _look(self) -> None:
        """Brings the summary up to date, with a line for what has not begun."""
        run = self._run
        run.look()
        summary = run.summary
        summary.finished = run.environment.clock()
        summary.store_error, summary.store_reason = self._store_error, self._store_reason
        for one in (outcome.live for outcome in summary.outcomes if outcome.live is not None and not self._store_error):
            if one.store_error:
                summary.store_error, summary.store_reason = one.store_error, one.store_reason
        why = run.failures or {}
        summary.waiting = [Outcome(venue, dataset, error=why.get(venue, "")) for venue, dataset in run.unbegun()]


def listening(outcome: Outcome) -> Listening:
    """How a stream's connections are; one that has not begun has none."""
    if outcome.live is None:
        return Listening(outcome.venue, 1, 0, 0)
    return Listening(outcome.venue, outcome.live.places, outcome.live.connected, outcome.live.proven)
