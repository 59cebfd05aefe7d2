"""OKX's wire says what the market did, in the venue's pages and units."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from perptape.simulation.contract import Contract
from perptape.simulation.market import Market
from perptape.simulation.okx import OkxWire
from perptape.simulation.okx_rest import FUNDING_KEPT, PERIODS
from perptape.simulation.wire import Maintainable, Reply, Request, Sampling, Topic, Wire

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_790_000_123_456
MARKET = Market.standard(seed=7, symbols=5)
WIRE = OkxWire()
HISTORY = "rubik/stat/contracts/open-interest-history"


def ask(path: str, now: int = NOW, market: Market = MARKET, **query: object) -> Reply:
    return WIRE.reply(Request("GET", f"/api/v5/{path}", {name: str(value) for name, value in query.items()}, None, now), market)


def data(path: str, now: int = NOW, market: Market = MARKET, **query: object) -> list[Any]:
    answer = ask(path, now, market, **query)
    assert answer.body["code"] == "0", answer.body
    return list(answer.body["data"])


def contract(id: str) -> Contract:
    found = MARKET.contract("okx", id)
    assert found is not None
    return found


BTC = contract("BTC-USDT-SWAP")


def test_what_was_liquidated_before_a_ticker_was_listed_again_is_its_past_too() -> None:
    ended, again = NOW - 30 * MINUTE, NOW - 20 * MINUTE
    market = MARKET.delisted("okx", BTC.id, ended).relisted("okx", BTC.id, again, Decimal(1))
    (row,) = data(
        "public/liquidation-orders", market=market, instType="SWAP", uly="BTC-USDT", state="filled", after=again, before=ended - MINUTE
    )
    first, _ = market.lifetimes("okx", BTC.id)
    kept = WIRE.sampled(market.liquidations(first, ended - MINUTE + 1, again))
    assert kept
    assert [int(detail["ts"]) for detail in row["details"]] == [event.time for event in reversed(kept)]


def test_a_page_that_is_cut_within_a_second_shows_no_order_that_the_feed_does_not() -> None:
    busy = Market(MARKET.seed, MARKET.listings, liquidation_rates={("okx", BTC.id): 20.0})
    sent = {event.time for event in WIRE.sampled(busy.liquidations(BTC, NOW // 1000 * 1000 - 60_000, NOW // 1000 * 1000))}
    for cut in range(NOW // 1000 * 1000 - 30_000, NOW // 1000 * 1000 - 20_000, 130):
        asked = {"instType": "SWAP", "uly": "BTC-USDT", "state": "filled", "after": cut, "before": cut - 3 * 1000}
        (row,) = data("public/liquidation-orders", market=busy, **asked)
        assert {int(detail["ts"]) for detail in row["details"]} <= sent


def test_it_is_a_wire_that_samples_and_knows_maintenance() -> None:
    wire: Wire = WIRE
    assert isinstance(wire, Sampling)
    assert isinstance(wire, Maintainable)


def test_instruments_give_the_contract_value_in_base_coin_or_in_usd() -> None:
    rows = {row["instId"]: row for row in data("public/instruments", instType="SWAP")}
    assert (rows["BTC-USDT-SWAP"]["ctVal"], rows["BTC-USDT-SWAP"]["ctValCcy"]) == ("0.01", "BTC")
    assert (rows["BTC-USD-SWAP"]["ctVal"], rows["BTC-USD-SWAP"]["ctValCcy"], rows["BTC-USD-SWAP"]["settleCcy"]) == ("100", "USD", "BTC")
    assert "LUNA-USDT-SWAP" not in rows
    assert data("public/instruments", instType="SPOT") == []


@pytest.mark.parametrize("id", ["BTC-USDT-SWAP", "BTC-USD-SWAP"])
def test_open_interest_is_contracts_base_coin_and_usd_of_the_same_amount(id: str) -> None:
    (row,) = data("public/open-interest", instType="SWAP", instId=id)
    assert Decimal(row["oi"]) == MARKET.open_contracts(contract(id), NOW)
    assert Decimal(row["oiCcy"]) == MARKET.open_interest(contract(id), NOW)
    assert float(row["oiUsd"]) == pytest.approx(float(Decimal(row["oiCcy"]) * MARKET.mark("BTC", NOW)))
    assert row in data("public/open-interest", instType="SWAP")


def test_open_interest_history_is_newest_first_between_exclusive_bounds() -> None:
    begin = NOW // HOUR * HOUR - 10 * HOUR
    rows = data(HISTORY, instId=BTC.id, period="1H", begin=begin, end=begin + 4 * HOUR)
    assert [int(row[0]) for row in rows] == [begin + 3 * HOUR, begin + 2 * HOUR, begin + HOUR]
    assert [Decimal(row[2]) for row in rows] == [MARKET.open_interest(BTC, int(row[0]) + HOUR) for row in rows]  # stamped by their start


def test_open_interest_history_keeps_three_days_of_5m_and_answers_100_rows() -> None:
    times: list[int] = []
    end = NOW + 1
    while page := data(HISTORY, instId=BTC.id, period="5m", end=end, limit=500):
        assert len(page) <= 100
        times += [int(row[0]) for row in page]
        end = times[-1]
    assert len(times) == len(set(times)) == 3 * DAY // (5 * MINUTE)
    assert times[-1] >= NOW - 3 * DAY


def test_the_bucket_that_is_not_final_moves_with_the_market() -> None:
    opened = NOW // (5 * MINUTE) * (5 * MINUTE)
    first, later = (data(HISTORY, now, instId=BTC.id, period="5m", limit=1)[0] for now in (opened + MINUTE, opened + 2 * MINUTE))
    assert first[0] == later[0] == str(opened)
    assert first[2] != later[2]
    final = data(HISTORY, MARKET.published(BTC, opened), instId=BTC.id, period="5m", begin=opened - 1, end=opened + 1)
    assert Decimal(final[0][2]) == MARKET.open_interest(BTC, opened + 5 * MINUTE)


@pytest.mark.parametrize(("period", "hour"), [("1D", 16), ("1Dutc", 0)])
def test_days_open_at_midnight_of_utc_plus_8_unless_asked_for_utc(period: str, hour: int) -> None:
    assert {int(row[0]) % DAY // HOUR for row in data(HISTORY, instId=BTC.id, period=period)} == {hour}


def test_every_period_answers() -> None:
    assert all(data(HISTORY, instId=BTC.id, period=period, limit=2) for period in PERIODS)
    assert ask(HISTORY, instId=BTC.id, period="7m").body["code"] == "51000"


def test_funding_history_answers_the_newest_rows_whatever_before_says() -> None:
    path = "public/funding-rate-history"
    truth = MARKET.settlements(BTC, NOW - 80 * DAY, NOW)
    rows = data(path, instId=BTC.id, before=NOW - 80 * DAY)
    assert len(truth) == 240
    assert [(int(row["fundingTime"]), Decimal(row["realizedRate"])) for row in rows] == [(t.time, t.rate) for t in truth[:-101:-1]]
    older = data(path, instId=BTC.id, after=rows[-1]["fundingTime"])
    assert [int(row["fundingTime"]) for row in older] == [t.time for t in truth[-101:-201:-1]]
    assert any(row["fundingRate"] != row["realizedRate"] for row in rows)


def test_funding_history_ends_three_months_ago() -> None:
    assert data("public/funding-rate-history", instId=BTC.id, after=NOW - FUNDING_KEPT) == []
    assert data("public/funding-rate-history", instId=BTC.id, after=NOW - FUNDING_KEPT + DAY)


def test_current_funding_names_its_time_and_the_next_one_and_predicts_nothing_beyond() -> None:
    (row,) = data("public/funding-rate", instId=BTC.id)
    assert int(row["fundingTime"]) == MARKET.next_settlement(BTC, NOW)
    assert int(row["nextFundingTime"]) - int(row["fundingTime"]) == 8 * HOUR
    assert row["nextFundingRate"] == ""
    assert Decimal(row["settFundingRate"]) == MARKET.settled_rate(BTC, int(row["prevFundingTime"]))
    assert len(data("public/funding-rate", instId="ANY")) == len(data("public/instruments", instType="SWAP"))


def test_a_ticker_listed_again_shows_each_lifetime_in_its_own_contracts() -> None:
    again = NOW // DAY * DAY - DAY
    market = MARKET.relisted("okx", BTC.id, again, Decimal("0.1"))
    old, new = market.lifetimes("okx", BTC.id)
    rows = data(HISTORY, market=market, instId=BTC.id, period="1H", begin=again - 3 * HOUR, end=again + 3 * HOUR)
    sizes = [(int(row[0]), Decimal(row[2]) / Decimal(row[1])) for row in rows]
    assert sizes == [(again + hour * HOUR, (new if hour >= 0 else old).contract_size) for hour in (2, 1, 0, -1, -2)]
    times = [int(row["fundingTime"]) for row in data("public/funding-rate-history", market=market, instId=BTC.id)]
    assert times == [each.time for each in MARKET.settlements(BTC, NOW - 80 * DAY, NOW)][:-101:-1]


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("public/open-interest", {"instId": "NOPE-USDT-SWAP"}, "51001"),
        ("public/open-interest", {"instId": "LUNA-USDT-SWAP"}, "51001"),
        ("public/funding-rate", {}, "50014"),
        ("public/funding-rate-history", {"instId": "BTC-USDT-SWAP", "before": "yesterday"}, "51000"),
        ("public/liquidation-orders", {"instType": "SWAP"}, "50015"),
    ],
)
def test_a_wrong_request_is_answered_with_the_venues_code(path: str, query: dict[str, str], code: str) -> None:
    assert ask(path, **query).body["code"] == code


def test_limits_are_per_endpoint_and_where_the_venue_says_so_per_instrument() -> None:
    names = {limit.name for limit in WIRE.limits}
    for path, query, cost in (
        ("public/funding-rate-history", {"instId": BTC.id}, f"funding-rate-history/{BTC.id}"),
        (HISTORY, {"instId": BTC.id}, f"open-interest-history/{BTC.id}"),
        ("public/instruments", {}, "instruments"),
    ):
        request = Request("GET", f"/api/v5/{path}", query, None, NOW)
        assert WIRE.costs(request) == {cost: 1}
        assert cost.partition("/")[0] in names
    assert WIRE.limited(request, False, 1).body["code"] == "50011"
    assert WIRE.unavailable(request).body["code"] == "50001"


def test_at_most_one_order_per_contract_and_second_is_sent_with_several_details_to_a_frame() -> None:
    events = MARKET.liquidations(BTC, NOW - 60_000, NOW)
    kept = WIRE.sampled(events)
    seconds = {event.time // 1000 for event in events}
    assert len(events) > len(kept) == len(seconds)
    (frame,) = WIRE.liquidation_frames(Topic("liquidations", "liquidation-orders:SWAP", None), kept, NOW)
    (row,) = frame["data"]
    assert frame["arg"] == {"channel": "liquidation-orders", "instType": "SWAP"}
    assert (row["instId"], row["instType"], row["uly"]) == (BTC.id, "SWAP", "BTC-USDT")
    assert [(d["ts"], d["side"], Decimal(d["bkPx"]), Decimal(d["sz"])) for d in row["details"]] == [
        (str(event.time), event.side.lower(), event.bankruptcy_price, event.contracts) for event in kept
    ]
    assert {(d["side"], d["posSide"]) for d in row["details"]} == {("buy", "short"), ("sell", "long")}


def test_filled_liquidations_can_be_asked_for_again() -> None:
    (row,) = data("public/liquidation-orders", instType="SWAP", uly="BTC-USDT", state="filled", limit=20)
    kept = WIRE.sampled(MARKET.liquidations(BTC, NOW - HOUR, NOW))
    assert [d["ts"] for d in row["details"]] == [str(event.time) for event in kept[:-21:-1]]


def test_a_subscription_is_acknowledged_and_an_unknown_one_refused() -> None:
    liquidations = {"channel": "liquidation-orders", "instType": "SWAP"}
    tickers = {"channel": "tickers", "instId": BTC.id}
    said = WIRE.receive({"op": "subscribe", "args": [liquidations, tickers, {"channel": "nothing"}]}, "/ws/v5/public", NOW)
    assert [frame["event"] for frame in said.frames] == ["subscribe", "subscribe", "error"]
    assert said.frames[0]["arg"] == liquidations
    assert [(topic.kind, topic.contract) for topic in said.added] == [("liquidations", None), ("control", BTC.id)]
    left = WIRE.receive({"op": "unsubscribe", "args": [tickers]}, "/ws/v5/public", NOW)
    assert left.removed == said.added[1:]
    futures = WIRE.receive({"op": "subscribe", "args": [{"channel": "liquidation-orders", "instType": "FUTURES"}]}, "/ws/v5/public", NOW)
    assert (futures.frames[0]["event"], futures.added) == ("subscribe", ())
    assert WIRE.receive("ping", "/ws/v5/public", NOW).frames == ("pong",)
    assert WIRE.receive({"op": "dance"}, "/ws/v5/public", NOW).frames[0]["code"] == "60012"


@pytest.mark.parametrize("channel", ["tickers", "mark-price", "open-interest", "funding-rate"])
def test_control_topics_speak_at_every_tick(channel: str) -> None:
    (frame,) = WIRE.control_frames(Topic("control", f"{channel}:{BTC.id}", BTC.id), MARKET, NOW)
    assert frame["arg"] == {"channel": channel, "instId": BTC.id}
    assert frame["data"][0]["ts"] == str(NOW)
