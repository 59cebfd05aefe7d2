"""Hyperliquid's wire says what the market did, in the venue's pages and units."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from perptape.simulation.contract import Contract
from perptape.simulation.hyperliquid import JITTER, PAGE, HyperliquidWire
from perptape.simulation.market import Market
from perptape.simulation.wire import Maintainable, Reply, Request, Topic, Trading, Wire

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_790_000_123_456
MARKET = Market.standard(seed=7, symbols=5)
WIRE = HyperliquidWire()


def ask(body: Any, now: int = NOW) -> Reply:
    return WIRE.reply(Request("POST", "/info", {}, body, now), MARKET)


def data(now: int = NOW, **body: Any) -> Any:
    answer = ask(body, now)
    assert answer.status == 200, answer
    return answer.body


def contract(id: str) -> Contract:
    found = MARKET.contract("hyperliquid", id)
    assert found is not None
    return found


BTC = contract("BTC")


def test_it_is_a_wire_with_trades_and_maintenance() -> None:
    wire: Wire = WIRE
    assert isinstance(wire, Trading)
    assert isinstance(wire, Maintainable)


def test_every_coin_that_ever_was_keeps_its_place_and_the_delisted_are_marked() -> None:
    meta, contexts = data(type="metaAndAssetCtxs")
    assert [coin["name"] for coin in meta["universe"]] == ["BTC", "ETH", "SOL", "XRP", "DOGE", "LUNA"]
    assert [coin["name"] for coin in meta["universe"] if coin.get("isDelisted")] == ["LUNA"]
    assert meta == data(type="meta")
    assert len(contexts) == len(meta["universe"])
    assert contexts[-1]["openInterest"] == "0.0"


def test_open_interest_is_in_base_coin_and_carries_no_time() -> None:
    context = data(type="metaAndAssetCtxs")[1][0]
    assert Decimal(context["openInterest"]) == MARKET.open_interest(BTC, NOW)
    assert Decimal(context["funding"]) == MARKET.predicted(BTC, NOW)
    assert not {name for name in context if "time" in name.lower()}


def test_funding_history_is_the_oldest_500_rows_a_few_ms_after_the_hour() -> None:
    start = NOW - 60 * DAY
    truth = MARKET.settlements(BTC, start, NOW)
    rows: list[Any] = []
    while page := data(type="fundingHistory", coin="BTC", startTime=rows[-1]["time"] + 1 if rows else start):
        assert len(page) <= PAGE
        rows += page
    assert len(rows) == 1440
    assert [(row["time"] // HOUR * HOUR, Decimal(row["fundingRate"])) for row in rows] == [(each.time, each.rate) for each in truth]
    assert 0 < max(row["time"] % HOUR for row in rows) < JITTER


def test_funding_history_respects_both_ends_of_the_window() -> None:
    end = NOW // HOUR * HOUR - DAY
    rows = data(type="fundingHistory", coin="BTC", startTime=end - 3 * HOUR + JITTER, endTime=end + JITTER)
    assert [row["time"] // HOUR * HOUR for row in rows] == [end - 2 * HOUR, end - HOUR, end]


def test_funding_history_of_a_delisted_coin_ends_with_it() -> None:
    luna = contract("LUNA")
    assert luna.delisted is not None
    assert data(type="fundingHistory", coin="LUNA", startTime=luna.delisted) == []
    assert len(data(type="fundingHistory", coin="LUNA", startTime=luna.delisted - DAY)) == 24


def test_predicted_fundings_speak_of_other_venues_too_each_for_its_interval() -> None:
    predicted = dict(data(type="predictedFundings"))
    venues = dict(predicted["BTC"])
    assert set(venues) == {"BinPerp", "HlPerp", "BybitPerp"}
    assert venues["HlPerp"] == {
        "fundingRate": f"{MARKET.predicted(BTC, NOW).normalize():f}",
        "nextFundingTime": NOW // HOUR * HOUR + HOUR,
        "fundingIntervalHours": 1,
    }
    assert venues["BinPerp"]["fundingIntervalHours"] == 8
    assert "LUNA" not in predicted


@pytest.mark.parametrize("body", [None, [], {}, {"type": "nothing"}, {"type": ["meta"]}, {"type": "fundingHistory", "coin": "BTC"}])
def test_a_body_that_cannot_be_read_is_answered_422(body: Any) -> None:
    assert ask(body).status == 422


def test_an_unknown_coin_is_a_server_error() -> None:
    assert ask({"type": "fundingHistory", "coin": "NOPE", "startTime": NOW - DAY}).status == 500


@pytest.mark.parametrize(
    ("body", "weight"),
    [
        ({"type": "allMids"}, 2),
        ({"type": "metaAndAssetCtxs"}, 20),
        ({"type": "fundingHistory", "coin": "BTC", "startTime": NOW - 60 * DAY}, 45),
        ({"type": "fundingHistory", "coin": "BTC", "startTime": NOW - 60 * DAY, "endTime": NOW - 55 * DAY}, 26),
        (None, 20),
    ],
)
def test_a_history_costs_more_the_longer_its_answer(body: Any, weight: int) -> None:
    assert WIRE.costs(Request("POST", "/info", {}, body, NOW)) == {"weight": weight}


def test_subscriptions_are_echoed_and_pings_answered() -> None:
    wanted = {"type": "trades", "coin": "BTC"}
    said = WIRE.receive({"method": "subscribe", "subscription": wanted}, "/ws", NOW)
    assert said.frames == ({"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": wanted}},)
    assert said.added == (Topic("trades", "trades:BTC", "BTC"),)
    assert WIRE.receive({"method": "unsubscribe", "subscription": wanted}, "/ws", NOW).removed == said.added
    assert WIRE.receive({"method": "ping"}, "/ws", NOW).frames == ({"channel": "pong"},)
    for wrong in ("ping", {"method": "subscribe", "subscription": {"type": "liquidations"}}, {"method": "subscribe"}):
        assert WIRE.receive(wrong, "/ws", NOW).frames[0]["channel"] == "error"


def test_a_trade_does_not_say_whether_it_liquidated_anybody() -> None:
    trades = MARKET.trades(BTC, NOW - 60_000, NOW)
    (frame,) = WIRE.trade_frames(Topic("trades", "trades:BTC", "BTC"), trades, NOW, MARKET)
    assert [(row["time"], row["side"], Decimal(row["sz"])) for row in frame["data"]] == [
        (each.time, "B" if each.side == "BUY" else "A", each.contracts) for each in trades
    ]
    assert any(each.liquidation for each in trades)
    assert not any("liquidation" in row for row in frame["data"])
    assert WIRE.liquidation_frames(Topic("liquidations", "x", "BTC"), MARKET.liquidations(BTC, NOW - 60_000, NOW), NOW) == []


def test_the_control_topic_carries_the_context_of_its_coin() -> None:
    (frame,) = WIRE.control_frames(Topic("control", "activeAssetCtx:BTC", "BTC"), MARKET, NOW)
    assert frame == {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": data(type="metaAndAssetCtxs")[1][0]}}
    (mids,) = WIRE.control_frames(Topic("control", "allMids", None), MARKET, NOW)
    assert mids["data"]["mids"] == data(type="allMids")
