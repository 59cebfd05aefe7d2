"""Fills the holes of a stream out of what its venue serves of the past, for as long as it does.

Shell around the pure parts of a fetch: the same windows, pages and doubts. It wants nothing of its own: what the stream wanted and
missed is its work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from perptape.claims import STREAM, Claim
from perptape.collect.backfill import RUN_ESTIMATE, Backfill
from perptape.collect.grids import Grid, page_rule
from perptape.collect.harvest import Harvest
from perptape.collect.ordinals import Ordinals
from perptape.collect.outcome import Outcome
from perptape.collect.pages import Pages
from perptape.collect.paginate import page
from perptape.collect.plan import Window, due, judged, ordered, past
from perptape.coverage import Coverage
from perptape.datasets.base import Invalid
from perptape.datasets.liquidations import Row, key, row
from perptape.errors import Doubtful, StoreError
from perptape.exchanges.base import Feed, PageRule
from perptape.instruments import END_OF_TIME, Instrument
from perptape.interval import NS, Interval, union
from perptape.raw import Answer, RawFill
from perptape.standing import DOUBTED

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
        """Asks for what is open and may be asked for now. Raises Fatal, StoreError and VenueStopped."""
        rule, now = page_rule(self.exchange.traits, grid), await self.exchange.now()
        if rule is None:
            return
        self._damage = coverage.damage
        lists = [past(one.id, grid, self._missed(grid, one, coverage, now), rule) for one in self._by_id.values()]
        await self.work(grid, rule, ordered(lists, grid.rules.floor(now), RUN_ESTIMATE), fresh=0)

    def _missed(self, grid: Grid, one: Instrument, coverage: Coverage, now: int) -> Sequence[Interval]:
        wants = [want for want in coverage.wants if (want.spec, want.instrument, want.grid) == (self.session.spec, one.id, grid.name)]
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
    one with entries that cannot be understood nothing is claimed.
    """
    times = [fill.time for fill in answer.rows if fill.time is not None]
    unread = len(answer.dropped) + len(answer.rows) - len(times)
    try:
        shown = page(window.span, asked, times, rule, unread)
    except ValueError as error:
        raise Doubtful(f"{window.instrument}: {error}") from error
    rows, dropped = _rows(answer, shown.proven, feed)
    at, (start, end), name = answer.received, (shown.proven.start, shown.proven.end), window.instrument
    if not times:
        claim = Claim(name, STREAM, "asked", start, end, "", at, at, cause=DOUBTED)
    else:
        sampled = feed.completeness == "sampled"
        claim = Claim(name, STREAM, feed.completeness, start, end, feed.rule if sampled else "feed", at, at).coarse()
    sure = not (unread or dropped) and start < end
    spoilt = () if sure else union([shown.proven])
    return Harvest(rows, [claim] if sure else (), [*answer.dropped, *dropped], shown.left, spoilt=spoilt)


def _rows(answer: Answer[RawFill], proven: Interval, feed: Feed) -> tuple[list[Row], list[str]]:
    """(rows, one line for each order that cannot be one). Equal ones share their time, so that none is on another page."""
    rows, dropped, ordinals = list[Row](), list[str](), Ordinals()
    for order in (order for fill in answer.rows if fill.time is not None and fill.time in proven for order in fill.orders):
        try:
            rows.append(row(order, feed.quantity_unit, ordinals.count(key(order)), answer.received * NS))
        except Invalid as error:
            dropped.append(f"{error}: {order}")
    return rows, dropped
