"""Fills the holes of a stream out of what its venue serves of the past, for as long as it does.

Shell around the pure parts of a fetch: the same windows, pages and doubts. It wants nothing of its own: what streams of its instruments
wanted and missed is its work, whichever spec or command they were of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from perptape.claims import STREAM, Claim, Want
from perptape.collect.backfill import RUN_ESTIMATE, Backfill
from perptape.collect.grids import Grid, page_rule
from perptape.collect.harvest import Harvest
from perptape.collect.ordinals import Ordinals
from perptape.collect.outcome import Outcome
from perptape.collect.pages import Pages
from perptape.collect.paginate import MARGIN, astray, page
from perptape.collect.plan import Window, due, judged, ordered, past
from perptape.collect.targets import former
from perptape.coverage import Coverage
from perptape.damage import REBUILT
from perptape.datasets.base import Invalid
from perptape.datasets.liquidations import Row, key, row
from perptape.errors import Doubtful, StoreError
from perptape.exchanges.base import Feed, PageRule
from perptape.instruments import END_OF_TIME, Instrument
from perptape.interval import NS, Interval, gaps, intersection, union
from perptape.raw import Answer, RawFill
from perptape.standing import DOUBTED, UNUSABLE
from perptape.times import iso

log = structlog.get_logger("perptape")

EVERY_S: Final = 300.0
"""A stream's holes are looked for so often: their last minutes are on their way for three."""


async def looked_after(mend: Callable[[Outcome], Awaitable[None]], venue: str, pause: Callable[[], Awaitable[object]]) -> None:
    """Mends again and again, until it is cancelled; what it came to is in the log."""
    while True:
        await pause()
        found = Outcome(venue, "liquidations")
        try:
            await mend(found)
        except StoreError as error:
            found.error = str(error)
        if found.calls or found.error:
            said = {name: value for name, value in found.fields().items() if name != "state"}
            log.info("holes of a stream looked after", outcome=found.state, **said)


class Mending(Backfill):
    """The holes of one venue's stream."""

    async def mend(self, grid: Grid, coverage: Coverage) -> None:
        """Asks for what is open and may be asked for now, also of lives that ended. Raises Fatal, StoreError and VenueStopped."""
        rule, now = page_rule(self.exchange.traits, grid), await self.exchange.now()
        if rule is None:
            return
        self._damage = coverage.damage
        lists = [past(one.id, grid, self._missed(grid, one, coverage, now), rule) for one in self._by_id.values()]
        await self.work(grid, rule, ordered(lists, grid.rules.floor(now), RUN_ESTIMATE), fresh=0)
        for targets in former(self.targets):
            await replace(self, targets=targets).mend(grid, coverage)

    def _missed(self, grid: Grid, one: Instrument, coverage: Coverage, now: int) -> Sequence[Interval]:
        wants = [want for want in coverage.wants if (want.instrument, want.grid) == (one.id, grid.name)]
        rebuilt = [claim for claim in coverage.of_grid(one.id, grid.name) if claim.cause == REBUILT]  # who wanted it is lost with the rest
        wants += [Want(self.session.spec, "", one.id, grid.name, claim.start, claim.end, claim.end) for claim in rebuilt]
        return due(judged(grid, one.id, coverage, wants, now, one.life), END_OF_TIME if self.session.insists else now)

    async def _answer(self, grid: Grid, rule: PageRule, one: Instrument, window: Window, asked: Interval, pages: Pages) -> Harvest:
        """One answer's worth."""
        feed = self.exchange.traits.feed
        assert feed is not None
        answer = await self._ask(lambda: self.exchange.liquidations_page(one, asked))
        return repaired(window, asked, answer, feed, rule)


def repaired(window: Window, asked: Interval, answer: Answer[RawFill], feed: Feed, rule: PageRule) -> Harvest:
    """What a page of the past is worth: all events of the time that it proves, as the feed would have brought them. Raises Doubtful.

    A page without an entry proves nothing by itself: the time is claimed as asked, and counts once two such answers are a day apart. Of
    one with entries that cannot be understood (they may lie anywhere) no more is claimed than that it was asked, and so of each moment of
    an order that cannot be used: the next look is an hour later.
    A moment that holds more than a page stays open likewise.
    """
    times = [fill.time for fill in answer.rows if fill.time is not None]
    unread = len(answer.dropped) + len(answer.rows) - len(times)
    try:
        shown = page(window.span, asked, times, rule, unread)
    except ValueError as error:
        raise Doubtful(f"{window.instrument}: {error}") from error
    lost = astray(window.instrument, asked, times, MARGIN)
    unread += len(lost)
    over = shown.crowded or shown.proven
    rows, dropped, moments = _rows(answer, over, feed)
    dropped += lost.values()
    dropped += [f"time: the venue gave none: {fill}" for fill in answer.rows if fill.time is None]
    proven, at, name = union([over]), answer.received, window.instrument
    if shown.crowded:
        dropped.append(f"{name}: more at {iso(shown.crowded.start)} than a page holds")
    if not times and not unread:
        claims = [Claim(name, STREAM, "asked", span.start, span.end, "", at, at, cause=DOUBTED) for span in proven]
        return Harvest((), claims, left=shown.left)
    kind, basis = feed.completeness, feed.rule if feed.completeness == "sampled" else "feed"
    spoilt = proven if unread or shown.crowded else intersection(proven, moments)
    claims = [Claim(name, STREAM, kind, span.start, span.end, basis, at, at).coarse() for span in gaps(proven, spoilt)]
    claims += [Claim(name, STREAM, "asked", span.start, span.end, "", at, at, cause=UNUSABLE) for span in spoilt]
    return Harvest(rows, claims, [*answer.dropped, *dropped], shown.left, spoilt=spoilt)


def _rows(answer: Answer[RawFill], proven: Interval, feed: Feed) -> tuple[list[Row], list[str], list[Interval]]:
    """(rows, one line for each order that cannot be one, their moments). Equal ones share their time, so that none is on another page."""
    rows, dropped, moments, ordinals = list[Row](), list[str](), list[Interval](), Ordinals()
    inside = [(fill.time, fill.orders) for fill in answer.rows if fill.time is not None and fill.time in proven]
    for time, order in ((time, order) for time, orders in inside for order in orders):
        try:
            rows.append(row(order, feed.quantity_unit, ordinals.count(key(order)), answer.received * NS))
        except Invalid as error:
            dropped.append(f"{error}: {order}")
            moments.append(Interval(time, time + 1))
    return rows, dropped, moments
