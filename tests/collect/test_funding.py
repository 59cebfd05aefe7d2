"""What a page of settled rates proves: time between settlements, never a stretch that must hold some and shows none."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.collect.grids import funding_grids
from perptape.collect.harvest import NEVER, funding_page, settlements
from perptape.collect.paginate import request
from perptape.collect.plan import OVERLAP, Window, windows
from perptape.collect.report import standings
from perptape.errors import Doubtful, Skip
from perptape.exchanges.base import PageRule
from perptape.exchanges.registry import traits
from perptape.interval import DAY, HOUR, MINUTE, Interval, gaps, total, union
from perptape.raw import RawFunding
from support.fake_exchange import perpetual

NOW = 20_000 * DAY
ONE = perpetual(traits("binance"))
GRID = funding_grids(traits("binance"), HOUR, 365 * DAY)[0]
EVER = Interval(NOW - 900 * DAY, 1 << 62)


def harvested(times, span, listed=EVER, before=(), rule=PageRule(1000, "forward"), seen=NEVER):  # noqa: B008 - a frozen value
    raws = [RawFunding(ONE, time, "0.0001") for time in times]
    earlier = [RawFunding(ONE, time, "0.0001") for time in before]
    return funding_page(Window(ONE.id, "settled", span), request(span, rule, NOW), raws, earlier, GRID, rule, NOW, 0, listed, seen)


def claimed(found, kind="complete"):
    return [(c.start, c.end) for c in found.claims if c.kind == kind]


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
    assert claimed(found, "asked") == [(listed.start, NOW - GRID.rules.delay)]


@pytest.mark.parametrize(("minutes", "believed"), [(30, True), (90, False)])
def test_no_settlement_of_a_contract_of_today_proves_nothing_once_one_could_have_come(minutes, believed):
    """A venue that says [] for a while must not make an empty hour complete; found by the campaign."""
    listed = Interval(NOW - minutes * MINUTE - 5 * MINUTE, 1 << 62)
    span = Interval(listed.start, listed.start + minutes * MINUTE)
    assert bool(claimed(harvested([], span, listed))) == believed


def test_where_the_listing_is_unknown_nothing_is_expected_before_the_first_settlement():
    found = harvested(every(1, MONTH.start + 20 * DAY, MONTH.end), MONTH, Interval(0, 1 << 62))
    assert total(c.span for c in found.claims) == len(MONTH)


@pytest.mark.parametrize("away", [9 * HOUR, 3 * DAY])
async def test_the_interval_at_the_seam_of_two_runs_is_known(world, away):
    world.venue("binance", ["BTC"])
    await world.once("{funding: {backfill: 3d}}", "BTCUSDT-PERP")
    world.clock.forward(away)
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


NOBODY_KNOWS = Interval(0, 1 << 62)


def test_one_settlement_does_not_stand_for_an_unknown_listing():
    found = harvested([MONTH.end - HOUR], MONTH, NOBODY_KNOWS)
    assert claimed(found) == [(MONTH.end - HOUR + MINUTE, MONTH.end)]
    assert len(found.raws) == 1


def test_a_contract_of_unknown_listing_whose_first_settlement_has_just_come_is_no_failure():
    assert claimed(harvested([MONTH.end - 20_000], MONTH, NOBODY_KNOWS)) == []


def test_days_without_a_settlement_after_the_first_are_doubted_though_the_listing_is_unknown():
    with pytest.raises(Doubtful):
        harvested([MONTH.start + DAY], MONTH, NOBODY_KNOWS)


@pytest.mark.parametrize(("hours", "stands"), [(23, False), (24, True)])
def test_the_first_settlement_stands_for_an_unknown_listing_once_a_day_of_them_follows(hours, stands):
    times = range(MONTH.end - HOUR - hours * HOUR, MONTH.end, HOUR)
    assert (claimed(harvested(times, MONTH, NOBODY_KNOWS)) == [(MONTH.start, MONTH.end)]) is stands


def test_where_the_store_knows_earlier_settlements_the_first_of_an_answer_stands_for_no_listing():
    times = every(1, MONTH.start + 8 * DAY, MONTH.end)
    found = harvested(times, MONTH, NOBODY_KNOWS, seen=MONTH.start + DAY)
    assert claimed(found) == [(MONTH.start + 8 * DAY + MINUTE, MONTH.end)]


@given(st.sampled_from([1, 4, 8]), st.sets(st.integers(0, 89)), st.booleans())
def test_whatever_an_answer_leaves_out_no_stretch_of_more_than_a_day_is_claimed_without_its_settlements(hours, kept, known):
    """`kept`: which thirds of a day the venue answers, out of thirty days of settlements; nobody need know when it was listed."""
    truth = list(every(hours, MONTH.start, MONTH.end))
    told = [time for time in truth if (time - MONTH.start) // (8 * HOUR) in kept]
    try:
        found = harvested(told, MONTH, EVER if known else NOBODY_KNOWS)
    except Doubtful:
        assert max(b - a for a, b in pairwise([MONTH.start, *told, MONTH.end])) > DAY
        return
    complete = union(Interval(*span) for span in claimed(found))
    after_a_day = next((b for a, b in pairwise(told) if b - told[0] >= DAY), None) if told else None
    believed = not known and after_a_day is not None and all(b - a <= DAY for a, b in pairwise(t for t in told if t <= after_a_day))
    walls = [*([] if believed else [MONTH.start]), *told, MONTH.end]
    for start, end in pairwise(walls):
        if end - start > DAY:
            assert not any(Interval(start + MINUTE, end).intersection(span) for span in complete)
    assert not claimed(found, "asked")


@given(st.sampled_from([1, 4, 8]), st.integers(0, 27), st.integers(0, 20), st.booleans())
def test_an_honest_answer_leaves_nothing_open_once_a_contract_trades(hours, listed_after, untraded, known):
    listed = MONTH.start + listed_after * DAY
    first = listed + untraded * DAY + hours * HOUR
    truth = [time for time in every(hours, MONTH.start, MONTH.end) if time >= first]
    lifetime = Interval(listed, 1 << 62) if known else NOBODY_KNOWS
    if not known and not truth:
        with pytest.raises(Doubtful):
            harvested(truth, MONTH, lifetime)
        return
    found = harvested(truth, MONTH, lifetime)
    complete, asked = (union(Interval(*span) for span in claimed(found, kind)) for kind in ("complete", "asked"))
    left = list(gaps([Interval(max(listed, MONTH.start), MONTH.end)], [*complete, *asked]))
    if known or (truth and truth[-1] - truth[0] >= DAY):
        assert left == []
    quiet = Interval(listed, min(first, MONTH.end))
    assert asked == ((quiet,) if known and len(quiet) > DAY else ())


@given(st.sets(st.integers(0, 400), min_size=1, max_size=9), st.integers(0, 500), st.booleans())
def test_no_window_of_settlements_begins_before_the_listing_and_all_open_time_is_asked(days, listed_ago, edge):
    listed = NOW - listed_ago * DAY
    spans = [Interval(NOW - (d + 1) * DAY, NOW - d * DAY) for d in days]
    spans += [Interval(NOW - HOUR, NOW - GRID.rules.delay)] if edge else []
    open_time = union(both for span in spans if (both := span.intersection(Interval(listed, NOW))))
    cut = windows(ONE.id, GRID, open_time, PageRule(1000, "forward"), NOW, listed)
    assert all(listed <= window.span.start for window in cut)
    assert not list(gaps(open_time, [window.span for window in cut]))
    assert all(any(w.span.start <= max(span.start - OVERLAP, listed) for w in cut) for span in open_time)


def test_at_the_edge_settlements_are_asked_for_again_as_far_back_as_they_may_still_come():
    late = replace(GRID, rules=replace(GRID.rules, final_after=3 * DAY))
    (window,) = windows(ONE.id, late, [Interval(NOW - HOUR, NOW - GRID.rules.delay)], PageRule(1000, "forward"), NOW)
    assert window.span == Interval(NOW - 3 * DAY, NOW)


def standing(world):
    (one,) = standings(world.tape, world.clock.ms, ["binance"], ["funding"])
    return one


@pytest.mark.slow
async def test_a_contract_that_is_listed_long_before_it_trades_is_empty_up_to_its_first_settlement_in_the_end(world):
    listed, trading = world.clock.ms - 5 * DAY, world.clock.ms + 3 * DAY
    world.venue("binance", ["BTC"], listed=listed, holes=lambda one, time: time < trading)
    only = "{funding: {backfill: 30d}}"
    for pause in (*[30 * MINUTE] * 4, *[7 * HOUR] * 10):
        summary = await world.once(only, "BTCUSDT-PERP")
        assert summary.exit_code == 0, summary.lines()
        assert standing(world).length("empty", "complete") == 0
        assert len([call for call in world.data_calls("binance") if call[0] == "funding_page"]) <= 1
        world.clock.forward(pause)
    first = -(-trading // (8 * HOUR)) * 8 * HOUR
    world.clock.forward(first + 20 * MINUTE - world.clock.ms)
    for _ in range(2):
        assert (await world.once(only, "BTCUSDT-PERP")).exit_code == 0
        assert standing(world).length("empty") == 0
        world.clock.forward(13 * HOUR)
    assert (await world.once(only, "BTCUSDT-PERP")).exit_code == 0
    found = standing(world)
    assert (found.length("empty"), found.length("open", "lost")) == (first - listed, 0)
    assert found.length("complete") > DAY
    world.clock.forward(30 * MINUTE)
    await world.once(only, "BTCUSDT-PERP")
    assert not [call for call in world.data_calls("binance") if call[0] == "funding_page"]


async def test_a_venue_that_answers_nothing_of_a_young_contract_for_hours_hides_no_settlement(world):
    exchange = world.venue("binance", ["BTC"], listed=world.clock.ms - 20 * DAY)
    truth, exchange.settlements = exchange.settlements, lambda one, window: []
    for _ in range(5):
        await world.once("{funding: {backfill: 30d}}", "BTCUSDT-PERP")
        world.clock.forward(7 * HOUR)
    exchange.settlements = truth
    await world.once("{funding: {backfill: 30d}}", "BTCUSDT-PERP")
    assert standing(world).length("open", "lost", "empty") == 0
    times = world.tape.read("funding")["ts_event"].to_pylist()
    assert {(b - a) // 1_000_000 for a, b in pairwise(times)} == {8 * HOUR}
    assert len(times) >= 63


async def test_an_answer_that_is_doubted_is_asked_for_again_in_the_same_run(world):
    exchange = world.venue("binance", ["BTC"])
    truth, silent = exchange.settlements, [True, True]
    exchange.settlements = lambda one, window: [] if silent and silent.pop() else truth(one, window)
    summary = await world.once("{funding: {backfill: 9d}}", "BTCUSDT-PERP")
    assert summary.exit_code == 0, summary.lines()
    assert not silent
    assert standing(world).length("open", "lost") == 0


async def test_a_venue_of_unknown_listings_that_leaves_out_days_after_what_is_known_is_not_believed(world):
    exchange = world.venue("hyperliquid", ["BTC"])
    only = "{funding: {backfill: 3d}}"
    await world.once(only, "BTCUSDT-PERP")
    world.clock.forward(10 * DAY)
    truth, since = exchange.settlements, world.clock.ms - 2 * DAY
    exchange.settlements = lambda one, window: [time for time in truth(one, window) if time > since]
    await world.once(only, "BTCUSDT-PERP")
    (found,) = standings(world.tape, world.clock.ms, ["hyperliquid"], ["funding"])
    assert found.length("open") > 7 * DAY
    exchange.settlements = truth
    await world.once(only, "BTCUSDT-PERP")
    (found,) = standings(world.tape, world.clock.ms, ["hyperliquid"], ["funding"])
    assert found.length("open", "lost") == 0


async def test_pages_that_were_obtained_before_a_window_failed_are_kept(world):
    exchange = world.venue("bybit", ["BTC"])
    truth, old = exchange.settlements, world.clock.ms - 60 * DAY

    def gone(one, window):
        found = truth(one, window)
        if window.end < old:
            raise Skip("no longer")
        return found

    exchange.settlements = gone
    summary = await world.once("{funding: {backfill: 120d}}", "BTCUSDT-PERP")
    assert any("no longer" in line for line in summary.outcomes[0].skipped)
    assert world.tape.read("funding").num_rows >= 190
    (found,) = standings(world.tape, world.clock.ms, ["bybit"], ["funding"])
    assert found.length("complete") > 60 * DAY
