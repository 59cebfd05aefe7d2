"""A row whose time is far from what was asked for: no crash, and no word on the slot that it may have been of. Found by fuzzing."""

from __future__ import annotations

import pytest

from perptape.claims import STREAM
from perptape.collect.grids import funding_grids, open_interest_grids, page_rule
from perptape.collect.harvest import funding_page, history_page
from perptape.collect.mending import repaired
from perptape.collect.paginate import request
from perptape.collect.plan import Window
from perptape.exchanges import binance, bybit, deribit
from perptape.interval import DAY, HOUR, LATEST, MINUTE, Interval
from perptape.raw import Answer, RawFill, RawFunding, RawLiquidation, RawOpenInterest
from support.fake_exchange import START, perpetual

FAR = [LATEST, 10**30 // MINUTE * MINUTE, START + 9 * DAY, MINUTE]
BTC = perpetual(binance.TRAITS)


@pytest.mark.parametrize("far", FAR)
def test_a_bucket_of_another_year_leaves_its_slot_open_and_is_said(far: int) -> None:
    (grid,) = open_interest_grids(bybit.TRAITS, 5 * MINUTE, DAY)
    rule = page_rule(bybit.TRAITS, grid)
    assert rule is not None
    span = Interval(START - HOUR, START)
    times = [far, *range(span.start + 5 * MINUTE, span.end, 5 * MINUTE)]
    raws = [RawOpenInterest(BTC, time, base="1") for time in times]
    found = history_page(Window(BTC.id, grid.name, span), request(span, rule, START + HOUR), raws, grid, rule, START + HOUR)
    assert len(found.rows) == 11
    assert {claim.kind for claim in found.claims} == {"complete"}, "which slot it was of nobody knows: none was asked in vain"
    assert found.dropped == [f"{BTC.id}: time: {far} is not near what was asked for"]
    assert found.spoilt == (Interval(span.start, span.start + 5 * MINUTE),)


@pytest.mark.parametrize("far", FAR)
def test_a_settlement_of_another_year_is_no_crash_and_the_page_claims_nothing(far: int) -> None:
    grid = funding_grids(bybit.TRAITS, HOUR, DAY)[0]
    rule = page_rule(bybit.TRAITS, grid)
    assert rule is not None
    span = Interval(START - 2 * DAY, START)
    raws = [RawFunding(BTC, time, "0.0001") for time in (far, *range(span.start, span.end, 8 * HOUR))]
    found = funding_page(Window(BTC.id, grid.name, span), request(span, rule, START + HOUR), raws, (), grid, rule, START + HOUR)
    assert found.claims == []
    assert f"{BTC.id}: time: {far} is not near what was asked for" in found.dropped
    assert len(found.raws) == 6


def test_an_unusable_settlement_just_behind_the_window_is_no_crash() -> None:
    grid = funding_grids(bybit.TRAITS, HOUR, DAY)[0]
    rule = page_rule(bybit.TRAITS, grid)
    assert rule is not None
    span = Interval(START - 2 * DAY, START)
    raws = [RawFunding(BTC, time, "0.0001") for time in range(span.start, span.end, 8 * HOUR)]
    raws.append(RawFunding(BTC, span.end + 3 * HOUR, "NaN"))
    found = funding_page(Window(BTC.id, grid.name, span), request(span, rule, START + HOUR), raws, (), grid, rule, START + HOUR)
    assert len(found.raws) == 6


@pytest.mark.parametrize("far", FAR)
def test_an_order_of_another_year_makes_a_page_of_the_past_claim_no_more_than_that_it_was_asked(far: int) -> None:
    feed = deribit.TRAITS.feed
    assert feed is not None
    assert feed.repair_page is not None
    span = Interval(START - HOUR, START)
    order = RawLiquidation(BTC, START - MINUTE, "BUY", "1", None, "1", "a")
    answer = Answer([RawFill(far), RawFill(START - MINUTE, (order,))], START + HOUR)
    found = repaired(Window(BTC.id, STREAM, span), span, answer, feed, feed.repair_page)
    assert {claim.kind for claim in found.claims} == {"asked"}
    assert f"{BTC.id}: time: {far} is not near what was asked for" in found.dropped


def test_a_list_in_place_of_a_price_costs_its_order_alone() -> None:
    feed = deribit.TRAITS.feed
    assert feed is not None
    assert feed.repair_page is not None
    span = Interval(START - HOUR, START)
    order = RawLiquidation(BTC, START - MINUTE, "BUY", ["1"], None, "1", "a")  # type: ignore[arg-type]
    found = repaired(Window(BTC.id, STREAM, span), span, Answer([RawFill(START - MINUTE, (order,))], START + HOUR), feed, feed.repair_page)
    assert found.rows == []
    assert found.dropped[0].startswith("price: a list is not a number")
