"""What an answer is worth: rows to store and claims that it proves.

Pure. A value that is dropped (NaN, negative, no time) is never claimed: its time stays open and is asked again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from perptape.claims import SETTLED, Claim
from perptape.collect.grids import Grid
from perptape.collect.paginate import MARGIN, astray, page
from perptape.collect.plan import Window
from perptape.datasets import funding, funding_prediction, open_interest
from perptape.datasets.base import Invalid
from perptape.errors import Doubtful
from perptape.exchanges.base import PageRule
from perptape.interval import DAY, HOUR, MINUTE, NS, Interval, floor, gaps, intersection, slot_of, slots, total, union
from perptape.raw import RawFunding, RawOpenInterest, RawPrediction
from perptape.standing import DOUBTED
from perptape.times import iso

EVER = Interval(0, 1 << 62)
"""The lifetime of a contract of which nobody knows when it was listed."""

NEVER = 1 << 62
"""When a settlement was first known of a contract of which none is."""


@dataclass(frozen=True, slots=True)
class Harvest:
    """Rows (tuples in the dataset's order), claims, one line per dropped value, and the window still to be asked."""

    rows: Sequence[tuple[Any, ...]]
    claims: Sequence[Claim] = ()
    dropped: Sequence[str] = ()
    left: Interval | None = None
    suspicious: int = 0
    raws: Sequence[RawFunding] = field(default=())
    received: int = 0
    doubt: str = ""
    """Why the answer is not believed; its claims say no more than that the venue was asked."""
    spoilt: tuple[Interval, ...] = ()
    """What is due of the window and stays open because of values that cannot be used: another answer may hold better ones."""


def history_page(
    window: Window, asked: Interval, raws: Sequence[RawOpenInterest], grid: Grid, rule: PageRule, received: int, unread: int = 0
) -> Harvest:
    """A page of open-interest history. Raises Doubtful for an answer that proves nothing.

    `unread`: rows of it that could not be understood. Whose slots they are nobody knows, so that no slot is claimed to be without a row.
    An answer without a single row over slots that are due is doubted: venues say [] for a while.
    """
    assert grid.period is not None
    times = [raw.time for raw in raws if raw.time is not None]
    unread += len(raws) - len(times)
    try:
        shown = page(window.span, asked, times, rule, unread)
    except ValueError as error:
        raise Doubtful(f"{window.instrument}: {error}") from error
    lost = astray(window.instrument, asked, times, grid.period + MARGIN)
    unread += len(lost)
    rows, dropped, have, unusable = [], [*lost.values()], set(), set()
    for raw in raws:
        if raw.time in lost:
            continue
        try:
            row = open_interest.row(raw, grid.period // MINUTE, received)
        except Invalid as error:
            dropped.append(f"{window.instrument}: {error}")
            if raw.time is not None:
                unusable.add(slot_of(raw.time, grid.period))
            continue
        slot = slot_of(row[7] // NS, grid.period)
        if slot in window.span:
            have.add(slot)
            rows.append(row)
    due_edge = floor(received - grid.rules.delay, grid.period)
    claimed = shown.proven.intersection(Interval(0, max(due_edge, 0)))
    claims = _slot_claims(window.instrument, grid, claimed, have, unusable - have, received) if claimed else ()
    if unread:
        claims = tuple(claim for claim in claims if claim.kind != "asked")
    spoilt = _unclaimed(claimed, grid.period, claims) if claimed and (dropped or unread) else ()
    if claims and not raws and not unread:
        doubt = f"{window.instrument}: no row from {iso(claims[0].start)} to {iso(claims[-1].end)}; not believed"
        return Harvest((), [replace(one, cause=DOUBTED) for one in claims], left=shown.left, doubt=doubt)
    zeros = sum(1 for row in rows if not any(row[1:4]))
    return Harvest(rows, claims, dropped, shown.left, suspicious=zeros if zeros < len(rows) else 0, spoilt=spoilt)


def _unclaimed(span: Interval, period: int, claims: Sequence[Claim]) -> tuple[Interval, ...]:
    """The whole slots of a span that no claim covers."""
    whole = (Interval(slot, slot + period) for slot in slots(span, period) if slot + period <= span.end)
    return tuple(gaps(whole, (claim.span for claim in claims)))


def _slot_claims(instrument: str, grid: Grid, span: Interval, have: set[int], unusable: set[int], asked: int) -> tuple[Claim, ...]:
    assert grid.period is not None
    whole = [Interval(slot, slot + grid.period) for slot in slots(span, grid.period) if slot + grid.period <= span.end]
    complete = union(slot for slot in whole if slot.start in have)
    empty = gaps(whole, [*complete, *(Interval(slot, slot + grid.period) for slot in unusable)])
    return (
        *(Claim(instrument, grid.name, "complete", s.start, s.end, "", asked, asked).coarse() for s in complete),
        *(Claim(instrument, grid.name, "asked", s.start, s.end, "", asked, asked) for s in empty),
    )


def funding_page(
    window: Window,
    asked: Interval,
    raws: Sequence[RawFunding],
    before: Sequence[RawFunding],
    grid: Grid,
    rule: PageRule,
    received: int,
    unread: int = 0,
    listed: Interval = EVER,
    seen: int = NEVER,
) -> Harvest:
    """A page of settled rates. `before`: the rows of this window's earlier pages. Rows are made by `settlements` in the end.

    No settlement interval is longer than a day, so once the contract trades a longer time without a row is not believed and not
    claimed; a page that proves nothing else of more than a day is Doubtful. A contract may be listed long before it trades: what
    lies between is claimed as asked. With rows that could not be understood (`unread`) the page claims nothing: they may lie
    anywhere in it. `seen`: by when (ms) the store knows of settlements.
    """
    times = [funding.settled_at(raw.time) for raw in raws if raw.time is not None]
    unread += len(raws) - len(times)
    try:
        shown = page(window.span, asked, times, rule, unread)
    except ValueError as error:
        raise Doubtful(f"{window.instrument}: {error}") from error
    lost = astray(window.instrument, asked, times, DAY)
    unread += len(lost)
    times = [time for time in times if time not in lost]
    good, dropped = funding.rows(raws, received) if raws else ([], [])
    fit = {row[5] // NS for row in good}
    told = [raw for raw in raws if raw.time is not None and funding.settled_at(raw.time) in asked]
    proven = intersection([shown.proven], [Interval(0, max(received - grid.rules.delay, 0))]) if not unread else ()
    known = sorted({funding.settled_at(raw.time) for raw in (*told, *before) if raw.time is not None})
    untraded = _untraded(known, proven, listed)
    trading = _trading(known, listed, untraded, seen)
    bare = _bare(known, proven, trading)
    certain = Interval(max(trading.start, known[0]), trading.end) if known and listed.start == EVER.start else trading
    if total(intersection(bare, [certain])) > DAY and not any(gaps(intersection(proven, [certain]), bare)):
        raise Doubtful(f"{window.instrument}: no settlement in {total(bare) // DAY} days; not believed")
    doubted = _doubted(times, fit, asked.end)
    sure = gaps(proven, [*untraded, *bare, *doubted])
    claims = [Claim(window.instrument, SETTLED, "complete", s.start, s.end, "", received, received).coarse() for s in sure]
    claims += [Claim(window.instrument, SETTLED, "asked", s.start, s.end, "", received, received) for s in untraded]
    spoilt = intersection([shown.proven], [Interval(0, max(received - grid.rules.delay, 0))] if unread else doubted)
    return Harvest((), claims, [*lost.values(), *dropped], shown.left, raws=told, received=received, spoilt=spoilt)


def _untraded(known: Sequence[int], proven: Collection[Interval], listed: Interval) -> tuple[Interval, ...]:
    """The time from a known listing up to the first settlement, where it is longer than a settlement may take: listed, not traded.

    Where an answer shows none at all, the time since the listing is as good as untraded once a settlement could have come, which no
    venue makes but on the hour: the venue may say nothing for a while, of a contract too young for that to show.
    """
    if listed.start == EVER.start or not any(listed.start in span for span in proven) or (known and known[0] <= listed.start):
        return ()
    first = known[0] if known else listed.end
    found = intersection(proven, [Interval(listed.start, first)])
    silent = not known and found and floor(found[-1].end, HOUR) > found[0].start
    return found if silent or (found and funding.too_long(found[0].start, min(first, found[-1].end))) else ()


def _trading(known: Sequence[int], listed: Interval, untraded: Sequence[Interval], seen: int) -> Interval:
    """When settlements are expected. Where nobody knows the listing and the store no earlier settlement, the first one stands for it."""
    if untraded:
        return Interval(untraded[-1].end, max(listed.end, untraded[-1].end))
    if listed.start == EVER.start and known and known[0] <= seen and _unbroken_day(known):
        return Interval(known[0], listed.end)
    return listed


def _unbroken_day(known: Sequence[int]) -> bool:
    """Whether settlements follow the first one for a day or more: one alone may be all that a broken answer left."""
    for before, time in pairwise(known):
        if funding.too_long(before, time):
            return False
        if time - known[0] >= DAY:
            return True
    return False


def _bare(known: Sequence[int], proven: Collection[Interval], trading: Interval) -> tuple[Interval, ...]:
    """The time that must hold settlements and shows none, with the one after it, whose interval is not known either."""
    found = []
    for live in intersection(proven, [trading]):
        inside = [time for time in known if live.start < time < live.end]
        before = max((time for time in known if time <= live.start), default=live.start)
        after = min((time for time in known if time >= live.end), default=live.end)
        found += [Interval(a, b + MARGIN) for a, b in pairwise([before, *inside, after]) if funding.too_long(a, b)]
    return union(found)


def _doubted(times: Sequence[int], fit: set[int], end: int) -> tuple[Interval, ...]:
    """The time around values that cannot be used, up to the settlement after each: its interval is not known without them."""
    order = sorted({*times})
    following = dict(zip(order, [*order[1:], end], strict=False))
    return union(Interval(time - MARGIN, max(following[time], time) + MARGIN) for time in order if time not in fit)


def settlements(raws: Sequence[RawFunding], received: int, fixed_interval: int | None) -> Sequence[tuple[Any, ...]]:
    """The rows of an unbroken span's settlements, each with the interval to the one before it; what cannot be used breaks it."""
    return funding.rows(raws, received, fixed_interval)[0] if raws else ()


def samples(raws: Sequence[RawOpenInterest], grid: Grid, received: int) -> Harvest:
    """Current open interest of many instruments, as samples: the first in a slot claims it whole."""
    rows, dropped, claims = [], [], []
    for raw in raws:
        try:
            row = open_interest.row(raw, 0, received)
        except Invalid as error:
            dropped.append(f"{raw.instrument.id}: {error}")
            continue
        rows.append(row)
        claims.append(_sample_claim(raw.instrument.id, grid, row[7] // NS, received))
    zeros = sum(1 for row in rows if not any(row[1:4]))
    return Harvest(rows, claims, dropped, suspicious=zeros if zeros < len(rows) else 0)


def predictions(raws: Sequence[RawPrediction], grid: Grid, received: int) -> Harvest:
    """Current funding of many instruments, as samples of the prediction."""
    rows, dropped, claims = [], [], []
    for raw in raws:
        try:
            row = funding_prediction.row(raw, received)
        except Invalid as error:
            dropped.append(f"{raw.instrument.id}: {error}")
            continue
        rows.append(row)
        claims.append(_sample_claim(raw.instrument.id, grid, row[8] // NS, received))
    return Harvest(rows, claims, dropped)


def _sample_claim(instrument: str, grid: Grid, time: int, received: int) -> Claim:
    slot = floor(time, grid.every)
    return Claim(instrument, grid.name, "complete", slot, slot + grid.every, "", received, received).coarse()
