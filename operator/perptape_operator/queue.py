"""Keys waiting to be worked on: each once, by one worker at a time, again later when it failed.

`Schedule` is the state and decides everything, given the time; `Queue` is the thin shell that waits.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 300.0


@dataclass(slots=True)
class Schedule(Generic[K]):
    """When each key is due. Times in seconds on any clock that only goes forward."""

    _due: dict[K, float] = field(default_factory=dict)
    _heap: list[tuple[float, int, K]] = field(default_factory=list)
    _running: set[K] = field(default_factory=set)
    _failures: dict[K, int] = field(default_factory=dict)
    _serial: int = 0

    def add(self, key: K, at: float) -> None:
        """Due at `at` or earlier. One that runs meanwhile is not started beside itself, but once more after its end."""
        if key in self._due and self._due[key] <= at:
            return
        self._due[key] = at
        self._push(key, at)

    def take(self, now: float) -> K | None:
        """A key that is due and not running; it runs from here on."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._due.get(key) != at or key in self._running:
                continue  # moved to an earlier time, or put back by `done`
            del self._due[key]
            self._running.add(key)
            return key
        return None

    def done(self, key: K) -> None:
        """The key's work went well."""
        self._failures.pop(key, None)
        self._ended(key)

    def failed(self, key: K, now: float, chance: float, after: float | None = None) -> float:
        """The key's work failed; it is due again after a while that doubles, spread by `chance` in [0, 1). Returns that while."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        wait = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(count, 20)) * (0.75 + chance / 2)
        wait = max(wait, after or 0.0)
        self._ended(key)
        self.add(key, now + wait)
        return wait

    def next_due(self) -> float | None:
        """When the next key that is not running is due."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        ready = [self._heap[0]] if self._heap and self._heap[0][2] not in self._running else self._heap
        return min((at for at, _, key in ready if key not in self._running and self._due.get(key) == at), default=None)

    def idle(self, now: float) -> bool:
        """Whether nothing runs and nothing is due."""
        return not self._running and not any(at <= now for at in self._due.values())

    def failing(self) -> int:
        return len(self._failures)

    def __len__(self) -> int:
        return len(self._due) + len(self._running)

    def _ended(self, key: K) -> None:
        self._running.discard(key)
        if key in self._due:
            self._push(key, self._due[key])

    def _push(self, key: K, at: float) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (at, self._serial, key))


class Queue(Generic[K]):
    """Workers over a schedule. `work` may return in how many seconds its key is due again."""

    def __init__(
        self,
        work: Callable[[K], Awaitable[float | None]],
        chance: Callable[[], float],
        trouble: Callable[[K, Exception, float], None],
        clock: Callable[[], float],
    ) -> None:
        self.schedule: Schedule[K] = Schedule()
        self._work, self._chance, self._trouble, self._clock = work, chance, trouble, clock
        self._woken: asyncio.Event = asyncio.Event()

    def add(self, key: K, after: float = 0.0) -> None:
        self.schedule.add(key, self._clock() + after)
        self._woken.set()

    async def run(self, workers: int) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            key = self.schedule.take(self._clock())
            if key is None:
                await self._wait()
                continue
            await self._once(key)
            self._woken.set()  # what had to wait for this key's end may be due

    async def _wait(self) -> None:
        """Until something is added or due. A woken worker looks for itself, so that a wake-up too many costs nothing."""
        due = self.schedule.next_due()
        self._woken.clear()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _once(self, key: K) -> None:
        try:
            again = await self._work(key)
        except Exception as error:
            wait = self.schedule.failed(key, self._clock(), self._chance(), getattr(error, "retry_after", None))
            self._trouble(key, error, wait)
        else:
            self.schedule.done(key)
            if again is not None:
                self.add(key, again)
