"""A pod's side of the operator's budget: tells every two seconds what it uses and wants, and keeps to what it is told.

`told` and `restricted` decide; `Client` carries them out on a venue's `Turns`. A refusal is told at once. What the venue itself says
outranks all of it: its pauses are in `Turns` before anybody hears of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from perptape.errors import PerptapeError
from perptape.exchanges.text import short
from perptape.exchanges.turns import Turns

log = structlog.get_logger("perptape")

POLL_S: Final = 2.0
FIRST_S: Final = 5.0
"""So long a new pod waits for its first answer."""
DEAF_S: Final = 10.0
"""Told to wait, a pod waits no longer than this for an operator that does not answer any more."""
MINUTE_S: Final = 60.0
LEAST: Final = 0.001
LONGEST_TROUBLE: Final = 300
"""Characters of a venue's failure: the operator takes no more."""


class NoAnswer(PerptapeError):
    """The operator did not answer, or not as agreed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the operator says: the part of the venue's limit, how long nothing may be asked, whether to ask nothing yet."""

    share: float
    pause_s: float
    wait: bool
    poll_s: float = POLL_S


def answer(body: Mapping[str, Any]) -> Answer:
    """The answer in a JSON object. Raises NoAnswer for any other."""
    try:
        found = Answer(float(body["share"]), float(body["pause_s"]), bool(body["wait"]), float(body.get("poll_s", POLL_S)))
    except (KeyError, TypeError, ValueError) as error:
        raise NoAnswer(f"the operator's answer is none: {error}") from error
    if not (0 <= found.share <= 1 and found.pause_s >= 0):
        raise NoAnswer(f"the operator's answer cannot be: {found}")
    return found


def restricted(last: Answer | None, silent: float, fallback: float) -> tuple[float, bool]:
    """(share, whether to ask at all), by the last answer, `silent` seconds ago or, without any, so long after the start."""
    if last is None:
        return fallback, silent >= FIRST_S
    if last.wait and silent < DEAF_S:
        return max(last.share, LEAST), False
    return last.share if last.share > LEAST else fallback, True


def demand(*, busy: bool, past: bool) -> tuple[float, float]:
    """(fresh, past): what it could use of the limit for data that is due, and for older. A process cannot know less than all of it."""
    return (0.0, 0.0) if not busy else (0.0, 1.0) if past else (1.0, 0.0)


Ask = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Posts an object and gives the one that comes back. Raises NoAnswer."""


class Client:
    """One venue's. `ask` is None where there is no operator to ask: then the fallback is all there is."""

    def __init__(
        self,
        venue: str,
        turns: Turns,
        fallback: float,
        ask: Ask | None,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._venue, self._turns, self._fallback, self._ask = venue, turns, fallback, ask
        self._monotonic, self._sleep = monotonic, sleep
        self._last: Answer | None = None
        self._heard = monotonic()
        self._spent: list[tuple[float, dict[str, int]]] = [(self._heard, {})]
        turns.leave = False
        self._carry_out()

    @property
    def share(self) -> float:
        """The part of the venue's limit that is used now; 0 before anything may be asked."""
        return self._turns.granted

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            self._turns.refused.clear()
            pause = POLL_S if self._last is None else min(max(self._last.poll_s, 0.5), MINUTE_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._turns.refused.wait(), pause if self._turns.leave else min(pause, 1.0))

    async def once(self) -> None:
        """One post, and what follows from the answer."""
        refusals, self._turns.refusals = self._turns.refusals, []
        try:
            if self._ask is None:
                raise NoAnswer("there is no operator to ask")
            found = answer(await self._ask(self._post(refusals)))
        except NoAnswer as error:
            self._turns.refusals = refusals + self._turns.refusals
            if self._last is None or self._monotonic() - self._heard > MINUTE_S:
                log.debug("the operator does not say how much may be used", venue=self._venue, error=str(error))
        else:
            if self._last is None or found.wait != self._last.wait or abs(found.share - self._last.share) > 0.05:
                log.info("budget", venue=self._venue, share=round(found.share, 3), wait=found.wait, pause_s=round(found.pause_s, 1))
            self._last, self._heard = found, self._monotonic()
            if found.pause_s > 0:
                self._turns.pause(found.pause_s)
        self._carry_out()

    def _post(self, refusals: list[int]) -> dict[str, Any]:
        turns, now = self._turns, self._monotonic()
        self._spent = [one for one in self._spent if now - one[0] <= MINUTE_S] or self._spent[-1:]
        at, spent = self._spent[0]
        used = turns.pace.used(spent, max(now - at, POLL_S) * 1000)
        self._spent.append((now, dict(turns.pace.spent)))
        fresh, past = demand(busy=turns.busy, past=turns.past)
        post: dict[str, Any] = {"held": self.share, "fresh": fresh, "backfill": past, "used": used, "pause_s": turns.paused}
        if turns.trouble:
            post["trouble"] = short(turns.trouble, LONGEST_TROUBLE)
        return post | ({"refused": max(refusals, key=lambda status: status == 418)} if refusals else {})

    def _carry_out(self) -> None:
        now = self._monotonic()
        if self._ask is None:
            share, leave = self._fallback, True
        else:
            share, leave = restricted(self._last, now - self._heard, self._fallback)
        if share != self._turns.pace.share:
            self._turns.pace.share = share
        self._turns.leave = leave
