"""What a page of settled rates proves: time between settlements, never a stretch that must hold some and shows none."""

from itertools import pairwise

import pytest

from perptape.collect.grids import funding_grids
from perptape.collect.harvest import funding_page, settlements
from perptape.collect.paginate import request
from perptape.collect.plan import Window
from perptape.errors import Doubtful
from perptape.exchanges.base import PageRule, RawFunding
from perptape.exchanges.registry import traits
from perptape.interval import DAY, HOUR, MINUTE, Interval, total
from support.fake_exchange import perpetual

NOW = 20_000 * DAY
ONE = perpetual(traits("binance"))
GRID = funding_grids(traits("binance"), HOUR, 365 * DAY)[0]
EVER = Interval(NOW - 900 * DAY, 1 << 62)


def harvested(times, span, listed=EVER, before=(), rule=PageRule(1000, "forward")):  # noqa: B008 - a frozen value
    raws = [RawFunding(ONE, time, "0.0001") for time in times]
    earlier = [RawFunding(ONE, time, "0.0001") for time in before]
    return funding_page(Window(ONE.id, "settled", span), request(span, rule, NOW), raws, earlier, GRID, rule, NOW, 0, listed)


def claimed(found):
    return [(c.start, c.end) for c in found.claims]


def every(hours, start, end):
    return range(start, end, hours * HOUR)


MONTH = Interval(NOW - 40 * DAY, NOW - 10 * DAY)


def test_an_unbroken_month_is_complete():
    found = harvested(every(8, MONTH.start, MONTH.end), MONTH)
    assert total(c.span for c in found.claims) == len(MONTH)


def test_one_row_late_in_a_month_proves_only_what_is_near_it():
    found = harvested([MONTH.end - 7 * HOUR], MONTH)
    assert total(c.span for c in found.claims) < DAY


def test_a_hole_of_days_between_two_settlements_is_not_claimed_and_has_no_interval():
    times = [*every(8, MONTH.start, MONTH.start + 5 * DAY), *every(8, MONTH.start + 9 * DAY, MONTH.end)]
    found = harvested(times, MONTH)
    hole = Interval(MONTH.start + 5 * DAY - 8 * HOUR, MONTH.start + 9 * DAY)
    assert not any(c.span.intersection(hole) for c in found.claims)
    assert total(c.span for c in found.claims) > 25 * DAY
    intervals = [row[2] for row in settlements(found.raws, NOW, None)]
    assert intervals.count(None) == 2
    assert max(i for i in intervals if i is not None) == 480


def test_an_empty_page_after_full_ones_proves_no_more_than_a_day():
    rest = Interval(MONTH.start + 20 * DAY, MONTH.end)
    before = list(every(8, MONTH.start, rest.start + 1))
    with pytest.raises(Doubtful):
        harvested([], rest, before=before)


def test_nothing_is_expected_before_the_listing():
    listed = Interval(MONTH.start + 10 * DAY, 1 << 62)
    found = harvested(every(8, listed.start + 8 * HOUR, MONTH.end), MONTH, listed)
    assert total(c.span for c in found.claims) == len(MONTH)


def test_a_contract_listed_two_hours_ago_is_no_failure():
    listed = Interval(NOW - 2 * HOUR, 1 << 62)
    found = harvested([], Interval(NOW - DAY - 2 * HOUR, NOW), listed)
    assert claimed(found)[-1][1] == NOW - GRID.rules.delay


def test_where_the_listing_is_unknown_nothing_is_expected_before_the_first_settlement():
    found = harvested(every(1, MONTH.start + 20 * DAY, MONTH.end), MONTH, Interval(0, 1 << 62))
    assert total(c.span for c in found.claims) == len(MONTH)


async def test_the_interval_at_the_seam_of_two_runs_is_known(world):
    world.venue("binance", ["BTC"])
    await world.once("{funding: {backfill: 3d}}", "BTCUSDT-PERP")
    world.clock.forward(9 * HOUR)
    await world.once("{funding: {backfill: 3d}}", "BTCUSDT-PERP")
    intervals = world.tape.read("funding")["interval"].to_pylist()
    assert set(intervals[1:]) == {480}


async def test_a_settlement_that_is_published_hours_late_is_obtained(world):
    exchange = world.venue("binance", ["BTC"])
    on_time = exchange.published_after
    await world.once("{funding: {backfill: 3d}}", "BTCUSDT-PERP")
    exchange.published_after = 3 * HOUR
    world.clock.forward(5 * HOUR)  # 17:00: the settlement of 16:00 is due and not there
    await world.once("{funding: {backfill: 3d}}", "BTCUSDT-PERP")
    exchange.published_after = on_time
    world.clock.forward(8 * HOUR)
    await world.once("{funding: {backfill: 3d}}", "BTCUSDT-PERP")
    times = world.tape.read("funding")["ts_event"].to_pylist()
    assert {(b - a) // 1_000_000 for a, b in pairwise(times)} == {8 * HOUR}
    assert times[-1] // 1_000_000 > world.clock.ms - 8 * HOUR - 2 * MINUTE
