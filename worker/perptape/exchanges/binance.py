"""Binance, USD-M perpetuals.

Pure: what differs, as data, and how its answers read. Sources: [doc] developers.binance.com/docs/derivatives/usds-margined-futures,
[seen] recorded payloads, [ccxt] measured through CCXT 4.5.90.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from perptape.exchanges.base import CallLimit, Feed, History, PageRule, Traits
from perptape.exchanges.calls import (
    Call,
    Conversation,
    Reaction,
    Reply,
    Rows,
    asked,
    at,
    decimal,
    items,
    moment,
    of_one,
    read,
    same,
    some,
    whole,
)
from perptape.exchanges.frames import Hearing, Stream, unknown
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, Interval
from perptape.raw import RawFunding, RawOpenInterest, RawPrediction, RawVolume

TRAITS = Traits(
    venue="binance",
    title="Binance USD-M",
    nautilus_venue="BINANCE",
    default_perpetual=lambda base: f"{base}/USDT:USDT",
    open_interest_history=History(
        # [doc] openInterestHist: limit 30, at most 500; "only the data of the latest 1 month is available". Beyond limit rows the
        # newest before endTime come (end-anchored, CCXT PR #30016); an older startTime is refused with -1130 (CCXT issue #23712)
        page=PageRule(limit=500, order="backward"),
        periods=(5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY),
        retention=30 * DAY,
        stamp="instant",  # unverified: the documentation does not say; a bucket is listed minutes after its stamp
    ),
    # [doc] fundingRate: limit 100, at most 1000, ascending from startTime
    funding_history=History(page=PageRule(limit=1000, order="forward"), stamp="instant"),
    feed=Feed(
        scope="market",  # !forceOrder@arr: one topic for all symbols, so that it speaks often
        completeness="sampled",
        rule="only the latest liquidation order of a symbol within 1000 ms is pushed",  # [doc] Liquidation Order Streams
        push_interval=2_000,
        quiet_limit=5 * MINUTE,
        control="btcusdt@markPrice@1s",  # [doc] once a second
        quantity_unit="base",
    ),
    open_interest_calls="each",  # [doc] openInterest takes one symbol
    open_interest_sides="one",
    limits=(
        CallLimit("weight", 2400, MINUTE, header="x-mbx-used-weight-1m"),  # [doc] exchangeInfo's rateLimits
        CallLimit("data", 1000, 5 * MINUTE),  # [doc] /futures/data, by IP
        CallLimit("funding", 500, 5 * MINUTE),  # [doc] fundingRate and fundingInfo share it; CCXT paces 20 a second
    ),
    notes=("liquidations: at most one order per symbol and second is sent; sums are too low",),
)

CCXT = "binanceusdm"
CODES: dict[str, Reaction] = {
    "-1130": "shrink",  # "parameter 'startTime' is invalid.": older than 30 days (CCXT issue #23712)
    "-1121": "skip",  # "Invalid symbol."
    "-4108": "skip",  # "Symbol is on delivering or delivered or settling or closed or pre-trading."
    "-1003": "limit",
    "-1008": "retry",  # "Server is currently overloaded"
}
_PERIODS = {5: "5m", 15: "15m", 30: "30m", 60: "1h", 120: "2h", 240: "4h", 360: "6h", 720: "12h", 1440: "1d"}
_NEVER = 4_133_404_800_000  # [seen] the deliveryDate of every perpetual that is not being delisted
_EIGHT_HOURS = 480  # [doc] fundingInfo lists only symbols whose terms were adjusted: the rest settle every 8 h
_EXCHANGE_INFO = Call("fapiPublicGetExchangeInfo", cost={"weight": 1})
_FUNDING_INFO = Call("fapiPublicGetFundingInfo", cost={"funding": 1})
_TICKERS = Call("fapiPublicGetTicker24hr", cost={"weight": 40})
_PREMIUM_INDEX = Call("fapiPublicGetPremiumIndex", cost={"weight": 10})


def clock() -> Conversation[int | None]:
    (reply,) = yield [Call("fapiPublicGetTime", cost={"weight": 1})]
    return moment(reply.payload, "serverTime")


def instruments() -> Conversation[Rows[Instrument]]:
    """All, delisted ones too: they stay listed for a while with status SETTLING or CLOSE."""
    listing, funding = yield [_EXCHANGE_INFO, _FUNDING_INFO]
    hours, _ = _hours(funding)
    return read(some(listing.payload, "symbols"), lambda item: _instrument(item, hours, listing.received))


def _instrument(item: Any, hours: Mapping[str, int], now: int) -> Instrument | None:
    if not item["contractType"].endswith("PERPETUAL") or item["status"] == "PENDING_TRADING":
        return None
    minutes = hours.get(id := item["symbol"], _EIGHT_HOURS // 60) * 60
    base, quote, settle = item["baseAsset"], item["quoteAsset"], item["marginAsset"]
    filters = {each["filterType"]: each for each in item["filters"]}
    ends = whole(item.get("deliveryDate")) or _NEVER
    gone = item["status"] != "TRADING"
    return Instrument(
        venue="binance", id=f"{id}-PERP.BINANCE", symbol=f"{base}/{quote}:{settle}", venue_id=id, base=base, quote=quote, settle=settle,
        linear=True, contract_size=decimal(item.get("contractSize")) or Decimal(1),
        tick=decimal(filters.get("PRICE_FILTER", {}).get("tickSize")), lot=decimal(filters.get("LOT_SIZE", {}).get("stepSize")),
        funding_minutes=minutes, listed=whole(item.get("onboardDate")),
        delisted=min(ends, now) if gone else None,
    )  # fmt: skip


def open_interest(instruments: Sequence[Instrument]) -> Conversation[Rows[RawOpenInterest]]:
    """One call each, and one for all mark prices: the answer holds base coins only."""
    calls = [Call("fapiPublicGetOpenInterest", {"symbol": one.venue_id}, {"weight": 1}, one) for one in instruments]
    marks, *replies = yield [_PREMIUM_INDEX, *calls]
    known, odd = read(some(marks.payload), lambda item: (str(item["symbol"]), item["markPrice"]))
    mark = dict(known)

    def row(pair: tuple[Instrument, Reply]) -> RawOpenInterest:
        one, payload = pair[0], pair[1].payload
        same(at(payload, "symbol"), "symbol", one)
        return RawOpenInterest(one, moment(payload, "time"), base=at(payload, "openInterest"), mark=mark.get(one.venue_id))

    rows, dropped = read(zip(instruments, replies, strict=True), row)
    return rows, dropped + odd


def volume(instruments: Sequence[Instrument]) -> Conversation[Rows[RawVolume]]:
    """All symbols' day in one call; `quoteVolume` is in the quote coin."""
    (reply,) = yield [_TICKERS]
    return asked(some(reply.payload), lambda item: str(item["symbol"]), instruments, lambda item, one: RawVolume(one, item["quoteVolume"]))


def open_interest_page(instrument: Instrument, period: int, window: Interval) -> Conversation[Rows[RawOpenInterest]]:
    params = {"symbol": instrument.venue_id, "period": _PERIODS[period // MINUTE], "limit": 500} | _bounds(window)
    (reply,) = yield [Call("fapiDataGetOpenInterestHist", params, {"data": 1}, instrument)]

    def row(item: Any) -> RawOpenInterest:
        return RawOpenInterest(instrument, whole(item["timestamp"]), base=item["sumOpenInterest"], usd=item["sumOpenInterestValue"])

    return of_one(items(reply.payload), "symbol", instrument, row)


def funding(instruments: Sequence[Instrument]) -> Conversation[Rows[RawPrediction]]:
    premium, info = yield [_PREMIUM_INDEX, _FUNDING_INFO]
    hours, odd = _hours(info)

    def row(item: Any, one: Instrument) -> RawPrediction:
        return RawPrediction(
            one, whole(item["time"]), item["lastFundingRate"], whole(item["nextFundingTime"]),
            interval_minutes=hours.get(one.venue_id, _EIGHT_HOURS // 60) * 60, mark=item["markPrice"], index=item["indexPrice"],
        )  # fmt: skip

    rows, dropped = asked(some(premium.payload), lambda item: str(item["symbol"]), instruments, row)
    return rows, dropped + odd


def _hours(info: Reply) -> tuple[Mapping[str, int], list[str]]:
    """(symbol -> hours between its settlements, one line for each that cannot be understood)."""
    found, odd = read(items(info.payload), lambda item: (str(item["symbol"]), int(item["fundingIntervalHours"])))
    return dict(found), odd


def funding_page(instrument: Instrument, window: Interval) -> Conversation[Rows[RawFunding]]:
    params = {"symbol": instrument.venue_id, "limit": 1000} | _bounds(window)
    (reply,) = yield [Call("fapiPublicGetFundingRate", params, {"funding": 1}, instrument)]
    return of_one(
        items(reply.payload), "symbol", instrument, lambda item: RawFunding(instrument, whole(item["fundingTime"]), item["fundingRate"])
    )


def _bounds(window: Interval) -> dict[str, int]:
    """Always both: a lone startTime is not the start of a page on every endpoint. Both are inclusive."""
    return {"startTime": window.start, "endTime": window.end - 1}


def _subscribe(ids: Sequence[str], control: str) -> list[Any]:
    return [{"method": "SUBSCRIBE", "params": ["!forceOrder@arr", control], "id": 1}]


def _read(frame: Any, hearing: Hearing) -> None:
    kind = frame.get("e")
    if kind == "forceOrder":
        hearing.feed(None)
        order = frame["o"]
        # z, the whole quantity filled: a recorded order has q=z=0.014 but l (the last fill) 0.015
        hearing.event(order["s"], order["T"], order["S"], order["p"], order["ap"], order["z"], None)
    elif kind == "markPriceUpdate":
        hearing.control(frame["E"])
    elif "error" in frame or "code" in frame:
        hearing.refused(str(frame.get("error") or frame.get("msg")))
    elif "id" in frame:
        hearing.acknowledged(1)
    else:
        raise unknown("e", kind)


REPAIR = None
STREAM = Stream(
    address=("ws", "linear"),
    subscribe=_subscribe,
    acknowledgements=len,
    read=_read,
    # [doc] change notice of 2026-04: market streams have a path of their own; on the old one they are acknowledged and never speak
    finish=lambda address: address.removesuffix("/ws") + "/market/ws/1",
)
