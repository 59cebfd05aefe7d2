"""What an answer proves when it is not the one that was asked for, or not all of it can be understood: less, never more."""

import pytest

from perptape.claims import SETTLED, Claim, join
from perptape.collect.grids import Grid
from perptape.collect.harvest import funding_page, history_page, settlements
from perptape.collect.paginate import MARGIN, page
from perptape.collect.plan import Window
from perptape.collect.report import of_coverage
from perptape.coverage import Coverage
from perptape.damage import Damage, repaired
from perptape.errors import Doubtful
from perptape.exchanges.base import PageRule
from perptape.exchanges.registry import traits
from perptape.interval import DAY, HOUR, MINUTE, NS, Interval
from perptape.raw import RawFunding, RawOpenInterest
from perptape.standing import GridRules
from support.fake_exchange import perpetual

FIVE = 5 * MINUTE
ONE = perpetual(traits("binance"))
GRID = Grid("open_interest", "5m", FIVE, GridRules(True, 10 * MINUTE, DAY, FIVE), FIVE)
FUNDING = Grid("funding", SETTLED, HOUR, GridRules(True, 10 * MINUTE, DAY, HOUR))
SPAN = Interval(20_000 * DAY, 20_000 * DAY + HOUR)
ASKED = Interval(SPAN.start - MARGIN, SPAN.end + MARGIN)
LATER = SPAN.end + 3 * DAY


def buckets(*times):
    return [RawOpenInterest(ONE, time, base="7") for time in times]


def history(raws, order="forward", limit=500, unread=0):
    return history_page(Window(ONE.id, "5m", SPAN), ASKED, raws, GRID, PageRule(limit, order), LATER, unread)


@pytest.mark.parametrize("order", ["forward", "backward"])
def test_a_venue_that_ignores_where_to_start_proves_nothing_even_of_the_rows_that_were_asked_for(order):
    newest = range(SPAN.start + 30 * MINUTE, SPAN.start + DAY, FIVE)
    with pytest.raises(Doubtful, match="answered another"):
        history(buckets(*newest), order)


@pytest.mark.parametrize("order", ["forward", "backward"])
def test_a_venue_that_answers_an_older_window_proves_nothing(order):
    with pytest.raises(Doubtful, match="answered another"):
        history(buckets(*range(SPAN.start - HOUR, SPAN.start + 30 * MINUTE, FIVE)), order)


@pytest.mark.parametrize("order", ["forward", "backward"])
def test_a_neighbour_on_either_side_is_a_venue_that_rounds_to_its_buckets(order):
    got = history(buckets(*range(SPAN.start - FIVE, SPAN.end + FIVE, FIVE)), order)
    assert [row[7] // NS for row in got.rows] == list(range(SPAN.start, SPAN.end, FIVE))
    assert [(claim.kind, claim.start, claim.end) for claim in got.claims] == [("complete", SPAN.start, SPAN.end)]


@pytest.mark.parametrize(("order", "proven"), [("forward", (0, 41)), ("backward", (10, 60))])
def test_a_page_is_full_by_all_its_rows_those_that_cannot_be_read_too(order, proven):
    times = [SPAN.start + minute * MINUTE for minute in (10, 20, 40)]
    full, not_full = page(SPAN, ASKED, times, PageRule(4, order), unread=1), page(SPAN, ASKED, times, PageRule(4, order))
    assert not_full.proven == SPAN
    assert not_full.left is None
    assert (full.proven.start - SPAN.start) // MINUTE == proven[0]
    assert (full.proven.end - SPAN.start - 1) // MINUTE + 1 == proven[1]
    assert full.left is not None


def test_where_a_row_cannot_be_read_no_slot_is_said_to_be_without_one():
    times = [time for time in range(SPAN.start, SPAN.end, FIVE) if time != SPAN.start + 3 * FIVE]
    whole = history(buckets(*times))
    assert {claim.kind for claim in whole.claims} == {"complete", "asked"}
    for doubtful in (history(buckets(*times), unread=1), history([*buckets(*times), RawOpenInterest(ONE, None, base="7")])):
        assert {claim.kind for claim in doubtful.claims} == {"complete"}
        assert len(doubtful.rows) == len(times)


def test_a_page_of_rows_without_a_time_is_doubted():
    with pytest.raises(Doubtful, match="without a time"):
        history([RawOpenInterest(ONE, None, base="7")] * 4, limit=4)


def rates(*pairs):
    return [RawFunding(ONE, SPAN.start + hours * HOUR, rate) for hours, rate in pairs]


def funding(raws, unread=0):
    window = Interval(SPAN.start - DAY, SPAN.start + DAY)
    asked = Interval(window.start - MARGIN, window.end + MARGIN)
    return funding_page(Window(ONE.id, SETTLED, window), asked, raws, (), FUNDING, PageRule(1000, "forward"), LATER, unread)


def test_a_rate_that_cannot_be_used_leaves_the_next_interval_unknown_and_both_to_be_asked_again():
    got = funding(rates((-8, "0.0001"), (0, "NaN"), (8, "0.0003"), (16, "0.0004")))
    rows = settlements(got.raws, LATER, None)
    assert [(row[1], row[2]) for row in rows] == [("0.0001", None), ("0.0003", None), ("0.0004", 480)]
    assert len(got.dropped) == 1
    first, second = got.claims
    assert first.end == SPAN.start - MARGIN
    assert second.start == SPAN.start + 8 * HOUR + MARGIN


def test_settlements_that_cannot_be_read_leave_the_whole_page_unclaimed_and_its_rows_are_kept():
    got = funding(rates((-8, "0.0001"), (8, "0.0003")), unread=1)
    assert got.claims == []
    assert len(settlements(got.raws, LATER, None)) == 2


def test_settlements_beyond_the_window_asked_are_left_out():
    got = funding(rates((-26, "0.0009"), (-8, "0.0001"), (0, "0.0002"), (8, "0.0003"), (16, "0.0003"), (26, "0.0009")))
    assert [row[1] for row in settlements(got.raws, LATER, None)] == ["0.0001", "0.0002", "0.0003", "0.0003"]


def claim(asked):
    return Claim(ONE.id, "5m", "complete", SPAN.start, SPAN.end, "", asked, asked).coarse()


def test_what_was_asked_for_again_after_damage_is_believed_the_same_day_in_whatever_order_it_is_joined():
    damage = Damage(ONE.id, SPAN.start, SPAN.end, LATER + 2 * HOUR)
    before = claim(LATER + HOUR)
    (after,) = repaired([claim(LATER + 3 * HOUR)], [damage])
    assert Coverage.of([before], damage=[damage]).claims == ()
    for order in ([before, after], [after, before], join([after, before])):
        assert [one.span for one in Coverage.of(order, damage=[damage]).claims] == [SPAN]
    again = Damage(ONE.id, SPAN.start, SPAN.end, LATER + 4 * HOUR)
    assert Coverage.of([before, after], damage=[damage, again]).claims == ()
    assert list(repaired([before], [Damage("OTHER", SPAN.start, SPAN.end, LATER)])) == [before]


def test_what_is_kept_is_shown_though_nobody_wants_it():
    (standing,) = of_coverage("binance", "open_interest", Coverage.of([claim(LATER)], trusted=False), (), LATER)
    assert (standing.length("complete"), standing.length("open", "lost"), standing.trusted) == (HOUR, 0, False)
