"""What each wanted time stands at: complete, sampled, empty, unproven, pending, open or lost, and why.

Pure: computed from wants, claims and the venue's rules, never stored, so a late segment turns `lost` back. First fill, increments,
catch-up, repair and the list of holes are all this one function. Times are ms on the venue's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from perptape.claims import KINDS, SETTLED, STREAM, Claim, Want, grid_step, reaches
from perptape.damage import DAMAGED, REBUILT, Damage
from perptape.interval import DAY, HOUR, MINUTE, Interval, ceil, floor, gaps, intersection, union

Status = Literal["complete", "sampled", "empty", "unproven", "pending", "open", "lost"]
COVERED: tuple[Status, ...] = ("complete", "sampled", "empty")

PUBLISHED_WITHIN = 10 * MINUTE
"""How long after a slot's end (a settlement) its row is certainly out as it stays, unless a venue is known to be faster."""

STREAM_PENDING = 3 * MINUTE
"""A stream's last minutes are on their way: it rolls once a minute, and claims end a push interval before the last mark."""

CONFIRMED_AFTER = 60 * MINUTE
"""`asked` becomes `empty` only when two answers at least this far apart agree: a venue that says [] for a while must not make holes
permanent. The hour is ours; the design asks for lateness alone."""

REFUSED = "refused"
"""The cause of an `asked` claim of a contract that is delisted: the venue would not, or did not, answer for that time."""

REFUSED_FOR = DAY
"""Time of a delisted contract is lost when the venue refused it twice, this far apart; until then it is asked for once an hour."""

DOUBTED = "doubted"
"""The cause of an `asked` claim that rests on answers without a single row, where the venue must have some."""

UNUSABLE = "unusable"
"""The cause of an `asked` claim of a stream's time of which entries were shown that cannot be used: it stays open."""

DOUBTED_FOR = DAY
"""Doubted time counts as asked when two such answers are this far apart; until then runs go on asking for it. So it is of a stream's past,
where no neighbour that must have an entry shows an honest answer."""

RETENTION_MARGIN = 2 * MINUTE
"""How far inside a venue's retention a start is kept."""

REASONS = (
    "retention", "missed sample", DAMAGED, "process down", "disconnected", "disk full", "log unwritable", "overflow", "unknown",
)  # fmt: skip
"""Why time is lost: a closed list."""


@dataclass(frozen=True, slots=True)
class State:
    """What one span stands at. `not_before`: an open span that was asked already is asked again only then."""

    span: Interval
    status: Status
    reason: str = ""
    not_before: int = 0


@dataclass(frozen=True, slots=True)
class GridRules:
    """How one grid of one venue is judged.

    obtainable: the venue can still be asked for the past (a history, or a stream's repair). retention: how far back, None for
    ever. delay: after a slot's end (a settlement) its row is surely out. every: an `asked` slot is asked again so often, at least hourly.
    settle_every: the present settlement interval (settled only). leaves_out: the venue drops events itself (streams only), so that time
    of which its past shows none is no more than sampled.
    """

    obtainable: bool
    delay: int
    final_after: int
    every: int
    retention: int | None = None
    settle_every: int = 60 * MINUTE
    leaves_out: bool = False

    def floor(self, now: int, step: int = 1) -> int:
        """The oldest time (start of a slot of `step`) that can still be asked for, with a margin: it moves while a call is under way."""
        if not self.obtainable:
            return now
        return 0 if self.retention is None else ceil(max(now - self.retention + RETENTION_MARGIN, 0), step)


def wanted(wants: Iterable[Want], grid: str, horizon: int, now: int) -> tuple[Interval, ...]:
    """The time up to now that these wants of one instrument and grid reach over, on the grid's slots (a sample's slot whole)."""
    step = grid_step(grid)
    spans = []
    for want, reach in reaches(wants, horizon):
        start, end = want.start, min(reach, now)
        if step is not None and grid.startswith("sample/"):  # the slot that now is in is work from its start
            start, end = floor(start, step), min(ceil(reach, step), floor(now, step) + step)
        elif step is not None:
            start, end = ceil(start, step), floor(end, step)
        if start < end:
            spans.append(Interval(start, end))
    return union(spans)


def states(
    spans: Iterable[Interval],
    grid: str,
    claims: Sequence[Claim],
    rules: GridRules,
    now: int,
    *,
    finer: Sequence[Claim] = (),
    damage: Sequence[Damage] = (),
) -> tuple[State, ...]:
    """Every millisecond of `spans` with what it stands at, in order; neighbours of equal standing are one.

    `claims` are those of this instrument and grid; `finer` those of finer period grids, whose complete time satisfies this one.
    """
    left = union(spans)
    found: list[State] = []

    def take(status: Status, over: Iterable[Interval], reason: str = "", not_before: int = 0) -> None:
        nonlocal left
        part = intersection(left, over)
        found.extend(State(span, status, reason, not_before) for span in part)
        left = tuple(gaps(left, part))

    by_kind = {kind: [c for c in claims if c.kind == kind and c.cause != REFUSED] for kind in KINDS}
    refused = [c for c in claims if c.cause == REFUSED]
    complete = union([c.span for c in by_kind["complete"]] + list(_whole_slots(finer, grid)))
    take("complete", complete)
    take("sampled", (c.span for c in by_kind["sampled"]))
    oldest = min((span.start for span in complete), default=0)
    final = list(_final(by_kind["asked"], grid, rules.final_after))
    take("empty", intersection(final, [Interval(oldest, max(now, oldest))]))
    if grid == SETTLED:
        take("empty", _untraded(by_kind["asked"], complete, rules.final_after))
    if grid == STREAM:
        shown = [c.span for c in by_kind["asked"] if c.cause == UNUSABLE]
        silent = (c.span for c in by_kind["asked"] if c.cause != UNUSABLE and c.asked_last - c.asked_first >= DOUBTED_FOR)
        take("sampled" if rules.leaves_out else "empty", gaps(silent, shown))
    take("unproven", _unproven(by_kind["live"], rules, now) if grid == STREAM else (c.span for c in by_kind["live"]))
    take("pending", [_pending(grid, claims, rules, now)])
    if grid == STREAM or not rules.obtainable:
        _lose(take, grid, by_kind["hole"], damage, now, rules)
    else:
        take("lost", final, "retention")
        take("lost", [Interval(0, rules.floor(now, grid_step(grid) or 1))], "retention")
    take("lost", (c.span for c in refused if c.asked_last - c.asked_first >= REFUSED_FOR), "retention")
    for claim in sorted((*by_kind["asked"], *refused), key=lambda c: -c.asked_last):  # the last answer says when to ask again
        take("open", [claim.span], "", claim.asked_last + CONFIRMED_AFTER if grid == STREAM else _asked_again(claim, rules, oldest))
    take("open", left)
    return _merged(found)


def _unproven(live: Sequence[Claim], rules: GridRules, now: int) -> tuple[Interval, ...]:
    """Of a stream's time of which nothing but its rows is left, what the venue still serves is open, not unproven."""
    return union(Interval(c.start, c.end if c.cause != REBUILT else max(c.start, min(c.end, rules.floor(now)))) for c in live)


def _lose(take: Callable[..., None], grid: str, holes: Sequence[Claim], damage: Sequence[Damage], now: int, rules: GridRules) -> None:
    if (reachable := rules.floor(now)) < now:  # a stream with repair: younger holes are still open
        for hole in holes:
            take("lost", [Interval(min(hole.start, reachable), min(hole.end, reachable))], hole.cause)
        take("lost", [Interval(0, max(reachable, 0))], "unknown")
        return
    sampled = grid.startswith("sample/")
    ended = floor(now, grid_step(grid) or 1) if sampled else now  # a slot under way can still be sampled
    take("lost", intersection((record.over(grid) for record in damage), [Interval(0, ended)]), DAMAGED)
    for hole in holes:
        take("lost", intersection([hole.span], [Interval(0, ended)]) if sampled else [hole.span], hole.cause or "unknown")
    take("lost", [Interval(0, ended)], "missed sample" if sampled else "unknown")


def _asked_again(claim: Claim, rules: GridRules, oldest: int) -> int:
    """From when on. What is doubted: at once; but once an hour from the second time on, where it is older than every row."""
    if claim.cause == REFUSED:
        return claim.asked_last + max(rules.every, HOUR)
    if claim.cause != DOUBTED:
        return claim.asked_last + min(rules.every, CONFIRMED_AFTER)
    return claim.asked_last + CONFIRMED_AFTER if claim.end <= oldest and claim.asked_first < claim.asked_last else 0


def _final(asked: Sequence[Claim], grid: str, final_after: int) -> Iterator[Interval]:
    """The slots that were asked so long after their end that no row will come any more, and asked twice."""
    step = grid_step(grid)
    if step is None:
        return
    for claim in asked:
        if claim.asked_last - claim.asked_first < (DOUBTED_FOR if claim.cause == DOUBTED else CONFIRMED_AFTER):
            continue
        end = min(claim.end, floor(max(claim.asked_last - final_after, 0), step))
        if claim.start < end:
            yield Interval(claim.start, end)


def _untraded(asked: Sequence[Claim], complete: Sequence[Interval], final_after: int) -> Iterator[Interval]:
    """The time before a contract's first settlement: asked twice, late, and leading up to a day of them, which shows an honest venue."""
    for span in union(claim.span for claim in asked):
        if any(after.start <= span.end and after.end >= span.end + DAY for after in complete):
            for claim in asked:
                end = min(claim.end, claim.asked_last - final_after)
                if claim.start in span and claim.start < end and claim.asked_last - claim.asked_first >= CONFIRMED_AFTER:
                    yield Interval(claim.start, end)


def _pending(grid: str, claims: Sequence[Claim], rules: GridRules, now: int) -> Interval:
    """The time at the edge that nobody can have yet: no work, no gap."""
    step = grid_step(grid)
    if grid == STREAM:
        return Interval(now - STREAM_PENDING, now)
    if grid == SETTLED:
        known = max((c.end for c in claims if c.kind == "complete"), default=0)
        looked = max((c.end for c in claims if c.kind == "asked" and now < c.asked_last + rules.every), default=0)
        if looked > known:  # nothing was settled yet: the edge is looked at again with what is before it
            return Interval(looked, max(now, looked))
        due = ceil(known, rules.settle_every) + rules.delay <= now
        return Interval(max(now - rules.delay, 0), now) if due else Interval(known, max(now, known))
    if step is None or grid.startswith("sample/"):
        return Interval(now, now)
    edge = floor(now - rules.delay, step)
    return Interval(edge, max(now, edge))


def _whole_slots(finer: Sequence[Claim], grid: str) -> Iterator[Interval]:
    step = grid_step(grid)
    if step is None:
        return
    for span in union(c.span for c in finer if c.kind == "complete"):
        start, end = ceil(span.start, step), floor(span.end, step)
        if start < end:
            yield Interval(start, end)


def _merged(found: Iterable[State]) -> tuple[State, ...]:
    out: list[State] = []
    for state in sorted(found, key=lambda s: s.span):
        last = out[-1] if out else None
        if last and last.span.end == state.span.start and replace(last, span=state.span) == state:
            out[-1] = replace(state, span=Interval(last.span.start, state.span.end))
        else:
            out.append(state)
    return tuple(out)


def watermark(found: Sequence[State]) -> int | None:
    """The end of the newest run without an open or lost gap (unproven passes, pending does not count); None where nothing is covered."""
    good = union(s.span for s in found if s.status in (*COVERED, "unproven"))
    return good[-1].end if good else None
