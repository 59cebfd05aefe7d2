"""A tape in memory that was published, and whose segments are gone: what is left then is all that can tell of a loss."""

from __future__ import annotations

from typing import Self

from perptape.interval import DAY, HOUR
from perptape.store.tape import Tape
from support.storage import Bucket, MemoryFileSystem
from support.tapes import VENUES, write


class Published:
    """The tape of two venues."""

    def __init__(self) -> None:
        self.ms, self.bucket = 20_010 * DAY, Bucket()
        self.tape = Tape(MemoryFileSystem(self.bucket, lambda: self.ms))

    def written(self) -> Self:
        list(write(self.tape, lambda: self.ms, "w", VENUES[:2]))
        return self.published()

    def published(self) -> Self:
        for _ in range(2):
            self.tape.publish(clock=lambda: 0.0, lease=False)
            self.ms += 2 * HOUR
        return self

    def paths(self, start: str) -> list[str]:
        return sorted(path for path in self.bucket.objects if path.startswith(start))

    def found(self) -> list[tuple[str, str]]:
        return [(one.kind, one.path) for one in self.tape.verify()]
