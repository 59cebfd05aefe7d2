"""Asks a venue: waits when it must, asks again when that may help, and gives up when the time is over.

A thin shell over `circuit`. Everything that waits, tells time or draws chance is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar

from perptape.collect.circuit import Circuit, backoff
from perptape.collect.stream_thread import Thread
from perptape.collect.together import aside
from perptape.errors import PerptapeError, Retry
from perptape.times import iso

if TYPE_CHECKING:
    from perptape.collect.stream_report import Pace
    from perptape.collect.stream_thread import Lanes
    from perptape.exchanges.turns import Turns
    from perptape.store.log_disk import LogDisk

T = TypeVar("T")


class VenueStopped(PerptapeError):
    """No more calls to this venue in this run: its ban, pause or silence outlasts the deadline."""


class TimeOver(VenueStopped):
    """The run's deadline came, and the venue is well."""


@dataclass(slots=True)
class Environment:
    """What the collector must not reach for itself. `clock` is wall ms, `monotonic` seconds, `chance` draws from [0, 1)."""

    clock: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[Any]]
    chance: Callable[[], float]
    lanes: Lanes = Thread
    """What blocks runs on one of these, held up by nothing and holding up nothing."""
    random: Random = field(default_factory=SystemRandom)
    """Names logs, and spreads the reconnects of streams."""
    log_disk: LogDisk | None = None
    """Where stream logs are kept; None: this machine's files."""
    settle: Callable[[], None] = lambda: None
    """Called once everything is loaded by a process that stays."""
    pace: Pace | None = None
    """How often a stream does what; None: as a stream does by itself."""

    async def aside(self, call: Callable[[], T]) -> T:
        """A blocking call's result."""
        return await aside(call, self.lanes)


@dataclass(slots=True)
class Asking:
    """One venue's calls. `deadline`: monotonic second by which all must end (None: never). `patience`: seconds without progress."""

    venue: str
    environment: Environment
    circuit: Circuit
    deadline: float | None = None
    patience: float = 300.0
    attempts: int = 5
    turns: Turns | None = None
    """Who gives the calls their turns, where somebody steers it."""
    on_trouble: Callable[[str], None] = lambda message: None
    _progress: float = field(default=0.0)
    _probe: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._progress = self.environment.monotonic()

    def filling(self, *, past: bool) -> None:
        """What is asked from here on is due, or about the past, which comes second when limits are shared."""
        if self.turns is not None:
            self.turns.past = past

    def progressed(self) -> None:
        self._progress = self.environment.monotonic()

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and self.environment.monotonic() >= self.deadline

    def share(self, parts: int) -> float | None:
        """The monotonic second at which the first of so many parts has had its time; None where there is no deadline."""
        if self.deadline is None:
            return None
        now = self.environment.monotonic()
        return now + (self.deadline - now) / parts

    @property
    def end(self) -> float:
        """The monotonic second by which waiting is useless."""
        patience = self._progress + self.patience
        return patience if self.deadline is None else min(self.deadline, patience)

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's answer. Raises Skip and Fatal as they come, Retry when attempts are used up, VenueStopped when time is."""
        attempt = 0
        while True:
            await self._turn()
            try:
                if self.circuit.open:
                    async with self._probe:
                        await self._turn()
                        return await self._once(call)
                return await self._once(call)
            except Retry as error:
                attempt += 1
                if attempt >= self.attempts and not self.circuit.open:
                    raise
                if error.after is None:
                    await self._wait(backoff(attempt, self.environment.chance()))

    async def pause(self, attempt: int, why: str) -> None:
        """Waits as before another attempt. Raises VenueStopped when that is past the end."""
        self.on_trouble(f"{self.venue}: asking again: {why}")
        await self._wait(backoff(attempt, self.environment.chance()))

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await self._in_time(call)
        except Retry as error:
            was_open = self.circuit.open
            self.circuit = self.circuit.failed(error, self.environment.monotonic())
            if self.circuit.open and not was_open:
                self.on_trouble(f"{self.venue}: {self.circuit.failures} failures in a row, asking one call at a time: {error}")
            elif was_open:  # a probe a minute at most
                wait = self.circuit.paused_until - self.environment.monotonic()
                self.on_trouble(f"{self.venue}: {self.circuit.failures} failures in a row, asked again in {wait:.0f} s: {error}")
            elif error.banned:
                self.on_trouble(f"{self.venue}: banned for {error.after or 0:.0f} s: {error}")
            raise
        self.circuit = self.circuit.succeeded()
        self.progressed()
        return answer

    async def _in_time(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer before the deadline: a call may wait long for its part of the venue's limits, and for the venue."""
        if self.deadline is None:
            return await call()
        try:
            async with asyncio.timeout(max(self.deadline - self.environment.monotonic(), 0)) as limit:
                return await call()
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._ended(late=True) from None

    def _ended(self, *, late: bool) -> VenueStopped:
        """Of a venue that answered, the time alone is over: what is left is no failure of anybody's."""
        reason = self.circuit.reason
        kind = TimeOver if late and not reason else VenueStopped
        return kind(f"{self.venue}: the time for this run is over" + (f" ({reason})" if reason else ""))

    async def _turn(self) -> None:
        """Waits until a call may be made."""
        while (wait := self.circuit.paused_until - self.environment.monotonic()) > 0:
            await self._wait(wait)
        if self.environment.monotonic() >= self.end:
            raise self._ended(late=self.over)

    async def _wait(self, seconds: float) -> None:
        until = self.environment.monotonic() + seconds
        if until > self.end:
            end = iso(self.environment.clock() + int(seconds * 1000))
            ours = self.deadline is not None and until > self.deadline
            why = "which is past this run's deadline" if ours else f"and nothing is waited for longer than {self.patience:.0f} s"
            raise VenueStopped(f"{self.venue}: no call before {end}, {why}: {self.circuit.reason}")
        await self.environment.sleep(seconds)
