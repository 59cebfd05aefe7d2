"""The market is a pure function of seed and time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perptape.simulation import truth
from perptape.simulation.contract import Contract
from perptape.simulation.market import SLOT, Market

START = 1_790_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
MARKET = Market.standard(seed=7)


def contract(venue: str, id: str) -> Contract:
    found = MARKET.contract(venue, id)
    assert found is not None
    return found


CONTRACTS = [
    contract("binance", "BTCUSDT"),
    contract("bybit", "XRPUSDT"),
    contract("okx", "BTC-USD-SWAP"),
    contract("hyperliquid", "BTC"),
    contract("deribit", "ETH-PERPETUAL"),
    contract("deribit", "SOL_USDC-PERPETUAL"),
]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CONTRACTS), st.integers(0, 200_000), st.integers(1, 60_000), st.integers(1, 60_000))
def test_liquidations_and_trades_asked_in_pieces_equal_those_asked_whole(asked: Contract, after: int, first: int, second: int) -> None:
    begin, middle, end = START + after, START + after + first, START + after + first + second
    for history in (MARKET.liquidations, MARKET.trades):
        assert history(asked, begin, middle) + history(asked, middle, end) == history(asked, begin, end)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CONTRACTS), st.integers(0, 400 * DAY), st.integers(1, 90 * DAY), st.integers(1, 90 * DAY))
def test_settlements_asked_in_pieces_equal_those_asked_whole(asked: Contract, before: int, first: int, second: int) -> None:
    begin = START - before
    pieces = MARKET.settlements(asked, begin, begin + first) + MARKET.settlements(asked, begin + first, begin + first + second)
    assert pieces == MARKET.settlements(asked, begin, begin + first + second)


def test_the_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    btc = CONTRACTS[0]
    again, other = Market.standard(seed=7), Market.standard(seed=8)
    assert again.liquidations(btc, START, START + 60_000) == MARKET.liquidations(btc, START, START + 60_000)
    assert again.open_interest(btc, START) == MARKET.open_interest(btc, START)
    assert other.open_interest(btc, START) != MARKET.open_interest(btc, START)


def test_a_year_holds_a_symbol_whose_funding_interval_changes() -> None:
    times = [settlement.time for settlement in MARKET.settlements(contract("binance", "XRPUSDT"), START - 365 * DAY, START)]
    steps = {later - earlier for earlier, later in pairwise(times)}
    assert steps == {4 * HOUR, 8 * HOUR}


def test_the_prediction_becomes_the_settled_rate() -> None:
    btc = CONTRACTS[0]
    boundary = MARKET.next_settlement(btc, START)
    assert boundary > START
    assert abs(MARKET.predicted(btc, boundary - 1) - MARKET.settled_rate(btc, boundary)) <= Decimal("1e-8")


def test_open_interest_changes_with_every_slot_and_stays_on_the_contracts_grid() -> None:
    for asked in CONTRACTS:
        held = [MARKET.open_contracts(asked, START // SLOT * SLOT + slot * SLOT) for slot in range(20)]
        assert len(set(held)) > 15
        assert all(amount > 0 and amount % asked.lot == 0 for amount in held)


@pytest.mark.parametrize(("by", "shift"), [("start", HOUR), ("instant", 0), ("end", -HOUR)])
def test_a_venue_can_be_made_to_stamp_its_history_otherwise_and_lists_no_bucket_before_its_figure(by: str, shift: int) -> None:
    btc, stamp = contract("binance", "BTCUSDT"), START // HOUR * HOUR
    market = MARKET.restamped("binance", by)
    assert market.figure_of("binance", stamp, HOUR) == stamp + shift
    assert market.published(btc, stamp, HOUR) > stamp + shift
    ((_, held, _),) = truth.open_interest(market, "binance", "BTCUSDT", stamp, stamp + HOUR, HOUR)
    assert held == MARKET.open_interest(btc, stamp + shift)
    with pytest.raises(ValueError, match="one of start, instant, end"):
        market.restamped("binance", "middle")
    with pytest.raises(KeyError):
        market.restamped("deribit", by)


@pytest.mark.parametrize("venue", ["hyperliquid", "deribit"])
def test_of_a_venue_without_a_history_what_was_held_at_each_moment_is_told_too(venue: str) -> None:
    one, start = MARKET.contracts(venue)[0], START // SLOT * SLOT
    expected = [(at, MARKET.open_interest(one, at), MARKET.open_contracts(one, at)) for at in (start, start + SLOT)]
    assert truth.open_interest(MARKET, venue, one.id, start, start + 2 * SLOT, SLOT) == expected
    assert MARKET.published(one, start) > start + SLOT


def test_open_interest_of_an_inverse_contract_in_base_coin_is_its_dollars_over_the_price() -> None:
    inverse = contract("okx", "BTC-USD-SWAP")
    dollars = MARKET.open_contracts(inverse, START) * inverse.contract_size
    assert abs(MARKET.open_interest(inverse, START) * MARKET.index("BTC", START) - dollars) < 1


def test_some_liquidations_differ_in_nothing_that_a_venue_sends() -> None:
    sent = [
        (event.time, event.side, event.price, event.average_price, event.bankruptcy_price, event.base)
        for event in MARKET.liquidations(CONTRACTS[0], START, START + HOUR)
    ]
    assert len(sent) > len(set(sent))


def test_ids_are_unique_and_ascend_with_time() -> None:
    events = MARKET.liquidations(CONTRACTS[0], START, START + HOUR)
    assert len({event.id for event in events}) == len(events) > 100
    assert [event.seq for event in events] == sorted(event.seq for event in events)
    trades = MARKET.trades(CONTRACTS[4], START, START + HOUR)
    assert [trade.seq for trade in trades] == sorted({trade.seq for trade in trades})
    assert [trade.time for trade in trades] == sorted(trade.time for trade in trades)


def test_deribits_liquidations_are_exactly_its_flagged_trades() -> None:
    for asked in CONTRACTS[4:]:
        flagged = {trade.id: trade for trade in MARKET.trades(asked, START, START + HOUR) if trade.liquidation}
        events = MARKET.liquidations(asked, START, START + HOUR)
        assert {event.id for event in events} == set(flagged)
        for event in events:
            trade = flagged[event.id]
            assert trade.liquidation == "MT" or (event.side == trade.side) == (trade.liquidation == "T")
    both = [trade for trade in MARKET.trades(CONTRACTS[4], START, START + HOUR) if trade.liquidation == "MT"]
    assert both
    assert [event.side for event in MARKET.liquidations(CONTRACTS[4], START, START + HOUR) if event.id == both[0].id] in (
        ["BUY", "SELL"],
        ["SELL", "BUY"],
    )


def test_every_venue_lists_the_bases_and_has_delisted_one() -> None:
    market = Market.standard(seed=1, symbols=700)
    for venue in ("binance", "bybit", "okx", "hyperliquid", "deribit"):
        listed = market.contracts(venue, START)
        assert len({listing.base for listing in listed}) == 700
        assert [gone.base for gone in market.contracts(venue) if not gone.trades_at(START)] == ["LUNA"]
        assert len({listing.id for listing in market.contracts(venue)}) == len(market.contracts(venue))


def test_a_ticker_listed_again_is_a_new_lifetime_of_another_size() -> None:
    market = MARKET.delisted("okx", "ADA-USDT-SWAP", START).relisted("okx", "ADA-USDT-SWAP", START + DAY, Decimal(7))
    sizes = [market.contract("okx", "ADA-USDT-SWAP", time) for time in (START - 1, START + DAY)]
    assert [lifetime and lifetime.contract_size for lifetime in sizes] == [contract("okx", "ADA-USDT-SWAP").contract_size, Decimal(7)]
    assert not [one for one in market.contracts("okx", START + 1) if one.id == "ADA-USDT-SWAP"]


def test_injected_liquidations_are_part_of_history_and_of_the_trades() -> None:
    btc = CONTRACTS[4]
    own, trades = MARKET.liquidations(btc, START, START + HOUR), MARKET.trades(btc, START, START + HOUR)
    market = MARKET.with_liquidations("deribit", btc.id, [replace(event, id=f"more-{event.id}") for event in own[:3]])
    assert len(market.liquidations(btc, START, START + HOUR)) == len(own) + 3
    assert len(market.trades(btc, START, START + HOUR)) == len(trades) + 3
