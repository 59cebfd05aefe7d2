"""What cannot be understood is named by its field, and takes nothing else with it: what fuzzing found."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from exchanges.test_frames import Notes, connection, heard
from exchanges.test_venues import BTC, HOUR, NOW, WINDOW, carried_out, one
from fuzz.payloads import answers
from perptape.collect.stream_batch import Counts, Intake
from perptape.collect.stream_sink import ConnectionSink
from perptape.exchanges import binance, bybit, deribit, hyperliquid, okx
from perptape.exchanges.calls import moment, read, whole
from perptape.exchanges.culprit import Malformed
from perptape.exchanges.text import short
from perptape.raw import RawLiquidation


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"a": {"b": [1, {"c": "soon"}]}}, "a.b.1.c: ValueError invalid literal for int() with base 10: 'soon': "),
        ({"a": {"b": [1, {}]}}, "a.b.1.c: is missing: "),
        ({"a": {"b": [1]}}, "a.b.1: is missing: "),
        ({"a": 7}, "a: TypeError 'int' object is not subscriptable: "),
        ({}, "a: is missing: "),
        (None, "the whole: TypeError 'NoneType' object is not subscriptable: null"),
    ],
)
def test_what_a_reader_broke_on_is_named_by_its_path(item: Any, said: str) -> None:
    rows, (line,) = read([item], lambda found: whole(found["a"]["b"][1]["c"]))
    assert rows == []
    assert line.startswith(said)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("symbol", [], "symbol: TypeError"),
        ("baseAsset", {}, "base: '{}' names no contract: {"),
        ("quoteAsset", "\x00", "quote: '\\x00' names no contract: {"),
        ("contractSize", "-1", "contract size: no contract has -1: {"),
        ("onboardDate", 10**20, "listed: no contract has 100000000000000000000: {"),
    ],
)
def test_a_contract_that_cannot_be_is_blamed_on_the_value_that_makes_it_so(field: str, value: Any, said: str) -> None:
    listing, info = copy.deepcopy(list(answers("binance")["instruments"].values()))
    listing["symbols"][0][field] = value
    (rows, (line,)), _ = carried_out(binance.instruments(), listing, info)
    assert [row.venue_id for row in rows] == ["ETHUSDT"]
    assert line.startswith(said)


def test_a_list_in_place_of_a_block_is_blamed_and_not_the_field_that_it_cannot_have() -> None:
    (_, lines) = read([[], {"a": []}], lambda found: found["a"]["b"])
    assert [line.partition(":")[0] for line in lines] == ["the whole", "a"]


def test_a_payload_that_is_nested_too_deeply_is_shown_all_the_same() -> None:
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    assert short(deep) == "a list that is nested too deeply"


def test_a_page_of_another_contract_is_none_of_this_one() -> None:
    other, this = (
        {"symbol": "ETHUSDT", "fundingTime": NOW, "fundingRate": "1"},
        {"symbol": "BTCUSDT", "fundingTime": NOW, "fundingRate": "2"},
    )
    (rows, dropped), _ = carried_out(binance.funding_page(BTC, WINDOW), [other, this])
    assert [row.rate for row in rows] == ["2"]
    assert [line.split(": {")[0] for line in dropped] == ["symbol: ValueError is not BTCUSDT"]
    bucket = {"sumOpenInterest": "1", "sumOpenInterestValue": "2", "timestamp": NOW}
    (rows, dropped), _ = carried_out(binance.open_interest_page(BTC, HOUR, WINDOW), [{"symbol": "ETHUSDT", **bucket}])
    assert (rows, len(dropped)) == ([], 1)
    with pytest.raises(Malformed, match=r"result\.symbol: ETHUSDT is not BTCUSDT"):
        carried_out(bybit.open_interest_page(BTC, HOUR, WINDOW), {"result": {"symbol": "ETHUSDT", "list": []}})
    btc = one(hyperliquid, "BTC")
    (rows, dropped), _ = carried_out(hyperliquid.funding_page(btc, WINDOW), [{"coin": "ETH", "time": NOW, "fundingRate": "1"}])
    assert (rows, len(dropped)) == ([], 1)
    assert deribit.REPAIR is not None
    trade = {"trade_id": "1", "timestamp": NOW, "price": "1", "instrument_name": "ETH-PERPETUAL", "direction": "sell", "liquidation": "T"}
    (rows, dropped), _ = carried_out(deribit.REPAIR(one(deribit, "BTC-PERPETUAL"), WINDOW), {"result": {"trades": [trade]}})
    assert (rows, len(dropped)) == ([], 1)


def test_a_bad_mark_price_or_interval_of_one_contract_leaves_the_others() -> None:
    marks = [{"symbol": "ETHUSDT"}, {"symbol": "BTCUSDT", "markPrice": "50000.5"}]
    answer = {"symbol": "BTCUSDT", "openInterest": "10.5", "time": NOW}
    (rows, dropped), _ = carried_out(binance.open_interest([BTC]), marks, answer)
    assert [row.mark for row in rows] == ["50000.5"]
    assert dropped[0].startswith("markPrice: is missing")
    row = {
        "symbol": "BTCUSDT",
        "markPrice": "1",
        "indexPrice": "1",
        "lastFundingRate": "0.0001",
        "nextFundingTime": NOW + HOUR,
        "time": NOW,
    }
    (rows, dropped), _ = carried_out(binance.funding([BTC]), [row], [{"symbol": "ETHUSDT", "fundingIntervalHours": "often"}])
    assert len(rows) == 1
    assert dropped[0].startswith("fundingIntervalHours: ValueError")


def test_a_coin_that_is_none_and_orders_that_are_no_list_leave_the_others() -> None:
    universe = {"universe": [None, {"name": "BTC", "szDecimals": 5}]}
    context = {"openInterest": "9.5", "markPx": "60000.0", "oraclePx": "60001.0", "funding": "0.0000125"}
    (rows, dropped), _ = carried_out(hyperliquid.open_interest([one(hyperliquid, "BTC")]), [universe, [context, context]])
    assert (len(rows), len(dropped)) == (1, 1)
    order = {"bkPx": "1", "side": "buy", "sz": "1", "ts": str(NOW)}
    orders = [{"instId": "A-SWAP", "details": 7}, {"instId": "A-SWAP", "details": [order]}, {}]
    assert okx.REPAIR is not None
    (rows, dropped), _ = carried_out(okx.REPAIR(one(okx, "A-SWAP"), WINDOW), {"data": orders})
    assert len(rows) == 1
    assert [line.split(":")[0] for line in dropped] == ["no list at details of the answer", "instId"]


def test_text_in_place_of_a_list_is_not_read_letter_by_letter() -> None:
    (rows, dropped), _ = carried_out(okx.open_interest_page(BTC, HOUR, WINDOW), {"data": ["1795305600000"]})
    assert (rows, len(dropped)) == ([], 1)
    notes = Notes()
    connection(notes).frames([b'{"topic":"allLiquidation.BTCUSDT","ts":1,"data":"xyz"}'], bybit.STREAM)
    assert [line.split(":")[0] for line in notes.bad] == ["('c', 'data"]


def test_a_time_that_is_far_ahead_is_no_bucket_that_is_still_open() -> None:
    page = {"data": [[str(NOW * 1000), "3", "4", "5"]]}
    (rows, _), _ = carried_out(okx.open_interest_page(BTC, HOUR, WINDOW), page)
    assert [row.time for row in rows] == [NOW * 1000]


@pytest.mark.parametrize("cursor", [5, ["x"], {"a": 1}, "a\r\nb", "\ud800", "%0D%0A", "\x00"])
def test_a_cursor_that_cannot_be_asked_for_ends_the_listing_with_its_name(cursor: Any) -> None:
    page = {"result": {"list": [{}], "nextPageCursor": cursor}}
    with pytest.raises(Malformed, match=r"result\.nextPageCursor"):
        carried_out(bybit.instruments(), page, page)


def test_a_time_that_is_none_is_named() -> None:
    with pytest.raises(Malformed, match=r"data\.0\.ts: soon is no time"):
        moment({"data": [{"ts": "soon"}]}, "data", 0, "ts")


@pytest.mark.parametrize(
    ("venue", "frame", "field"),
    [
        (binance, {"e": "forceOrders", "o": {}}, "e"),
        (bybit, {"topic": "liquidation.BTCUSDT", "data": []}, "topic"),
        (bybit, {"op": "hello"}, "op"),
        (okx, {"arg": {"channel": "liquidations"}, "data": []}, "arg.channel"),
        (okx, {"event": "hello"}, "event"),
        (deribit, {"params": {"channel": "liquidations.BTC", "data": []}}, "params.channel"),
        (deribit, {"id": 0, "result": "ok"}, "result"),
    ],
)
def test_a_frame_of_no_kind_that_was_asked_for_does_not_go_unnoticed(venue: Any, frame: Any, field: str) -> None:
    with pytest.raises(Malformed, match=f"^{field}: .* is nothing that was subscribed to"):
        heard(venue.STREAM, frame)


@pytest.mark.parametrize("frame", [{"op": "pong"}, {"success": True, "ret_msg": "pong", "op": "ping"}])
def test_a_pong_is_no_frame_to_wonder_at(frame: Any) -> None:
    assert heard(bybit.STREAM, frame).told == []


@pytest.mark.parametrize("price", [[], {}, ["1"]])
def test_a_list_in_place_of_a_number_costs_its_event_alone_and_is_named(price: Any) -> None:
    """The sink must not raise: the number was counted as part of a key before it was judged."""
    said: list[str] = []
    intake = Intake(10, Counts())
    sink = ConnectionSink(intake, "base", market=True, on_row=None, on_malformed=lambda _, line: said.append(line), clock=lambda: 0.0)
    sink.acknowledged("c", NOW * 1_000_000)
    sink.liquidation("c", RawLiquidation(BTC, NOW, "BUY", price, None, "1"), NOW * 1_000_000)
    assert said[0].startswith("price: a ")
    assert len(intake.take().rows) == 0


def test_a_contract_that_is_named_by_no_text_is_told() -> None:
    notes = Notes()
    order = b'{"s":["BTCUSDT"],"S":"BUY","p":"1","ap":"1","z":"1","T":1}'
    connection(notes).frames([b'{"e":"forceOrder","E":1,"o":' + order + b"}"], binance.STREAM)
    assert "the contract is named in no text" in notes.bad[0]
