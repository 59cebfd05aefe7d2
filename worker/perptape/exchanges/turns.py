"""Whose turn it is at a venue: calls wait for their part of its limits, for a pause to pass, and for leave to ask at all.

A thin shell over `pacing`. All calls and connections of a process to one venue go through one `Turns`; processes of one host meet in
`host`, and in a cluster `restrict`, `pause` and `leave` carry out what the operator says.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from perptape.errors import Retry
from perptape.exchanges.base import CallLimit
from perptape.exchanges.host import Shared, State
from perptape.exchanges.pacing import Pace

SLICE_S: Final = 0.5
"""A wait is looked at again so often: a share may have changed, or a pause have come."""
LEAST_S: Final = 0.001
BORNE_S: Final = 5.0
"""How long a pause is waited for here at most: of a longer one the caller is told, who may have better to do."""
BESIDE: Final = 0.95
BUSY_S: Final = 10.0
"""So long after its last call a process still counts as one that asks."""
SILENT_S: Final = 20.0
"""Failing for so long without one answer is more than a hiccup, and told to whoever watches."""
LATE_S: Final = 0.1
"""Who wakes so much later than meant shared a stalled process with answers that wait to be read: one of them may be a ban."""
READ_S: Final = 0.05
"""Enough for those to be read."""
LONGEST_DIAL_S: Final = 10.0
"""A connection waits no longer for its turn: nobody would know why it does not come about."""


class Turns:
    """One venue's. `borne`: the longest pause (s) that is waited for here. `monotonic`: seconds."""

    def __init__(
        self,
        venue: str,
        limits: tuple[CallLimit, ...],
        speed: float = 1.0,
        *,
        shared: Shared | None = None,
        borne: float = BORNE_S,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._venue, self._shared, self._borne, self._monotonic, self._sleep = venue, shared, borne, monotonic, sleep
        self.pace = Pace(limits, speed)
        self.past = False
        """Whether what is asked now is about the past, and nothing that is due waits."""
        self.leave = True
        """False: nothing may be asked yet."""
        self.refusals: list[int] = []
        """429 and 418 as they came; whoever tells others takes them out."""
        self.refused = asyncio.Event()
        """Set with each of them."""
        self._failing_since: float | None = None
        self._failure = ""
        self._paused_until = 0.0
        self._others_until = float("-inf")
        self._asked_at: float | None = None
        self._queues: dict[frozenset[str], asyncio.Lock] = {}

    async def take(self, cost: Mapping[str, int], longest: float | None = None) -> None:
        """Comes back when a call of this cost may go. Raises Retry while the venue must not be asked. `longest`: seconds."""
        self._asked_at = self._monotonic()
        async with self._queues.setdefault(frozenset(cost), asyncio.Lock()):
            await self._allowed()
            until = None if longest is None else self._monotonic() + longest
            left = self._spend(cost)
            while left > 0 and (until is None or self._monotonic() < until):
                await self._rested(min(max(left / 1000, LEAST_S), SLICE_S))
                await self._allowed()  # another call may have been banned meanwhile
                left = self._owed(cost)
            self._asked_at = self._monotonic()

    async def dial(self) -> None:
        """Comes back when a stream may be opened, so that many that start together do not dial together."""
        await self.take(self.pace.dialling(), LONGEST_DIAL_S)

    def pause(self, seconds: float) -> None:
        """No call for so long, by nobody of this host."""
        self._paused_until = max(self._paused_until, self._monotonic() + seconds)
        if self._shared is not None:
            with self._shared.held(insists=True) as state:
                self._agreed(state)

    def _agreed(self, state: State) -> None:
        """The longest pause that anybody of this host knows of holds for all."""
        state.paused_until = self._paused_until = max(self._paused_until, state.paused_until)

    def note(self, status: int, after: float | None) -> None:
        """An answer that refuses, and for how long (s) nobody of this address may ask: told to all who share the venue."""
        if status in (418, 429):
            self.refusals.append(status)
            self.refused.set()
        if after is not None:
            self.pause(after)

    def met(self, failure: str) -> None:
        """How a call ended: what the venue did instead of answering; nothing when it answered."""
        self._failure = failure
        if not failure:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = self._monotonic()

    @property
    def trouble(self) -> str:
        """The last failure, where no call has been answered for a while."""
        since = self._failing_since
        return "" if since is None or self._monotonic() - since < SILENT_S else self._failure

    def close(self) -> None:
        """Leaves the file that is shared; another call would open it again."""
        if self._shared is not None:
            self._shared.close()

    def observe(self, headers: Mapping[str, str]) -> None:
        """What an answer says of the use of the whole IP."""
        if self._shared is None:
            self.pace.observe(headers, self._ms())
            return
        with self._shared.held() as state:
            self.pace.hold(state.buckets)
            self.pace.observe(headers, self._ms())
            state.buckets = self.pace.held(self._ms())

    @property
    def granted(self) -> float:
        """The part of the venue's limits that may be used now."""
        return self.pace.share if self.leave else 0.0

    @property
    def paused(self) -> float:
        """Seconds left of a pause."""
        return max(0.0, self._paused_until - self._monotonic())

    @property
    def busy(self) -> bool:
        """Whether anything was asked lately, or nothing yet."""
        return self._asked_at is None or self._monotonic() - self._asked_at < BUSY_S or any(one.locked() for one in self._queues.values())

    async def _rested(self, seconds: float) -> None:
        due = self._monotonic() + seconds
        await self._sleep(seconds)
        if self._monotonic() - due > LATE_S:
            await self._sleep(READ_S)

    async def _allowed(self) -> None:
        while (not self.leave and not self.paused) or 0 < self.paused <= self._borne:
            await self._sleep(SLICE_S / 5)
        if (left := self.paused) > 0:
            raise Retry(f"{self._venue} must not be asked: it banned this address, or asked for a pause", left, banned=True)

    def _spend(self, cost: Mapping[str, int]) -> float:
        if self._shared is None:
            return self.pace.wait(cost, self._ms())
        with self._shared.held() as state:
            self._mind_others(state)
            self.pace.hold(state.buckets)
            left = self.pace.wait(cost, self._ms())
            state.buckets = self.pace.held(self._ms())
            self._agreed(state)
        return left if not self.paused else max(left, 1.0)

    def _mind_others(self, state: State) -> None:
        """Calls of several processes arrive less evenly than they went: beside others a little of each limit is left free."""
        now, me = self._monotonic(), os.getpid()
        if state.writer not in (0, me):
            self._others_until = now + BUSY_S
        state.writer = me
        share = BESIDE if now < self._others_until else 1.0
        if self.pace.share != share:
            self.pace.share = share

    def _owed(self, cost: Mapping[str, int]) -> float:
        if self._shared is not None:
            with self._shared.held() as state:
                self.pace.hold(state.buckets)
                self._agreed(state)
        return self.pace.owed(cost, self._ms())

    def _ms(self) -> float:
        return self._monotonic() * 1000
