"""What to ask a venue for now, in what order: windows cut from open time.

Pure. A window holds at most one page; neighbouring gaps that fit one page share it. Order: the newest window of every instrument,
then windows that would pass out of retention during the run, then newest first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from perptape.claims import SETTLED, Want, grid_step, horizon
from perptape.collect.grids import Grid
from perptape.collect.paginate import MARGIN, slots_per_page
from perptape.coverage import Coverage, finer_claims
from perptape.exchanges.base import PageRule
from perptape.interval import DAY, HOUR, MINUTE, Interval, ceil, floor, hull, intersection, union
from perptape.standing import State, states, wanted

OVERLAP = DAY + MARGIN
"""A funding window starts this much early: longer than any settlement interval, so the first wanted row's interval is known."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """One thing to ask: history of `instrument` on `grid` over `span` (ms); a sample's span is its slot.

    beside: a slot next to it that is known to have a row. It is asked for with it and not stored again: an honest answer shows it,
    so that time without a row is told from a venue that says nothing. oldest: rows are known of after it and none of before, so that
    the venue may keep less than it says, or the contract have begun later.
    """

    instrument: str
    grid: str
    span: Interval
    beside: Interval | None = field(default=None, compare=False)
    oldest: bool = field(default=False, compare=False)


LONGEST_SETTLEMENT = 8 * HOUR
"""The most that a venue's word on its settlement interval is trusted with: intervals shorten when markets move."""


def judged(
    grid: Grid, instrument: str, coverage: Coverage, wants: Sequence[Want], now: int, life: Interval, funding_minutes: int | None = None
) -> tuple[State, ...]:
    """The standing of one instrument's grid: wanted (during one `life` of the contract) against claimed.

    `funding_minutes`: the contract's settlement interval where it is known; the next settled rate is not asked for before it is due.
    """
    listed = whole_slots(life, grid)
    spans = [both for span in wanted(wants, grid.name, horizon(grid.every), now) if (both := span.intersection(listed)) is not None]
    claims = coverage.of_grid(instrument, grid.name)
    damage = tuple(d for d in coverage.damage if d.instrument == instrument)
    settle_every = min((funding_minutes or 60) * MINUTE, LONGEST_SETTLEMENT, grid.rules.final_after)
    rules = replace(grid.rules, settle_every=settle_every)
    return states(spans, grid.name, claims, rules, now, finer=finer_claims(coverage, instrument, grid.name), damage=damage)


def whole_slots(life: Interval, grid: Grid) -> Interval:
    """The part of a life that wholly listed slots fill: of a bucket or a sample cut by the (de)listing nobody owes a row."""
    step = grid_step(grid.name)
    if step is None:
        return life
    start = ceil(life.start, step)
    return Interval(start, max(start, floor(life.end, step)))


def due(found: Iterable[State], now: int) -> tuple[Interval, ...]:
    """The open time that may be asked for now."""
    return union(state.span for state in found if state.status == "open" and state.not_before <= now)


def windows(
    instrument: str,
    grid: Grid,
    open_time: Sequence[Interval],
    rule: PageRule,
    now: int,
    listed: int = 0,
    known: Sequence[Interval] = (),
) -> tuple[Window, ...]:
    """Windows of one page each over the open time, newest first; the edge's reaches up to `now`.

    `listed`: the contract's first ms. `known`: the time that is complete, disjoint and in order.
    """
    if not open_time:
        return ()
    if grid.name == SETTLED:
        return _settled(instrument, grid, open_time, now, listed)
    assert grid.period is not None
    reach = slots_per_page(rule) * grid.period
    retained = grid.rules.floor(now)
    kept = [one for one in known if one.end > retained]
    if rule.span is not None:
        reach = min(reach, max(rule.span - 2 * MARGIN, grid.period))
    out: list[Window] = []
    left = list(open_time)
    if left[-1].end >= now - grid.rules.delay - grid.period:  # at the edge: what is not due yet comes along for nothing
        left[-1] = Interval(left[-1].start, max(now, left[-1].end))
    while left:
        end = left[-1].end
        floor = ceil(end - reach, grid.period)  # a slot lies wholly in one window
        inside = [span for span in left if span.end > floor]
        start = max(inside[0].start, floor)
        span = Interval(start, end)
        fitting = [one for one in _neighbours(span, kept, grid.period, retained) if len(hull(span, one)) <= reach]
        oldest = bool(kept) and kept[0].start >= span.end
        out.append(Window(instrument, grid.name, span, fitting[0] if fitting else None, oldest))
        left = [Interval(s.start, min(s.end, start)) for s in left if s.start < start]
    return tuple(out)


def _neighbours(span: Interval, known: Sequence[Interval], period: int, reach: int) -> Iterator[Interval]:
    """The next slot after `span` that has a row, and the last one before it that can still be asked for (from `reach` on)."""
    after = bisect_right(known, span.end, key=lambda one: one.end)
    if after < len(known):
        start = ceil(max(known[after].start, span.end), period)
        yield Interval(start, start + period)
    before = bisect_left(known, span.start, key=lambda one: one.start) - 1
    if before >= 0:
        end = floor(min(known[before].end, span.start), period)
        if end - period >= reach:
            yield Interval(end - period, end)


def _settled(instrument: str, grid: Grid, open_time: Sequence[Interval], now: int, listed: int) -> tuple[Window, ...]:
    """One window per unbroken stretch, early by an overlap, and at the edge by `final_after`, up to now: settlements are no grid.

    None begins before the contract was `listed`: there is nothing to overlap with.
    """
    out = []
    for span in open_time:
        start = span.start - OVERLAP
        if span.end >= now - grid.rules.delay - MARGIN:
            start, span = min(start, now - grid.rules.final_after), Interval(span.start, now)
        floor = grid.rules.floor(now)
        out.append(Window(instrument, grid.name, Interval(min(max(start, floor, listed), span.end), span.end)))
    merged = union(window.span for window in out)
    return tuple(Window(instrument, grid.name, span) for span in reversed(merged))


def past(instrument: str, grid: Grid, open_time: Iterable[Interval], rule: PageRule) -> tuple[Window, ...]:
    """Windows over what a stream missed, newest first, none longer than a day: how many pages it takes nobody knows."""
    longest = min(rule.span or DAY, DAY)
    pieces = [Interval(start, min(start + longest, one.end)) for one in open_time for start in range(one.start, one.end, longest)]
    return tuple(Window(instrument, grid.name, piece) for piece in reversed(pieces))


def ordered(per_instrument: Iterable[Sequence[Window]], retention_floor: int, run_estimate: int) -> tuple[Window, ...]:
    """All windows in the order in which they are asked."""
    lists = [list(found) for found in per_instrument if found]
    first = [found[0] for found in lists]
    rest = [window for found in lists for window in found[1:]]
    expiring = sorted((w for w in rest if w.span.start < retention_floor + run_estimate), key=lambda w: (w.span.start, w.instrument))
    chosen = set(expiring)
    others = sorted((w for w in rest if w not in chosen), key=lambda w: (-w.span.end, w.instrument))
    return (*first, *expiring, *others)


def complete(coverage: Coverage, instrument: str, grid: Grid, life: Interval) -> tuple[Interval, ...]:
    """The time of one instrument's grid, during one `life` of it, of which all rows are known: of another one it may be silent."""
    known = (claim.span for claim in coverage.of_grid(instrument, grid.name) if claim.kind == "complete")
    return intersection(known, [whole_slots(life, grid)])


def settled_by(coverage: Coverage) -> dict[str, int]:
    """By when (ms) each instrument's settlements are known of: where its earliest complete stretch ends."""
    found: dict[str, int] = {}
    for claim in coverage.claims:
        if claim.grid == SETTLED and claim.kind == "complete":
            found[claim.instrument] = min(claim.end, found.get(claim.instrument, claim.end))
    return found
