"""Which pages of the past an audit asks again, and how it compares what the venue says with what is kept."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.claims import Claim
from perptape.collect.audit import Audited, compared, pages, past, sample
from perptape.collect.grids import by_name, page_rule
from perptape.collect.plan import Window
from perptape.datasets import DATASETS
from perptape.exchanges.registry import VENUES, traits
from perptape.interval import DAY, HOUR, MINUTE, NS, Interval, floor, intersection, total, union

BTC = "BTCUSDT-LINEAR.BYBIT"
NOW = 1_800_000_000_000
OI, FUNDING = DATASETS["open_interest"], DATASETS["funding"]
SPANS = st.lists(st.tuples(st.integers(1, 40 * DAY), st.integers(1, 20 * DAY)), max_size=4).map(
    lambda found: union(Interval(NOW - back, NOW - max(back - length, 0)) for back, length in found)
)


def grid_of(venue, name):
    return by_name(traits(venue), "funding" if name == "settled" else "open_interest", name)


@given(SPANS, SPANS, st.sampled_from(VENUES), st.sampled_from(["settled", "5m"]))
def test_pages_are_whole_slots_of_the_final_past_each_once_and_no_longer_than_a_call_can_ask(complete, damaged, venue, name):
    grid = grid_of(venue, name)
    if grid is None:
        return
    rule = page_rule(traits(venue), grid)
    spans = past(complete, damaged, grid, NOW)
    found = [window.span for window in pages(BTC, spans, grid, rule)]
    step = grid.period or DAY
    assert all(one.start % step == one.end % step == 0 and one for one in found)
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert total(intersection(found, spans)) == total(found)
    assert all(one.end <= NOW - grid.rules.final_after for one in found)
    assert all(one.start >= grid.rules.floor(NOW) for one in found)
    assert not intersection(found, damaged)
    assert all(len(one) // step <= (rule.limit if grid.period else rule.limit // 24) for one in found)
    assert rule.span is None or all(len(one) <= rule.span for one in found)
    left = sum(max(0, floor(span.end, step) - -(-span.start // step) * step) for span in spans)
    assert total(found) == left


@given(st.integers(0, 30), st.integers(0, 40), st.integers())
def test_a_sample_has_no_page_twice(known, count, seed):
    windows = list(
        pages(BTC, [Interval(0, known * 4 * DAY)], grid_of("bybit", "settled"), page_rule(traits("bybit"), grid_of("bybit", "settled")))
    )
    found = sample(windows, count, random.Random(seed).random)
    assert len(found) == min(count, len(windows)) == len(set(found))
    assert set(found) <= set(windows)


def test_every_page_is_as_likely_as_any_other():
    grid = grid_of("bybit", "settled")
    windows = list(pages(BTC, [Interval(0, 40 * DAY)], grid, page_rule(traits("bybit"), grid)))
    draw = random.Random(1).random
    counts = dict.fromkeys(windows, 0)
    for _ in range(1000):
        for one in sample(windows, 3, draw):
            counts[one] += 1
    assert all(240 <= count <= 360 for count in counts.values())


def interest(time, base, period=5, received=1):
    return (BTC, None, base, None, "base", period, received, time * NS, time * NS + 1)


def complete(start, end, **more):
    return replace(Claim(BTC, "5m", "complete", start, end, "", NOW, NOW), **more)


SLOT = floor(NOW, HOUR)
WINDOW = Window(BTC, "5m", Interval(SLOT, SLOT + HOUR))


def kinds(tape, told, claims):
    rows, found = compared(OI, grid_of("bybit", "5m"), WINDOW, OI.table(tape), OI.table(told), claims)
    return rows, [(one.kind, one.time) for one in found]


@pytest.mark.parametrize(
    ("tape", "told", "expected"),
    [
        ([interest(SLOT, 1.0)], [interest(SLOT, 1.0, received=9)], (1, [])),
        ([interest(SLOT, 1.0)], [interest(SLOT, 2.0)], (1, [("revised", SLOT)])),
        ([], [interest(SLOT, 2.0)], (0, [("missing", SLOT)])),
        ([interest(SLOT, 1.0)], [], (0, [("withdrawn", SLOT)])),
        ([interest(SLOT, 1.0, period=15)], [], (0, [])),
        ([interest(SLOT + HOUR, 1.0)], [], (0, [])),
        ([interest(SLOT - 3, 1.0)], [interest(SLOT - 3, 1.0)], (1, [])),
    ],
)
def test_what_differs(tape, told, expected):
    """The last: a venue's stamps are some milliseconds off, and the row belongs to the slot nearby."""
    assert kinds(tape, told, [complete(SLOT, SLOT + HOUR)]) == expected


def test_where_the_venue_was_not_believed_nothing_is_compared():
    assert kinds([interest(SLOT, 1.0)], [], [complete(SLOT, SLOT + HOUR, kind="asked", cause="doubted")]) == (0, [])
    assert kinds([interest(SLOT, 1.0)], [], [complete(SLOT, SLOT + HOUR, kind="asked")]) == (0, [("withdrawn", SLOT)])


def test_a_difference_says_both_values():
    _, (one,) = compared(
        OI,
        grid_of("bybit", "5m"),
        WINDOW,
        OI.table([interest(SLOT, 1.5)]),
        OI.table([interest(SLOT, 2.5)]),
        [complete(SLOT, SLOT + 5 * MINUTE)],
    )
    assert str(one).endswith(
        "the tape has oi_contracts None, oi_base 1.5, oi_usd None, the venue says oi_contracts None, oi_base 2.5, oi_usd None"
    )


def test_an_audit_that_could_not_compare_does_not_say_that_all_is_the_same():
    assert str(Audited()) == "nothing final is kept of it yet that could be asked for again"
    assert (str(Audited(planned=3)), Audited(planned=3).in_vain) == ("nothing could be compared", True)
    assert (str(Audited(planned=3, rows=7)), Audited(planned=3, rows=7).in_vain) == ("7 rows asked again: all the same", False)
    assert not Audited(planned=3, missing=1).in_vain
