"""Deribit's wire says what the market did, in the venue's pages and units."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from perptape.simulation.contract import Contract
from perptape.simulation.deribit import DeribitWire
from perptape.simulation.deribit_rest import FUNDING_PAGE
from perptape.simulation.market import Market
from perptape.simulation.wire import Maintainable, Reply, Request, Topic, Trading, Wire

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_790_000_123_456
MARKET = Market.standard(seed=7, symbols=5)
WIRE = DeribitWire()


def ask(method: str, now: int = NOW, **query: object) -> Reply:
    return WIRE.reply(Request("GET", f"/api/v2/public/{method}", {name: str(value) for name, value in query.items()}, None, now), MARKET)


def result(method: str, now: int = NOW, **query: object) -> Any:
    answer = ask(method, now, **query)
    assert answer.status == 200, answer.body
    assert answer.body["usOut"] - answer.body["usIn"] == answer.body["usDiff"]
    return answer.body["result"]


def contract(id: str) -> Contract:
    found = MARKET.contract("deribit", id)
    assert found is not None
    return found


BTC, SOL = contract("BTC-PERPETUAL"), contract("SOL_USDC-PERPETUAL")


def test_it_is_a_wire_with_trades_and_maintenance() -> None:
    wire: Wire = WIRE
    assert isinstance(wire, Trading)
    assert isinstance(wire, Maintainable)


def test_linear_perpetuals_are_listed_under_usdc_and_the_delisted_only_when_asked_for() -> None:
    names = [row["instrument_name"] for row in result("get_instruments")]
    assert [row["instrument_name"] for row in result("get_instruments", currency="BTC")] == ["BTC-PERPETUAL"]
    assert result("get_instruments", currency="SOL") == []
    assert "SOL_USDC-PERPETUAL" in [row["instrument_name"] for row in result("get_instruments", currency="USDC", kind="future")]
    assert "LUNA_USDC-PERPETUAL" not in names
    (gone,) = result("get_instruments", expired="true")
    assert (gone["instrument_name"], gone["is_active"]) == ("LUNA_USDC-PERPETUAL", False)
    assert result("get_instruments", kind="option") == []


@pytest.mark.parametrize("listed", [BTC, SOL])
def test_open_interest_is_usd_on_inverse_and_base_coin_on_linear_contracts(listed: Contract) -> None:
    (row,) = result("get_book_summary_by_instrument", instrument_name=listed.id)
    base = float(MARKET.open_interest(listed, NOW))
    assert row["open_interest"] == pytest.approx(base if listed.linear else base * float(MARKET.index("BTC", NOW)))
    assert row in result("get_book_summary_by_currency", currency=listed.settle)
    assert row["open_interest"] == result("ticker", instrument_name=listed.id)["open_interest"]


def test_funding_history_answers_the_oldest_31_days_of_the_window() -> None:
    start = NOW - 100 * DAY
    rows = result("get_funding_rate_history", instrument_name=BTC.id, start_timestamp=start, end_timestamp=NOW)
    truth = MARKET.settlements(BTC, start, NOW)
    assert len(rows) == FUNDING_PAGE < len(truth) == 2400
    assert [(row["timestamp"], row["interest_1h"]) for row in rows] == [(each.time, float(each.rate)) for each in truth[:FUNDING_PAGE]]
    assert rows[10]["interest_8h"] == pytest.approx(sum(row["interest_1h"] for row in rows[3:11]))


def test_funding_history_includes_both_ends() -> None:
    end = NOW // HOUR * HOUR - HOUR
    rows = result("get_funding_rate_history", instrument_name=BTC.id, start_timestamp=end - 2 * HOUR, end_timestamp=end)
    assert [row["timestamp"] for row in rows] == [end - 2 * HOUR, end - HOUR, end]


def test_the_funding_value_is_what_the_hours_of_the_window_came_to() -> None:
    value = result("get_funding_rate_value", instrument_name=BTC.id, start_timestamp=NOW - 8 * HOUR, end_timestamp=NOW)
    assert value == pytest.approx(float(sum(each.rate for each in MARKET.settlements(BTC, NOW - 8 * HOUR, NOW))))


@pytest.mark.slow
def test_trades_of_a_window_come_oldest_first_in_pages_and_flag_liquidations() -> None:
    method, end = "get_last_trades_by_instrument_and_time", NOW - 1
    truth = MARKET.trades(BTC, NOW - HOUR, NOW)
    rows: list[Any] = []
    more, start = True, NOW - HOUR
    while more:
        page = result(method, instrument_name=BTC.id, start_timestamp=start, end_timestamp=end, count=1000, sorting="asc")
        known = {row["trade_id"] for row in rows}
        rows += [row for row in page["trades"] if row["trade_id"] not in known]
        more, start = page["has_more"], rows[-1]["timestamp"]
    assert [(row["trade_id"], row["timestamp"], row.get("liquidation")) for row in rows] == [(t.id, t.time, t.liquidation) for t in truth]
    assert {"M", "T", "MT"} <= {row.get("liquidation") for row in rows}
    assert len(result(method, instrument_name=BTC.id, start_timestamp=NOW - HOUR)["trades"]) == 10
    newest = result(method, instrument_name=BTC.id, start_timestamp=NOW - HOUR, end_timestamp=end, sorting="desc", count=1)
    assert newest == {"trades": [rows[-1]], "has_more": True}


def test_trades_and_rates_of_a_ticker_listed_again_cover_both_lifetimes() -> None:
    again = NOW // HOUR * HOUR
    market = MARKET.relisted("deribit", BTC.id, again, Decimal(1))
    query = {"instrument_name": BTC.id, "start_timestamp": str(again - 60_000), "end_timestamp": str(again + 60_000), "count": "1000"}
    path = "/api/v2/public/get_last_trades_by_instrument_and_time"
    for sorting in ("asc", "desc"):
        trades = WIRE.reply(Request("GET", path, {**query, "sorting": sorting}, None, NOW), market).body["result"]["trades"]
        assert [row["timestamp"] for row in trades] == sorted((row["timestamp"] for row in trades), reverse=sorting == "desc")
        sizes = {(row["timestamp"] >= again, row["amount"] / row["contracts"]) for row in trades}
        assert sizes == {(False, 10.0), (True, 1.0)}
    rates = WIRE.reply(Request("GET", "/api/v2/public/get_funding_rate_history", query, None, NOW), market).body["result"]
    assert [row["timestamp"] for row in rates] == [again]


@pytest.mark.parametrize("listed", [BTC, SOL])
def test_amounts_are_contracts_times_their_size(listed: Contract) -> None:
    trades = MARKET.trades(listed, NOW - 60_000, NOW)
    (frame,) = WIRE.trade_frames(Topic("trades", f"trades.{listed.id}.100ms", listed.id), trades, NOW, MARKET)
    assert frame["params"]["channel"] == f"trades.{listed.id}.100ms"
    rows = frame["params"]["data"]
    assert [row["amount"] for row in rows] == [float(each.contracts * listed.contract_size) for each in trades]
    assert [row["direction"] for row in rows] == [each.side.lower() for each in trades]
    assert rows[0]["trade_id"] == (trades[0].id if listed is BTC else f"USDC-{trades[0].id}")


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("ticker", {"instrument_name": "NOPE-PERPETUAL"}, -32602),
        ("ticker", {"instrument_name": "LUNA_USDC-PERPETUAL"}, 13020),
        ("ticker", {}, -32602),
        ("get_last_trades_by_instrument", {"instrument_name": "BTC-PERPETUAL", "count": 1001}, -32602),
        ("get_funding_rate_history", {"instrument_name": "BTC-PERPETUAL"}, -32602),
        ("get_nothing", {}, -32601),
    ],
)
def test_a_wrong_request_is_answered_with_the_venues_code(method: str, query: dict[str, object], code: int) -> None:
    answer = ask(method, **query)
    assert (answer.status, answer.body["error"]["code"]) == (400, code)


def test_requests_cost_credits_and_the_instrument_list_has_a_pool_of_its_own() -> None:
    ticker = Request("GET", "/api/v2/public/ticker", {}, None, NOW)
    assert WIRE.costs(ticker) == {"credits": 500}
    assert WIRE.costs(Request("GET", "/api/v2/public/get_instruments", {}, None, NOW)) == {"instruments": 10_000}
    assert WIRE.limited(ticker, False, 1).body["error"]["code"] == 10028
    assert WIRE.unavailable(ticker).body["error"]["code"] == 13503


def subscribe(*channels: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 5, "method": "public/subscribe", "params": {"channels": list(channels)}}


def test_an_acknowledgement_lists_what_was_subscribed_and_leaves_out_the_unknown() -> None:
    said = WIRE.receive(subscribe("trades.BTC-PERPETUAL.100ms", "nothing.at.all", "ticker.BTC-PERPETUAL.100ms"), "/ws/api/v2", NOW)
    assert said.frames[0]["id"] == 5
    assert said.frames[0]["result"] == ["trades.BTC-PERPETUAL.100ms", "ticker.BTC-PERPETUAL.100ms"]
    assert [(topic.kind, topic.contract) for topic in said.added] == [("trades", "BTC-PERPETUAL"), ("control", "BTC-PERPETUAL")]
    gone = WIRE.receive({**subscribe("trades.BTC-PERPETUAL.100ms"), "method": "public/unsubscribe"}, "/ws/api/v2", NOW)
    assert gone.removed == said.added[:1]


def test_one_raw_channel_refuses_the_whole_subscription() -> None:
    said = WIRE.receive(subscribe("trades.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.raw"), "/ws/api/v2", NOW)
    assert said.added == ()
    assert said.frames[0]["error"]["code"] == 13778


def test_other_messages_are_answered_on_the_socket() -> None:
    for method, answered in (("public/test", {"version": "1.2.26"}), ("public/set_heartbeat", "ok"), ("public/get_time", NOW)):
        assert WIRE.receive({"jsonrpc": "2.0", "id": 1, "method": method}, "/ws/api/v2", NOW).frames[0]["result"] == answered
    for wrong in ("ping", {}, {"method": "public/dance", "id": 2}):
        assert "error" in WIRE.receive(wrong, "/ws/api/v2", NOW).frames[0]


def test_the_control_topic_is_the_ticker() -> None:
    (frame,) = WIRE.control_frames(Topic("control", "ticker.BTC-PERPETUAL.100ms", BTC.id), MARKET, NOW)
    assert frame["params"]["channel"] == "ticker.BTC-PERPETUAL.100ms"
    assert frame["params"]["data"] == result("ticker", instrument_name=BTC.id)
