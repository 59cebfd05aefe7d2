"""The pager: which window to ask next, and what a page proves. Ours, because CCXT's loses rows (facts: 17 days of 29, 24 h of each 31 d).

Pure, no I/O. The cursor works on the window that was asked, never on an empty answer. Rows are any values with a time in ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perptape.exchanges.base import PageRule
from perptape.interval import MINUTE, Interval

MARGIN = MINUTE
"""Windows are asked this much wider on both sides: venues stamp rows some milliseconds off."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer showed: `proven` is the time of which all rows are now known, `left` what must still be asked."""

    proven: Interval
    left: Interval | None


def request(window: Interval, rule: PageRule, now: int) -> Interval:
    """What to ask for (part of) `window` in one call: with the margins, no longer than the rule's span, never past `now`.

    A venue that pages forward is asked for the window's beginning, one that pages backward for its end.
    """
    start, end = max(window.start - MARGIN, 0), min(window.end + MARGIN, max(now, window.end))
    if rule.span is not None and end - start > rule.span:
        return Interval(start, start + rule.span) if rule.order == "forward" else Interval(end - rule.span, end)
    return Interval(start, end)


def page(window: Interval, asked: Interval, times: Sequence[int], rule: PageRule) -> Page:
    """What the rows of one answer to `asked` prove of `window`.

    A full page may have been cut where the rule says: after its newest row (forward) or before its oldest (backward). An
    answer of rows that were not asked for (OKX ignoring `since`) raises ValueError: it proves nothing.
    """
    inside = [time for time in times if time in asked]
    if times and not inside:
        raise ValueError(f"{len(times)} rows, none of the window asked")
    covered = asked
    if len(times) >= rule.limit:
        covered = Interval(asked.start, max(inside) + 1) if rule.order == "forward" else Interval(min(inside), asked.end)
    proven = window.intersection(covered)
    if proven is None:
        raise ValueError(f"a page of {len(times)} rows proves nothing of the window asked")
    if rule.order == "forward":
        left = Interval(proven.end, window.end)
        return Page(Interval(window.start, proven.end), left or None)
    left = Interval(window.start, proven.start)
    return Page(Interval(proven.start, window.end), left or None)


def slots_per_page(rule: PageRule) -> int:
    """How many slots one page certainly holds: one less than its limit, since the margin may let a neighbour in."""
    return max(rule.limit - 1, 1)
