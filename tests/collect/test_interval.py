"""Interval arithmetic against its definition: millisecond by millisecond."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from perptape.interval import Interval, ceil, floor, gaps, intersection, slots, total, union

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda p: Interval(p[0], p[0] + p[1])), max_size=8)


def points(found):
    return {t for span in found for t in range(span.start, span.end)}


@given(spans, spans)
def test_gaps_and_coverage_partition_what_is_wanted(wanted, covered):
    left = list(gaps(wanted, covered))
    assert points(left) == points(wanted) - points(covered)
    assert left == sorted(left)
    assert union(left) == tuple(left)


@given(spans, spans)
def test_intersection_has_what_both_have(a, b):
    assert points(intersection(a, b)) == points(a) & points(b)


@given(spans)
def test_union_is_the_same_time_disjoint_and_sorted(some):
    merged = union(some)
    assert points(merged) == points(some)
    assert all(a.end < b.start for a, b in pairwise(merged))
    assert total(some) == len(points(some))


@given(st.integers(0, 10_000), st.integers(1, 500))
def test_floor_and_ceil_enclose_a_time(time, step):
    assert floor(time, step) <= time <= ceil(time, step)
    assert ceil(time, step) - floor(time, step) in (0, step)
    assert list(slots(Interval(floor(time, step), floor(time, step) + 2 * step), step)) == [floor(time, step), floor(time, step) + step]
