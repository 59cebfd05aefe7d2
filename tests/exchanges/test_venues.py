"""What each venue is asked, and how its answers read: payloads in the recorded shapes, no network."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from perptape.datasets import open_interest as oi
from perptape.exchanges import binance, bybit, deribit, hyperliquid, okx
from perptape.exchanges.calls import Call, Conversation, Reply, Unlisted, items
from perptape.exchanges.culprit import Malformed
from perptape.exchanges.registry import VENUES
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, Interval
from support.fake_exchange import perpetual

NOW = 1_750_000_000_000
WINDOW = Interval(NOW - 10 * HOUR, NOW - HOUR)


def carried_out(conversation: Conversation[Any], *payloads: Any, date: int | None = None) -> tuple[Any, list[Call]]:
    """(what the conversation returns when it is given these payloads, the calls that it made)."""
    left, calls = list(payloads), []
    said: Sequence[Reply] | None = None
    while True:
        try:
            asked = conversation.send(said) if said is not None else next(conversation)  # type: ignore[arg-type]
        except StopIteration as done:
            assert not left, "every payload was asked for"
            return done.value, calls
        calls += asked
        said = [Reply(left.pop(0), NOW, date) for _ in asked]


def one(venue: ModuleType, id: str, *, linear: bool = True, settle: str = "USDT") -> Instrument:
    return Instrument(venue.TRAITS.venue, id, "X/Y:Z", id, "X", "Y", settle, linear, Decimal(1))


BTC = perpetual(binance.TRAITS, "BTC")


def test_every_page_of_history_names_its_start_and_its_end() -> None:
    """A lone start is ignored by Bybit and OKX and moved by Binance; CCXT's `since` means something else on each."""
    bounds = {"binance": ("startTime", "endTime"), "bybit": ("startTime", "endTime"), "okx": ("begin", "end")}
    for venue, (start, end) in bounds.items():
        (call,) = next(import_module(f"perptape.exchanges.{venue}").open_interest_page(BTC, HOUR, WINDOW))
        assert {call.params[start], call.params[end]} <= {WINDOW.start, WINDOW.start - 1, WINDOW.end, WINDOW.end - 1}
    bounds = {
        "binance": ("startTime", "endTime"), "bybit": ("startTime", "endTime"), "okx": ("before", "after"),
        "hyperliquid": ("startTime", "endTime"), "deribit": ("start_timestamp", "end_timestamp"),
    }  # fmt: skip
    for venue, (start, end) in bounds.items():
        (call,) = next(import_module(f"perptape.exchanges.{venue}").funding_page(BTC, WINDOW))
        exclusive = venue == "okx"
        assert (call.params[start], call.params[end]) == (WINDOW.start - exclusive, WINDOW.end - (not exclusive)), venue


@pytest.mark.parametrize("venue", VENUES)
def test_a_page_asks_for_as_many_rows_as_the_traits_say(venue: str) -> None:
    told = import_module(f"perptape.exchanges.{venue}")
    (call,) = next(told.funding_page(BTC, WINDOW))
    assert call.params.get("limit", told.TRAITS.funding_history.page.limit) == told.TRAITS.funding_history.page.limit
    if told.TRAITS.open_interest_history is not None:
        for period in told.TRAITS.open_interest_history.periods:
            (call,) = next(told.open_interest_page(BTC, period, WINDOW))
            assert call.params["limit"] == told.TRAITS.open_interest_history.page.limit


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("payload", ["<html>", "", None, [], {}, {"result": []}, {"data": None}, [None], 7])
def test_an_answer_that_is_none_is_malformed_and_never_a_row(venue: str, payload: Any) -> None:
    """CCXT answers a structure of None on Binance, None on Hyperliquid, IndexError on Bybit and OKX."""
    told = import_module(f"perptape.exchanges.{venue}")
    for ask in (told.open_interest, told.funding, told.volume):
        conversation = ask([BTC])
        calls = next(conversation)
        with pytest.raises((Malformed, Unlisted, LookupError, TypeError, ValueError, StopIteration)) as raised:
            conversation.send([Reply(payload, NOW)] * len(calls))
        if isinstance(raised.value, StopIteration):
            assert raised.value.value[0] == [], payload


def test_one_bad_row_of_a_page_is_a_line_and_the_others_are_kept() -> None:
    good = {"symbol": "BTCUSDT", "sumOpenInterest": "1", "sumOpenInterestValue": "2", "timestamp": NOW}
    page = [good, {"symbol": "BTCUSDT"}, None, {**good, "timestamp": "soon"}, good]
    (rows, dropped), _ = carried_out(binance.open_interest_page(BTC, HOUR, WINDOW), page)
    assert len(rows) == 2, "a duplicate is the join's matter"
    assert len(dropped) == 3


def test_a_contract_whose_entry_cannot_be_understood_is_not_said_to_be_missing() -> None:
    context = {"openInterest": "9", "markPx": "2"}
    instruments = [one(hyperliquid, name, settle="USDC") for name in ("A", "B", "C")]
    payload = [{"universe": [{"name": "A"}, {"name": "B"}]}, [context, {"openInterest": "9"}]]
    (rows, dropped), _ = carried_out(hyperliquid.open_interest(instruments), payload)
    assert [row.instrument.venue_id for row in rows] == ["A"]
    assert [line.split(":")[0] for line in dropped] == ["1.markPx", "C"]


def test_binance_gives_usd_by_a_mark_price_asked_for_all_at_once() -> None:
    marks = [{"symbol": "BTCUSDT", "markPrice": "50000.5"}, {"symbol": "ETHUSDT", "markPrice": "3000"}]
    answers = [{"symbol": "BTCUSDT", "openInterest": "10.5", "time": NOW}]
    (rows, _), calls = carried_out(binance.open_interest([BTC]), marks, *answers)
    assert [call.method for call in calls] == ["fapiPublicGetPremiumIndex", "fapiPublicGetOpenInterest"]
    assert oi.row(rows[0], 0, NOW)[1:5] == (10.5, 10.5, 525005.25, "base")


def test_binances_funding_info_lists_only_what_was_adjusted() -> None:
    row = {"markPrice": "1", "indexPrice": "1", "lastFundingRate": "0.0001", "nextFundingTime": NOW + HOUR, "time": NOW}
    premium = [{"symbol": symbol, **row} for symbol in ("BTCUSDT", "ETHUSDT")]
    info = [{"symbol": "ETHUSDT", "fundingIntervalHours": 4}]
    (rows, _), _ = carried_out(binance.funding([BTC, perpetual(binance.TRAITS, "ETH")]), premium, info)
    assert [row.interval_minutes for row in rows] == [480, 240]


def test_jitter_is_kept_as_sent() -> None:
    (rows, _), _ = carried_out(binance.funding_page(BTC, WINDOW), [{"fundingTime": NOW + 11, "fundingRate": "-0.00004626"}])
    assert (rows[0].time, rows[0].rate) == (NOW + 11, "-0.00004626")


def test_binances_listing_tells_live_delisted_and_not_yet_listed_apart() -> None:
    item = {"symbol": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
            "marginAsset": "USDT", "onboardDate": 1, "deliveryDate": 4_133_404_800_000, "filters": []}  # fmt: skip
    gone = {**item, "symbol": "LUNAUSDT", "status": "SETTLING", "deliveryDate": NOW - DAY}
    closed = {**item, "symbol": "FTTUSDT", "status": "CLOSE"}
    listing = {"symbols": [item, gone, closed, {**item, "status": "PENDING_TRADING"}, {**item, "contractType": "CURRENT_QUARTER"}]}
    (found, _), _ = carried_out(binance.instruments(), listing, [])
    assert [(each.id, each.delisted) for each in found] == [
        ("BTCUSDT-PERP.BINANCE", None), ("LUNAUSDT-PERP.BINANCE", NOW - DAY), ("FTTUSDT-PERP.BINANCE", NOW),
    ]  # fmt: skip


def test_bybit_is_asked_for_tickers_because_its_open_interest_is_of_a_bucket_up_to_an_hour_old() -> None:
    ticker = {"symbol": "BTCUSDT", "openInterest": "52774.528", "openInterestValue": "1506861070.82", "markPrice": "28552.81"}
    (rows, _), calls = carried_out(bybit.open_interest([BTC]), {"result": {"list": [ticker]}, "time": NOW})
    assert [call.method for call in calls] == ["publicGetV5MarketTickers"]
    assert (rows[0].time, rows[0].base, rows[0].usd) == (NOW, "52774.528", "1506861070.82")


def test_bybits_listing_follows_the_cursors_of_the_live_and_of_the_closed() -> None:
    def page(id: str, status: str, cursor: str) -> Any:
        item = {"symbol": id, "contractType": "LinearPerpetual", "status": status, "baseCoin": "A", "quoteCoin": "USDT",
                "settleCoin": "USDT", "launchTime": "1", "deliveryTime": "0" if status == "Trading" else "99", "fundingInterval": 240,
                "priceFilter": {"tickSize": "0.1"}, "lotSizeFilter": {"qtyStep": "1"}}  # fmt: skip
        return {"result": {"list": [item], "nextPageCursor": cursor}}

    answers = page("A", "Trading", "first%3D1"), page("B", "Closed", ""), page("C", "Trading", "")
    (found, _), calls = carried_out(bybit.instruments(), *answers)
    assert [(each.venue_id, each.delisted, each.funding_minutes) for each in found] == [("A", None, 240), ("B", 99, 240), ("C", None, 240)]
    assert [call.params.get("cursor") for call in calls] == [None, None, "first=1"]


def test_bybits_listing_does_not_follow_cursors_that_go_round_in_circles() -> None:
    def page(*cursors: str) -> list[Any]:
        return [{"result": {"list": [{}], "nextPageCursor": cursor}} for cursor in cursors]

    with pytest.raises(Malformed, match="no end"):
        carried_out(bybit.instruments(), *page("a", "", "b", "a", "b", "a"))
    _, calls = carried_out(bybit.instruments(), *page("a", "a", "b", "b", "", ""))
    assert len(calls) == 6


def test_okx_stores_what_was_paid_and_not_the_last_prediction() -> None:
    row = {"fundingRate": "0.0001", "realizedRate": "0.00009", "fundingTime": str(NOW)}
    (rows, _), _ = carried_out(okx.funding_page(BTC, WINDOW), {"data": [row]})
    assert (rows[0].time, rows[0].rate) == (NOW, "0.00009")


def test_okx_lists_the_bucket_that_is_still_open_and_it_is_left_out() -> None:
    page = {"data": [[str(NOW - 30 * MINUTE), "3", "4", "5"], [str(NOW - 90 * MINUTE), "1", "2", "3"]]}
    (rows, dropped), _ = carried_out(okx.open_interest_page(BTC, HOUR, WINDOW), page)
    assert [(row.time, row.contracts, row.base, row.usd) for row in rows] == [(NOW - 90 * MINUTE, "1", "2", "3")]
    assert dropped == []


def test_okxs_interval_is_the_time_between_the_next_two_settlements() -> None:
    row = {"instId": "BTCUSDT", "fundingRate": "0.1", "fundingTime": str(NOW), "nextFundingTime": str(NOW + 4 * HOUR),
           "nextFundingRate": "", "ts": str(NOW - 1)}  # fmt: skip
    (rows, _), _ = carried_out(okx.funding([BTC]), {"data": [row]})
    assert (rows[0].interval_minutes, rows[0].next_time) == (240, NOW)


def test_hyperliquids_contexts_have_no_time_so_the_answers_date_stands_in() -> None:
    universe = {"universe": [{"name": "BTC", "szDecimals": 5}, {"name": "OLD", "szDecimals": 1, "isDelisted": True}]}
    context = {"openInterest": "9.5", "markPx": "60000.0", "oraclePx": "60001.0", "funding": "0.0000125"}
    coin = one(hyperliquid, "BTC")
    (rows, _), _ = carried_out(hyperliquid.open_interest([coin]), [universe, [context, context]], date=NOW - 700)
    assert rows[0].time == NOW - 700
    (rows, _), _ = carried_out(hyperliquid.funding([coin]), [universe, [context, context]], date=NOW - 700)
    assert rows[0].next_time == NOW // HOUR * HOUR + HOUR
    with pytest.raises(Unlisted):
        carried_out(hyperliquid.open_interest([one(hyperliquid, "OLD")]), [universe, [context, context]])
    with pytest.raises(Malformed):
        carried_out(hyperliquid.open_interest([coin]), [universe, [context]])


def test_deribits_figure_is_usd_on_an_inverse_perpetual_and_base_coin_on_a_linear_one() -> None:
    summary = {"open_interest": "9978911260", "mark_price": "87102.01", "creation_timestamp": NOW, "current_funding": "0.0001"}
    inverse, linear = one(deribit, "BTC-PERPETUAL", linear=False, settle="BTC"), one(deribit, "SOL_USDC-PERPETUAL", settle="USDC")
    pages = [{"result": [{**summary, "instrument_name": each.id}]} for each in (inverse, linear)]
    (rows, _), calls = carried_out(deribit.open_interest([inverse, linear]), *pages)
    assert [(row.base, row.usd) for row in rows] == [(None, "9978911260"), ("9978911260", None)]
    assert [call.params["currency"] for call in calls] == ["BTC", "USDC"]


def test_a_days_volume_in_usd_is_read_from_what_each_venue_sends() -> None:
    """Recorded figures where there are some (Bybit, Hyperliquid, Deribit); the others by their documentation."""
    universe = {"universe": [{"name": "MOODENG", "szDecimals": 0}]}
    bybits = {"symbol": "BTCUSDT", "volume24h": "151185.5160", "turnover24h": "4273027716.4294"}
    okxs = {"instId": "BTC-USDT-SWAP", "vol24h": "300", "volCcy24h": "3", "last": "60000.1"}
    deribits = {"instrument_name": "BTC-PERPETUAL", "volume": "7377.18657991", "volume_usd": "661040250.0"}
    inverse = one(deribit, "BTC-PERPETUAL", linear=False, settle="BTC")
    asked: list[tuple[ModuleType, Instrument, Any, str]] = [
        (binance, BTC, [{"symbol": "BTCUSDT", "volume": "2.5", "quoteVolume": "150000.50"}], "150000.50"),
        (bybit, one(bybit, "BTCUSDT"), {"result": {"list": [bybits]}, "time": NOW}, "4273027716.4294"),
        (okx, one(okx, "BTC-USDT-SWAP"), {"data": [okxs]}, "180000.3"),
        (hyperliquid, one(hyperliquid, "MOODENG"), [universe, [{"dayNtlVlm": "7665220.55613"}]], "7665220.55613"),
        (deribit, inverse, {"result": [deribits]}, "661040250.0"),
    ]
    assert {venue.TRAITS.venue for venue, *_ in asked} == set(VENUES)
    for venue, instrument, payload, usd in asked:
        (rows, dropped), calls = carried_out(venue.volume([instrument]), payload)
        assert ([str(row.usd) for row in rows], dropped, len(calls)) == ([usd], [], 1), venue.TRAITS.venue
        assert rows[0].instrument == instrument


def test_deribits_settled_rate_is_the_hours_own_interest() -> None:
    row = {"timestamp": NOW, "interest_1h": "0.00001", "interest_8h": "0.00008"}
    (rows, _), _ = carried_out(deribit.funding_page(BTC, WINDOW), {"result": [row]})
    assert rows[0].rate == "0.00001"
    page = deribit.TRAITS.funding_history.page
    assert page.span is not None
    assert page.span // HOUR < page.limit, "a window never holds more rows than an answer"


def test_default_perpetuals_are_a_rule_of_the_venue() -> None:
    assert [import_module(f"perptape.exchanges.{venue}").TRAITS.default_perpetual("BTC") for venue in VENUES] == [
        "BTC/USDT:USDT", "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USDT:USDT", "BTC/USD:BTC",
    ]  # fmt: skip
    assert deribit.TRAITS.default_perpetual("SOL") == "SOL/USDC:USDC"


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_answer_is_said_to_be_empty(empty: object) -> None:
    with pytest.raises(Malformed, match="no list at the top of the answer: it is empty"):
        items(empty)
