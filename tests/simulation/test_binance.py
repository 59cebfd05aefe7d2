"""Binance's wire: its pages, its retention, its sampling."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from perptape.simulation.binance import BinanceWire
from perptape.simulation.contract import Contract
from perptape.simulation.market import SLOT, Market
from perptape.simulation.wire import Reply, Request, Topic

NOW = 1_795_000_123_456
HOUR, DAY = 3_600_000, 86_400_000
MARKET = Market.standard(seed=7)
WIRE = BinanceWire()


def get(path: str, market: Market = MARKET, now: int = NOW, **query: object) -> Reply:
    return WIRE.reply(Request("GET", path, {name: str(value) for name, value in query.items()}, None, now), market)


def history(now: int = NOW, **query: object) -> list[dict[str, Any]]:
    reply = get("/futures/data/openInterestHist", now=now, **{"symbol": "BTCUSDT", "period": "5m", **query})
    assert reply.status == 200, reply.body
    rows: list[dict[str, Any]] = reply.body
    return rows


def contract(id: str) -> Contract:
    found = MARKET.contract("binance", id)
    assert found is not None
    return found


def test_a_page_of_open_interest_is_the_newest_of_its_window_in_ascending_order() -> None:
    rows = history(startTime=NOW - 10 * DAY, endTime=NOW - 5 * DAY, limit=500)
    times = [row["timestamp"] for row in rows]
    assert len(times) == 500
    assert times == sorted(times)
    assert times[-1] == (NOW - 5 * DAY) // SLOT * SLOT


def test_open_interest_pages_are_thirty_rows_unless_more_are_asked_and_never_over_five_hundred() -> None:
    assert len(history()) == 30
    assert get("/futures/data/openInterestHist", symbol="BTCUSDT", period="5m", limit=501).body["code"] == -1130


def test_open_interest_before_thirty_days_ago_is_refused_and_not_in_any_page() -> None:
    refused = get("/futures/data/openInterestHist", symbol="BTCUSDT", period="5m", startTime=NOW - 30 * DAY - 1)
    assert (refused.status, refused.body["code"]) == (400, -1130)
    oldest = history(startTime=NOW - 30 * DAY, endTime=NOW - 30 * DAY + HOUR)[0]["timestamp"]
    assert NOW - 30 * DAY <= oldest < NOW - 30 * DAY + SLOT


def test_a_bucket_shows_up_minutes_after_its_end() -> None:
    moments = [NOW + minute * 60_000 for minute in range(120)]
    ages = [now - history(now=now)[-1]["timestamp"] for now in moments]
    assert min(ages) >= SLOT + MARKET.publication_delay_ms
    assert max(ages) <= 2 * SLOT + MARKET.publication_delay_ms + MARKET.publication_jitter_ms


def test_a_bucket_that_is_very_late_is_missing_from_a_page_and_comes_later() -> None:
    slow = replace(MARKET, publication_jitter_ms=1_500_000)
    asked = {"symbol": "BTCUSDT", "period": "5m", "limit": 30}

    def steps(now: int, **more: object) -> set[int]:
        times = [row["timestamp"] for row in get("/futures/data/openInterestHist", slow, now, **asked, **more).body]
        return {later - earlier for earlier, later in pairwise(times)}

    moments = [NOW + minute * 60_000 for minute in range(30)]
    assert any(steps(now) > {SLOT} for now in moments)
    assert all(steps(now + HOUR, endTime=now) == {SLOT} for now in moments)


def test_both_units_of_open_interest_belong_together() -> None:
    row = history()[-1]
    mark = MARKET.mark("BTC", row["timestamp"])
    assert abs(Decimal(row["sumOpenInterest"]) * mark - Decimal(row["sumOpenInterestValue"])) < Decimal("1e-6")
    assert Decimal(row["sumOpenInterest"]) == MARKET.open_interest(contract("BTCUSDT"), row["timestamp"])


def test_funding_goes_upwards_from_its_start_and_without_one_ends_with_the_newest() -> None:
    upwards = get("/fapi/v1/fundingRate", symbol="BTCUSDT", startTime=NOW - 100 * DAY, limit=10).body
    newest = get("/fapi/v1/fundingRate", symbol="BTCUSDT", limit=10).body
    assert len(upwards) == len(newest) == 10
    assert upwards[0]["fundingTime"] // 1000 * 1000 - (NOW - 100 * DAY) < 8 * HOUR
    assert NOW - newest[-1]["fundingTime"] < 8 * HOUR
    assert [row["fundingTime"] for row in upwards] == sorted(row["fundingTime"] for row in upwards)


def test_funding_times_are_some_milliseconds_late() -> None:
    rows = get("/fapi/v1/fundingRate", symbol="BTCUSDT", limit=1000).body
    late = {row["fundingTime"] % HOUR for row in rows}
    assert len(rows) == 1000
    assert max(late) < 16
    assert len(late) > 5


def test_a_page_of_funding_misses_no_settlement_when_the_interval_changes() -> None:
    start, rows = NOW - 400 * DAY, []
    cursor = start
    while page := get("/fapi/v1/fundingRate", symbol="XRPUSDT", startTime=cursor, limit=1000).body:
        rows += page
        cursor = page[-1]["fundingTime"] + 1
    assert [row["fundingTime"] // 1000 * 1000 for row in rows] == [one.time for one in MARKET.settlements(contract("XRPUSDT"), start, NOW)]


def test_only_symbols_with_adjusted_terms_have_funding_info() -> None:
    info = {row["symbol"]: row["fundingIntervalHours"] for row in get("/fapi/v1/fundingInfo").body}
    assert info["DOGEUSDT"] == 4
    assert "BTCUSDT" not in info


def test_a_delisted_symbol_stays_in_the_list_without_trading() -> None:
    symbols = {row["symbol"]: row for row in get("/fapi/v1/exchangeInfo").body["symbols"]}
    gone = contract("LUNAUSDT")
    assert (symbols["LUNAUSDT"]["status"], symbols["LUNAUSDT"]["deliveryDate"]) == ("SETTLING", gone.delisted)
    assert get("/fapi/v1/openInterest", symbol="LUNAUSDT").body["code"] == -4108
    assert get("/fapi/v1/openInterest", symbol="NOSUCHUSDT").body["code"] == -1121


def test_only_the_latest_liquidation_of_a_symbol_and_second_is_sent() -> None:
    btc = contract("BTCUSDT")
    market = Market(MARKET.seed, MARKET.listings, liquidation_rates={("binance", "BTCUSDT"): 5.0})
    happened = market.liquidations(btc, NOW, NOW + 60_000)
    sent = WIRE.sampled(happened)
    latest = {event.time // 1000: event for event in happened}
    assert sent == list(latest.values())
    assert len(happened) > 3 * len(sent)


def test_a_force_order_tells_the_orders_side_and_its_average_price() -> None:
    event = MARKET.liquidations(contract("BTCUSDT"), NOW, NOW + HOUR)[0]
    frame = WIRE.liquidation_frames(Topic("liquidations", "!forceOrder@arr", None), [event], NOW)[0]
    assert frame["e"] == "forceOrder"
    order = frame["o"]
    assert (order["s"], order["S"], order["T"]) == ("BTCUSDT", event.side, event.time)
    assert (order["ap"], order["z"]) == (format(event.average_price, "f"), format(event.base, "f"))


def test_streams_of_another_category_are_acknowledged_and_never_speak() -> None:
    asked = {"method": "SUBSCRIBE", "params": ["!forceOrder@arr", "btcusdt@markPrice@1s"], "id": 3}
    for path, kinds in (("/market/ws/0", ["liquidations", "control"]), ("/public/ws/0", []), ("/ws/0", [])):
        led = WIRE.receive(asked, path, NOW)
        assert led.frames == ({"result": None, "id": 3},)
        assert [topic.kind for topic in led.added] == kinds
