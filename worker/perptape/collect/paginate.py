"""The pager: which window to ask next, and what a page proves. Ours, because CCXT's loses rows (facts: 17 days of 29, 24 h of each 31 d).

Pure, no I/O. The cursor works on the window that was asked, never on an empty answer. Rows are any values with a time in ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perptape.exchanges.base import PageRule
from perptape.interval import MINUTE, Interval

MARGIN = MINUTE
"""Windows are asked this much wider on both sides: venues stamp rows some milliseconds off."""

STRAYS = 1
"""Rows that may lie beyond each end of what was asked: a venue may round it to its buckets. More show that it answered something else."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer showed: `proven` is the time of which all rows are now known, `left` what must still be asked.

    crowded: a moment that holds more rows than a page, so that nobody can have them all; nothing is proven then.
    """

    proven: Interval
    left: Interval | None
    crowded: Interval | None = None


def request(window: Interval, rule: PageRule, now: int) -> Interval:
    """What to ask for (part of) `window` in one call: with the margins, no longer than the rule's span, never past `now`.

    A venue that pages forward is asked for the window's beginning, one that pages backward for its end.
    """
    start, end = max(window.start - rule.margin, 0), min(window.end + rule.margin, max(now, window.end))
    if rule.span is not None and end - start > rule.span:
        return Interval(start, start + rule.span) if rule.order == "forward" else Interval(end - rule.span, end)
    return Interval(start, end)


def page(window: Interval, asked: Interval, times: Sequence[int], rule: PageRule, unread: int = 0) -> Page:
    """What one answer to `asked` proves of `window`. `times` are those of all its rows, wherever they lie; `unread` rows show none.

    A full page may have been cut where the rule says: after its newest row (forward) or before its oldest (backward). An
    answer that goes beyond what was asked (OKX ignoring `since`) raises ValueError: it proves nothing, not even of the rows in it.
    """
    inside = [time for time in times if time in asked]
    early, late = {time for time in times if time < asked.start}, {time for time in times if time >= asked.end}
    if (times and not inside) or len(early) > STRAYS or len(late) > STRAYS:
        raise ValueError(
            f"{len(times)} rows, the time of {len(inside) or 'none'} of them in the window asked: the venue answered another one"
        )
    covered = asked
    if len(times) + unread >= rule.limit:
        if not inside:
            raise ValueError(f"a page of {unread} rows without a time proves nothing")
        cut = 1 if rule.ties else 0
        forward = rule.order == "forward"
        covered = Interval(asked.start, max(inside) + 1 - cut) if forward else Interval(min(inside) + cut, asked.end)
    proven = window.intersection(covered)
    if proven is None and rule.ties and inside:
        return _crowded(window, inside, rule)
    if proven is None:
        raise ValueError(f"a page of {len(times)} rows proves nothing of the window asked")
    if rule.order == "forward":
        left = Interval(proven.end, window.end)
        return Page(Interval(window.start, proven.end), left or None)
    left = Interval(window.start, proven.start)
    return Page(Interval(proven.start, window.end), left or None)


def astray(instrument: str, asked: Interval, times: Iterable[int], reach: int) -> dict[int, str]:
    """Time -> one line, of those further than `reach` (ms) from what was asked: what time such a row is of nobody knows."""
    near = Interval(asked.start - reach, asked.end + reach)
    return {time: f"{instrument}: time: {time} is not near what was asked for" for time in times if time not in near}


def _crowded(window: Interval, inside: Sequence[int], rule: PageRule) -> Page:
    """What a full page of one moment's rows, at the end where the window is asked first, comes to: the rest is asked without it."""
    if rule.order == "forward":
        end = min(max(inside) + 1, window.end)
        return Page(Interval(window.start, window.start), Interval(end, window.end) or None, Interval(window.start, end))
    start = max(min(inside), window.start)
    return Page(Interval(window.end, window.end), Interval(window.start, start) or None, Interval(start, window.end))


def slots_per_page(rule: PageRule) -> int:
    """How many slots one page certainly holds: one less than its limit, since the margin may let a neighbour in."""
    return max(rule.limit - 1, 1)
