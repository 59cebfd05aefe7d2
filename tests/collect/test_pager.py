"""The pager and the plan against venues that page forward and backward: all is obtained, nothing is claimed that is not there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perptape.claims import Claim, join
from perptape.collect.grids import Grid
from perptape.collect.harvest import history_page
from perptape.collect.paginate import page, request
from perptape.collect.plan import Window, ordered, windows
from perptape.errors import Retry
from perptape.exchanges.base import PageRule
from perptape.exchanges.registry import traits
from perptape.interval import DAY, MINUTE, Interval, floor, slots, union
from perptape.raw import RawOpenInterest
from perptape.standing import DOUBTED, GridRules
from support.fake_exchange import perpetual

FIVE = 5 * MINUTE
NOW = 20_000 * DAY + 7 * MINUTE
ONE = perpetual(traits("binance"))
GRID = Grid("open_interest", "5m", FIVE, GridRules(True, 10 * MINUTE, DAY, FIVE), FIVE)


def answer(times, asked, rule):
    """What a venue with these rows says: at most `limit`, the oldest (forward) or the newest (backward) of what was asked."""
    inside = [t for t in times if t in asked]
    return inside[: rule.limit] if rule.order == "forward" else inside[-rule.limit :]


@given(
    st.sets(st.integers(0, 400), max_size=200),
    st.sampled_from(["forward", "backward"]),
    st.integers(2, 40),
    st.integers(0, 200),
    st.integers(1, 200),
    st.one_of(st.none(), st.integers(20, 300)),
)
@settings(max_examples=300)
def test_paging_a_window_obtains_every_row_and_proves_no_more(minutes, order, limit, start, length, span):
    rule = PageRule(limit, order, None if span is None else span * MINUTE)
    times = sorted(m * MINUTE for m in minutes)
    left = Interval(start * MINUTE, (start + length) * MINUTE)
    window, got, proven = left, set(), []
    for _ in range(500):
        asked = request(left, rule, NOW)
        assert rule.span is None or len(asked) <= rule.span
        rows = answer(times, asked, rule)
        shown = page(left, asked, rows, rule)
        got |= set(rows)
        assert {t for t in times if t in shown.proven} <= got
        proven.append(shown.proven)
        if shown.left is None:
            break
        assert len(shown.left) < len(left)
        left = shown.left
    assert union(proven) == (window,)
    assert {t for t in times if t in window} <= got


def test_an_answer_of_rows_that_were_not_asked_for_proves_nothing():
    asked = Interval(0, 10 * MINUTE)
    with pytest.raises(ValueError, match="none of them in the window asked"):
        page(asked, asked, [20 * MINUTE, 21 * MINUTE], PageRule(2, "backward"))


@given(st.sets(st.integers(0, 300), min_size=1, max_size=60), st.integers(3, 50))
def test_windows_hold_a_page_each_and_cover_all_open_time(numbers, limit):
    base = floor(NOW - 2 * DAY, FIVE)
    open_time = union(Interval(base + n * FIVE, base + (n + 1) * FIVE) for n in numbers)
    cut = windows("A", GRID, open_time, PageRule(limit, "backward"), NOW)
    assert all(len(w.span) <= (limit - 1) * FIVE for w in cut)
    covered = union(w.span for w in cut)
    assert all(any(slot in w.span for w in cut) for span in open_time for slot in slots(span, FIVE))
    assert [w.span.end for w in cut] == sorted((w.span.end for w in cut), reverse=True)
    assert sum(len(s) for s in covered) == sum(len(w.span) for w in cut)


def test_a_long_gap_takes_the_fewest_calls():
    open_time = (Interval(floor(NOW - 30 * DAY, FIVE), floor(NOW - 10 * MINUTE, FIVE)),)
    assert len(windows("A", GRID, open_time, PageRule(500, "backward"), NOW)) == 18


def test_the_newest_of_every_instrument_comes_first_then_what_expires_then_the_newest():
    def some(one, *ends):
        return [Window(one, "5m", Interval((e - 1) * DAY, e * DAY)) for e in ends]

    plan = ordered([some("A", 9, 8, 2), some("B", 9, 7, 1)], retention_floor=0, run_estimate=DAY + 1)
    assert [(w.instrument, w.span.end // DAY) for w in plan] == [("A", 9), ("B", 9), ("B", 1), ("A", 2), ("A", 8), ("B", 7)]


def harvested(raws, window, received=NOW, limit=500):
    rule = PageRule(limit, "backward")
    return history_page(Window(ONE.id, "5m", window), request(window, rule, received), raws, GRID, rule, received)


@pytest.mark.parametrize("order", ["forward", "backward"])
@pytest.mark.parametrize("off", [-31, 31, 586])
def test_rows_that_are_stamped_off_their_slot_are_obtained_at_both_ends_of_a_window(off, order):
    start, rule = floor(NOW - DAY, FIVE), PageRule(500, order)
    window = Interval(start, start + 6 * FIVE)
    asked = request(window, rule, NOW)
    times = answer([start + k * FIVE + off for k in range(-3, 9)], asked, rule)
    found = history_page(Window(ONE.id, "5m", window), asked, [raw(t) for t in times], GRID, rule, NOW)
    assert [(c.kind, c.start, c.end) for c in found.claims] == [("complete", window.start, window.end)]
    assert len(found.rows) == 6


def raw(time, base="1"):
    return RawOpenInterest(ONE, time, base=base)


def test_slots_with_a_row_are_complete_and_the_others_asked():
    start = floor(NOW - DAY, FIVE)
    window = Interval(start, start + 4 * FIVE)
    found = harvested([raw(start), raw(start + 2 * FIVE + 30)], window)
    kinds = [(c.kind, (c.start - start) // FIVE, (c.end - start) // FIVE) for c in sorted(join(found.claims), key=lambda c: c.start)]
    assert kinds == [("complete", 0, 1), ("asked", 1, 2), ("complete", 2, 3), ("asked", 3, 4)]


@pytest.mark.parametrize("bad", ["NaN", "-3", None, "junk", "Infinity"])
def test_a_value_that_is_dropped_is_not_claimed(bad):
    start = floor(NOW - DAY, FIVE)
    found = harvested([raw(start), raw(start + FIVE, bad)], Interval(start, start + 2 * FIVE))
    assert [c.end for c in found.claims] == [start + FIVE]
    assert len(found.rows) == 1
    assert len(found.dropped) == 1


def test_the_newest_rows_are_stored_but_not_claimed_before_they_are_due():
    edge = floor(NOW, FIVE)
    found = harvested([raw(edge - k * FIVE) for k in range(6)], Interval(edge - 6 * FIVE, NOW))
    assert max(c.end for c in found.claims) <= NOW - 10 * MINUTE
    assert max(r[7] for r in found.rows) == edge * 1_000_000


def test_an_answer_without_a_row_is_doubted_unless_nothing_is_due():
    start = floor(NOW - DAY, FIVE)
    found = harvested([], Interval(start, start + 4 * FIVE))
    assert "no row from" in found.doubt
    assert [(c.kind, c.cause, c.start, c.end) for c in found.claims] == [("asked", DOUBTED, start, start + 4 * FIVE)]
    edge = harvested([], Interval(floor(NOW - 10 * MINUTE, FIVE), NOW))
    assert (edge.doubt, edge.claims) == ("", ())


@pytest.mark.parametrize(("known", "beside"), [([-9, 0, 4], -1), ([-1, 0, 7], -1), ([4, 6], 4), ([-3, -2, 9, 11], 9), ([], None)])
def test_a_window_is_asked_for_with_a_slot_that_has_a_row_so_that_an_honest_answer_shows_one(known, beside):
    start = floor(NOW - DAY, FIVE)
    hole = Interval(start, start + 4 * FIVE)
    had = [Interval(start + a * FIVE, start + b * FIVE) for a, b in zip(known[::2], known[1::2], strict=False)]
    (window,) = windows("A", GRID, [hole], PageRule(500, "backward"), NOW, known=had)
    assert window.span == hole
    assert window.beside == (None if beside is None else Interval(start + beside * FIVE, start + (beside + 1) * FIVE))


def test_duplicate_and_unsorted_rows_change_nothing():
    start = floor(NOW - DAY, FIVE)
    window = Interval(start, start + 4 * FIVE)
    times = [start + k * FIVE for k in range(4)]
    tidy, messy = harvested([raw(t) for t in times], window), harvested([raw(t) for t in (*times[::-1], *times)], window)
    assert join(tidy.claims) == join(messy.claims)
    assert set(tidy.rows) == set(messy.rows)


def test_a_page_of_another_window_is_asked_again():
    start = floor(NOW - 10 * DAY, FIVE)
    with pytest.raises(Retry):
        harvested([raw(start + DAY + k * FIVE) for k in range(3)], Interval(start, start + 4 * FIVE))


def test_a_zero_among_others_is_stored_and_counted_as_suspicious():
    start = floor(NOW - DAY, FIVE)
    found = harvested([raw(start), raw(start + FIVE, "0")], Interval(start, start + 2 * FIVE))
    assert (len(found.rows), found.suspicious) == (2, 1)
    assert isinstance(found.claims[0], Claim)
