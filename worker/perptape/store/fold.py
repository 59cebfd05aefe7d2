"""What publishing decides: what a file becomes, what may be said then, and what may go. Pure.

The law, for any number of publishers at once, paused, stale or killed (docs/architecture.md): a file becomes the join of itself and
of every listed segment; what is claimed of a segment is said only when all of its rows are in files; a segment goes when it is old
and, read back, all there; a coverage file goes when it is old and a later one contains it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from perptape.interval import HOUR
from perptape.store.coverage import Sayings, of_segment
from perptape.store.filed import Filed, S
from perptape.store.filesystem import Entry
from perptape.store.landing import Landing, Place
from perptape.store.segment import Segment

KEEP = HOUR
"""ms by the store's clock: nothing younger is deleted. The deadline of a publisher is 40 minutes less."""
KEPT_COVERAGE = 8


@dataclass(frozen=True, slots=True)
class Part:
    """What all listed segments have for one file: the rows that win among them, and those that lost though the venue's values differ."""

    place: Place
    rows: pa.Table
    revised: pa.Table


def parts(landing: Landing, segments: Sequence[Segment]) -> list[Part]:
    """The files that segments touch, in the order of their paths."""
    rows, revised = landing.joined([s.rows for s in segments])
    lost = dict(landing.parts(revised.sort_by([(n, "ascending") for n in _order(landing)]))) if revised.num_rows else {}
    empty = landing.schema.empty_table()
    return sorted((Part(place, part, lost.get(place, empty)) for place, part in landing.parts(rows)), key=_path)


class Parts:
    """`parts` of segments, which is not worked out anew for those that were asked about last."""

    def __init__(self, landing: Landing) -> None:
        self._landing = landing
        self._last: list[Segment] = []
        self._found: list[Part] = []

    def of(self, segments: Sequence[Segment], touched: Collection[Place] = ()) -> list[Part]:
        """As `parts`, with an empty one for each other place that is `touched` for another reason."""
        same = len(segments) == len(self._last) and all(a is b for a, b in zip(segments, self._last, strict=True))
        if not same:
            self._last, self._found = list(segments), parts(self._landing, segments)
        empty = self._landing.schema.empty_table()
        others = set(touched) - {part.place for part in self._found}
        return sorted([*self._found, *(Part(place, empty, empty) for place in others)], key=_path)


def _path(part: Part) -> str:
    return part.place.path


def _order(landing: Landing) -> list[str]:
    return [name for name in ("instrument_id", "ts_init") if name in landing.schema.names]


@dataclass(frozen=True, slots=True)
class Folded:
    """What a file becomes. `rows` is None when it stays as it is."""

    rows: pa.Table | None
    added: int
    revised: pa.Table


def folded(landing: Landing, base: pa.Table | None, part: Part) -> Folded:
    """The join of a file (None: it is not there) and of what segments have for it."""
    if base is None:
        return Folded(part.rows, part.rows.num_rows, part.revised)
    if base.equals(part.rows):
        return Folded(None, 0, part.revised)
    rows, beaten = landing.joined([base, part.rows])
    revised = pa.concat_tables([part.revised, beaten]) if beaten.num_rows else part.revised
    return Folded(None if rows.equals(base) else rows, rows.num_rows - base.num_rows, revised)


def places(landing: Landing, segment: Segment) -> frozenset[Place]:
    """The files that a segment's rows land in."""
    return frozenset(place for place, _ in landing.parts(landing.joined([segment.rows])[0]))


def claimable(landing: Landing, segments: Sequence[Segment], failed: Collection[Place]) -> list[Segment]:
    """The segments whose rows are now all in files."""
    return [s for s in segments if not failed or not places(landing, s) & set(failed)]


def old_enough(listed: Sequence[Entry], now: int, keep: int) -> list[Entry]:
    return [entry for entry in listed if now - entry.modified >= keep]


def said(segments: Sequence[Segment], covered: Sayings) -> list[Segment]:
    """The segments whose claims and wants are all in the coverage."""
    everything = covered.joined([])
    if everything == everything.joined([of_segment(s) for s in segments]):
        return list(segments)
    return [s for s in segments if everything.contains(of_segment(s))]


def superseded(files: Sequence[Filed[S]], listed: Mapping[str, int], now: int, keep: int, kept: int = KEPT_COVERAGE) -> Iterator[str]:
    """The files whose join counts that may go: listed at the start, old, not of the newest `kept`, contained in one of a greater name."""
    names = sorted(listed)
    contents = {f.path: f.sayings for f in files}
    for path in names[:-kept]:
        mine = contents.get(path)
        if mine is None or now - listed[path] < keep:
            continue
        if any(other > path and theirs.contains(mine) for other, theirs in sorted(contents.items(), reverse=True)):
            yield path
