"""How fast a venue is asked, and what time it is there."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from perptape.exchanges import binance
from perptape.exchanges.base import CallLimit
from perptape.exchanges.offset import Offset, measured
from perptape.exchanges.pacing import Bucket, Pace
from perptape.exchanges.registry import VENUES, traits


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 900)), min_size=20, max_size=150), st.floats(1, 20))
def test_no_window_ever_holds_more_than_the_limit(calls: list[tuple[int, int]], speed: float) -> None:
    limit = CallLimit("x", 100, 10_000)
    bucket, now, gone = Bucket(limit, speed), 0.0, []
    for cost, pause in calls:
        now += pause
        gone.append((now + bucket.wait(cost, now), cost))
    window = limit.window / speed
    for start, _ in gone:
        inside = [cost for at, cost in gone if start <= at < start + window]
        assert sum(inside) <= limit.amount


def test_a_long_fill_takes_hardly_longer_than_the_limit_itself() -> None:
    """900 pages at 1000 in 5 min: the limit's own time is 270 s."""
    pace = Pace(binance.TRAITS.limits)
    assert max(pace.wait({"data": 1}, 0.0) for _ in range(900)) <= 270_000 * 1.05
    pace = Pace(binance.TRAITS.limits)
    assert max(pace.wait({"data": 1}, 0.0) for _ in range(5_000)) <= 1_500_000 * 1.05


def test_endpoints_that_share_a_limit_share_its_bucket_and_instruments_with_limits_of_their_own_do_not() -> None:
    pace = Pace((CallLimit("funding", 10, 1000), CallLimit("each", 10, 1000)))
    first = [pace.wait({"funding": 1}, 0.0) for _ in range(2)]
    assert first[0] == 0
    assert first[1] > 0
    assert [pace.wait({f"each/{name}": 1}, 0.0) for name in ("BTC", "ETH")] == [0, 0]


def test_what_others_of_this_address_used_counts() -> None:
    pace = Pace(binance.TRAITS.limits)
    assert pace.wait({"weight": 1}, 0.0) == 0
    pace.observe({"x-mbx-used-weight-1m": "2400"}, 0.0)
    assert pace.wait({"weight": 1}, 0.0) > 20
    pace.observe({"x-mbx-used-weight-1m": "nonsense"}, 0.0)


def test_every_venue_states_its_limits() -> None:
    assert all(traits(venue).limits for venue in VENUES)


@given(st.integers(-100_000, 100_000), st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 400), st.integers(0, 400)), min_size=1))
def test_the_offset_is_always_within_its_doubt(offset: int, asked: list[tuple[int, int, int]]) -> None:
    known: Offset | None = None
    local = 1_000_000
    for pause, there, back in asked:
        sent = local + pause
        at_venue = sent + there + offset
        local = sent + there + back
        known = measured(known, sent, local, at_venue // 1000 * 1000, at_venue // 1000 * 1000 + 999)
        assert abs(known.ms - offset) <= known.doubt + 1


def test_dates_of_whole_seconds_narrow_to_less_than_one() -> None:
    known: Offset | None = None
    for sent in range(0, 20_000, 730):
        known = measured(known, sent, sent + 4, (sent + 5_002) // 1000 * 1000, (sent + 5_002) // 1000 * 1000 + 999)
    assert known is not None
    assert abs(known.ms - 5_000) < 100


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    known = measured(None, 0, 10, 5, 5)
    assert measured(known, 1_000, 1_010, 9_005, 9_005).ms == 8_000


def test_an_offset_is_trusted_for_ten_minutes_by_a_clock_that_goes_on() -> None:
    known = measured(None, 0, 1_000, 500, 500)
    assert [known.trusted(1_000 + minutes * 60_000) for minutes in (0, 10, 11, -1)] == [True, True, False, False]
