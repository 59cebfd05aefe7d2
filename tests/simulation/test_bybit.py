"""Bybit's wire: newest first, lone starts ignored, sides of positions."""

from __future__ import annotations

from typing import Any

from perptape.simulation.bybit import BybitWire
from perptape.simulation.contract import Contract
from perptape.simulation.market import SLOT, Market
from perptape.simulation.wire import Request, Topic

NOW = 1_795_000_123_456
HOUR, DAY = 3_600_000, 86_400_000
MARKET = Market.standard(seed=7, symbols=30)
WIRE = BybitWire()


def get(path: str, **query: object) -> dict[str, Any]:
    given = {"category": "linear", **{name: str(value) for name, value in query.items()}}
    reply = WIRE.reply(Request("GET", "/v5/market/" + path, given, None, NOW), MARKET)
    assert reply.status == 200
    body: dict[str, Any] = reply.body
    return body


def history(**query: object) -> list[int]:
    rows = get("open-interest", **{"symbol": "BTCUSDT", "intervalTime": "5min", **query})["result"]["list"]
    return [int(row["timestamp"]) for row in rows]


def contract(id: str) -> Contract:
    found = MARKET.contract("bybit", id)
    assert found is not None
    return found


def test_open_interest_comes_newest_first_and_ends_at_the_end_asked_for() -> None:
    times = history(startTime=NOW - 5 * DAY, endTime=NOW - DAY, limit=200)
    assert len(times) == 200
    assert times == sorted(times, reverse=True)
    assert times[0] == (NOW - DAY) // SLOT * SLOT


def test_a_lone_start_is_ignored() -> None:
    assert history(startTime=NOW - 5 * DAY) == history()
    assert len(history()) == 50


def test_the_cursor_leads_to_the_page_before() -> None:
    first = get("open-interest", symbol="BTCUSDT", intervalTime="5min", limit=100)["result"]
    second = get("open-interest", symbol="BTCUSDT", intervalTime="5min", limit=100, cursor=first["nextPageCursor"])["result"]
    assert [row["timestamp"] for row in first["list"] + second["list"]] == [str(time) for time in history(limit=200)]


def test_open_interest_goes_back_to_the_listing_and_stops_there() -> None:
    listed = contract("BTCUSDT").listed
    times = history(startTime=listed - DAY, endTime=listed + HOUR)
    assert times[-1] == listed
    assert len(times) == 13


def test_funding_comes_newest_first_and_refuses_a_lone_start() -> None:
    rows = get("funding/history", symbol="XRPUSDT", startTime=NOW - 30 * DAY, endTime=NOW)["result"]["list"]
    expected = MARKET.settlements(contract("XRPUSDT"), NOW - 30 * DAY, NOW)
    assert [int(row["fundingRateTimestamp"]) for row in rows] == [one.time for one in reversed(expected)][:200]
    assert get("funding/history", symbol="XRPUSDT", startTime=NOW - 30 * DAY)["retCode"] == 10001


def test_instruments_are_paged_and_hold_the_delisted_only_when_asked() -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = get("instruments-info", limit=7, cursor=cursor)["result"]
        seen += [row["symbol"] for row in page["list"]]
        cursor = page["nextPageCursor"]
        if not cursor:
            break
    assert seen == [listed.id for listed in MARKET.contracts("bybit", NOW)]
    closed = get("instruments-info", status="Closed")["result"]["list"]
    assert [(row["symbol"], row["deliveryTime"]) for row in closed] == [("LUNAUSDT", str(contract("LUNAUSDT").delisted))]


def test_one_call_of_tickers_tells_the_open_interest_and_funding_of_all() -> None:
    rows = get("tickers")["result"]["list"]
    assert len(rows) == 30
    btc = rows[0]
    assert btc["openInterest"] == format(MARKET.open_interest(contract("BTCUSDT"), NOW), "f")
    assert btc["nextFundingTime"] == str(MARKET.next_settlement(contract("BTCUSDT"), NOW))


def test_a_liquidation_is_told_by_the_side_of_the_position_and_its_bankruptcy_price() -> None:
    events = MARKET.liquidations(contract("BTCUSDT"), NOW, NOW + HOUR)[:5]
    frames = WIRE.liquidation_frames(Topic("liquidations", "allLiquidation.BTCUSDT", "BTCUSDT"), events, NOW)
    assert len(frames) == 1
    for row, event in zip(frames[0]["data"], events, strict=True):
        assert row["S"] == ("Buy" if event.side == "SELL" else "Sell")
        assert (row["p"], row["v"]) == (format(event.bankruptcy_price, "f"), format(event.base, "f"))


def test_an_unknown_topic_refuses_the_whole_subscription() -> None:
    led = WIRE.receive({"op": "subscribe", "args": ["allLiquidation.BTCUSDT", "nonsense"], "req_id": "1"}, "/v5/public/linear", NOW)
    assert led.frames[0]["success"] is False
    assert led.added == ()


def test_pings_are_answered() -> None:
    assert WIRE.receive({"op": "ping", "req_id": "7"}, "/v5/public/linear", NOW).frames[0]["ret_msg"] == "pong"


def test_errors_come_with_status_200() -> None:
    assert get("open-interest", symbol="NOSUCHUSDT", intervalTime="5min")["retCode"] == 10001
    assert get("open-interest", symbol="BTCUSDT", intervalTime="7min")["retCode"] == 10001
