"""What a stream says straight to the store while no log can be made for it: what is wanted, and that nobody listens, and why.

Shell around one pure function. A store that does not take it either is told as the reason why the stream cannot begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from perptape.claims import STREAM, Claim, Want, ended
from perptape.collect.stream_adopt import Segments
from perptape.collect.stream_thread import Offload
from perptape.collect.together import aside
from perptape.datasets.liquidations import LIQUIDATIONS
from perptape.errors import StoreError
from perptape.store import layout

AGAIN_S = 60.0


@dataclass(slots=True)
class Unlogged:
    """One venue's stream that cannot begin. `now`: ms on the venue's clock; `monotonic`: seconds; `began`: since when it tries.

    `since`: instrument -> up to when an earlier process said everything; nothing once all up to now is said here.
    """

    venue: str
    now: Callable[[], int]
    monotonic: Callable[[], float]
    began: int
    since: Mapping[str, int]
    random: Random
    aside: Offload = aside
    _at: float | None = None
    _segments: Segments | None = None
    _wants: tuple[Want, ...] = field(default=())
    _cause: str = ""
    _said: int = 0
    """Up to when all is said here."""

    async def say(self, segments: Segments, wants: tuple[Want, ...], cause: str) -> None:
        """Once a minute, as a stream that runs would."""
        self._segments, self._wants, self._cause = segments, wants, cause
        if self._at is None or self.monotonic() - self._at >= AGAIN_S:
            self._at = self.monotonic()
            await self._put(wants)

    async def end(self) -> None:
        """It was told to stop before it could begin: nothing more is wanted. Says nothing where nothing was said."""
        if self._segments is not None:
            await self._put(ended(self._wants, self.now()))

    async def _put(self, wants: tuple[Want, ...]) -> None:
        segments, now = self._segments, self.now()
        assert segments is not None
        claims = tuple(missed(wants, self.since, max(self.began, self._said), now, self._cause))
        name, rows = layout.segment_name(now, f"{self.random.getrandbits(64):016x}", 0), LIQUIDATIONS.schema.empty_table()
        with suppress(StoreError):
            await self.aside(lambda: segments.put(name, self.venue, LIQUIDATIONS.name, rows, claims, wants))
            self.since, self._said = {}, now


def missed(wants: Iterable[Want], since: Mapping[str, int], began: int, now: int, cause: str) -> Iterable[Claim]:
    """The holes up to `now` in what is wanted: before `began` no process was there, since then there was no place for a log. Pure."""
    for one in sorted({want.instrument for want in wants}):
        said = since.get(one, began)
        for start, end, why in ((said, min(began, now), "process down"), (max(said, began), now, cause)):
            if start < end:
                yield Claim(one, STREAM, "hole", start, end, "", start, end, cause=why)
