"""Limits are counted as the venues count them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from perptape.simulation.limits import Limits
from perptape.simulation.wire import Limit

FIXED = Limit("weight", 10, 60_000, ban_after=3)
SLIDING = Limit("ip", 5, 1000, "sliding")
BUCKET = Limit("credits", 100, 1000, "bucket")


def test_a_fixed_window_starts_anew_at_its_boundary() -> None:
    limits = Limits([FIXED])
    assert all(limits.ask("a", {"weight": 5}, 59_000).allowed for _ in range(2))
    refused = limits.ask("a", {"weight": 1}, 59_500)
    assert not refused.allowed
    assert 60_000 <= refused.retry_at <= 60_001
    assert limits.ask("a", {"weight": 10}, 60_001).allowed


def test_who_goes_on_after_the_refusal_is_banned_and_others_are_not() -> None:
    limits = Limits([FIXED])
    limits.ask("a", {"weight": 10}, 1000)
    verdicts = [limits.ask("a", {"weight": 1}, 1001 + number) for number in range(4)]
    assert [verdict.banned for verdict in verdicts] == [False, False, False, True]
    assert verdicts[-1].retry_at == 1004 + FIXED.ban_ms
    assert limits.ask("a", {"weight": 1}, 61_000).banned
    assert limits.ask("b", {"weight": 1}, 61_000).allowed
    assert limits.ask("a", {"weight": 1}, verdicts[-1].retry_at).allowed


def test_a_sliding_window_forgets_request_by_request() -> None:
    limits = Limits([SLIDING])
    assert all(limits.ask("a", {"ip": 1}, at).allowed for at in (0, 100, 200, 300, 400))
    refused = limits.ask("a", {"ip": 1}, 500)
    assert not refused.allowed
    assert limits.ask("a", {"ip": 1}, refused.retry_at).allowed


def test_credits_come_back_evenly() -> None:
    limits = Limits([BUCKET])
    assert limits.ask("a", {"credits": 100}, 1000).allowed
    assert not limits.ask("a", {"credits": 20}, 1100).allowed
    assert limits.ask("a", {"credits": 20}, 1201).allowed


def test_compression_divides_the_window() -> None:
    limits = Limits([FIXED], compress=60)
    assert limits.ask("a", {"weight": 10}, 0).allowed
    assert not limits.ask("a", {"weight": 10}, 999).allowed
    assert limits.ask("a", {"weight": 10}, 1001).allowed
    assert limits.spacing({"weight": 5}) == 500


def test_a_cost_with_an_instrument_counts_for_itself() -> None:
    limits = Limits([Limit("rate", 1, 1000)])
    assert limits.ask("a", {"rate/BTC": 1}, 10).allowed
    assert limits.ask("a", {"rate/ETH": 1}, 10).allowed
    assert not limits.ask("a", {"rate/BTC": 1}, 10).allowed


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([FIXED, SLIDING, BUCKET]), st.lists(st.integers(0, 400), max_size=80))
def test_who_comes_back_when_told_is_let_in(limit: Limit, steps: list[int]) -> None:
    limits, now = Limits([limit]), 0
    for step in steps:
        now += step
        verdict = limits.ask("a", {limit.name: 1}, now)
        if not verdict.allowed:
            now = verdict.retry_at
            assert limits.ask("a", {limit.name: 1}, now).allowed


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([FIXED, SLIDING, BUCKET]), st.integers(1, 200))
def test_requests_spaced_as_the_limit_says_are_never_refused(limit: Limit, count: int) -> None:
    limits = Limits([limit])
    spacing = limits.spacing({limit.name: 1})
    assert all(limits.ask("a", {limit.name: 1}, round(number * spacing + 0.5)).allowed for number in range(count))
