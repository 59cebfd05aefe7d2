"""Spans of time and their arithmetic: what is wanted, what is claimed, what is left.

Pure. Times are milliseconds since the epoch, UTC, on the venue's clock unless said otherwise. Every span is half-open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NS = 1_000_000
"""Nanoseconds in a millisecond."""
EARLIEST = 1_230_940_800_000
"""ms: 2009-01-03, the day of Bitcoin's first block. No market has an earlier time; seconds taken for milliseconds are of January 1970."""
LATEST = 2**63 // NS - 2 * DAY
"""ms: a later time (or the `ts_init` that follows from it) fits no row; micro- or nanoseconds taken for milliseconds are such times."""

JITTER = 5 * SECOND
"""A row stamped this close to a boundary belongs to it: venues stamp some ms off (Binance 11, Hyperliquid 31, dYdX 586)."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The span ``[start, end)`` in milliseconds. `start` is never after `end`."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError(f"an interval cannot end before it starts: {self.start} > {self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def __bool__(self) -> bool:
        return self.start < self.end

    def __contains__(self, time: int) -> bool:
        return self.start <= time < self.end

    def intersection(self, other: Interval) -> Interval | None:
        """What both have, or None when they share no millisecond."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Interval(start, end) if start < end else None


def union(spans: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same time as disjoint, non-touching, sorted spans."""
    merged: list[Interval] = []
    for span in sorted(s for s in spans if s):
        if merged and span.start <= merged[-1].end:
            if span.end > merged[-1].end:
                merged[-1] = Interval(merged[-1].start, span.end)
        else:
            merged.append(span)
    return tuple(merged)


def intersection(a: Iterable[Interval], b: Iterable[Interval]) -> tuple[Interval, ...]:
    """The time that both sides have."""
    left, right = union(a), union(b)
    out: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if (both := left[i].intersection(right[j])) is not None:
            out.append(both)
        if left[i].end <= right[j].end:
            i += 1
        else:
            j += 1
    return tuple(out)


def gaps(wanted: Iterable[Interval], covered: Iterable[Interval]) -> Iterator[Interval]:
    """The parts of `wanted` that nothing in `covered` touches, in order."""
    blocks = union(covered)
    i = 0
    for span in union(wanted):
        start = span.start
        while i < len(blocks) and blocks[i].end <= start:
            i += 1
        j = i
        while j < len(blocks) and blocks[j].start < span.end:
            if blocks[j].start > start:
                yield Interval(start, blocks[j].start)
            start = max(start, blocks[j].end)
            j += 1
        if start < span.end:
            yield Interval(start, span.end)


def hull(span: Interval, other: Interval | None) -> Interval:
    """From the beginning of the first to the end of the last."""
    return span if other is None else Interval(min(span.start, other.start), max(span.end, other.end))


def floor(time: int, step: int) -> int:
    """The greatest multiple of `step` not after `time`."""
    return time - time % step


def slot_of(time: int, step: int) -> int:
    """The start of the slot that a row stamped `time` belongs to."""
    nearest = (time + step // 2) // step * step
    return nearest if abs(time - nearest) <= JITTER else floor(time, step)


def ceil(time: int, step: int) -> int:
    """The least multiple of `step` not before `time`."""
    return -(-time // step) * step


def slots(span: Interval, period: int) -> range:
    """The starts of the slots ``[k*period, (k+1)*period)`` that begin inside `span`."""
    return range(ceil(span.start, period), span.end, period)


def total(spans: Iterable[Interval]) -> int:
    """How many milliseconds the spans have together."""
    return sum(len(span) for span in union(spans))
