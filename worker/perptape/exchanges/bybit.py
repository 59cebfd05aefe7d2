"""Bybit, linear perpetuals.

Pure: what differs, as data, and how its answers read. Sources: [doc] bybit-exchange.github.io/docs/v5, [seen] recorded payloads,
[ccxt] CCXT's source and threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from perptape.exchanges.base import CallLimit, Feed, History, PageRule, Traits
from perptape.exchanges.calls import Call, Conversation, Reaction, Rows, asked, decimal, items, moment, of_one, read, same, some, whole
from perptape.exchanges.culprit import Malformed
from perptape.exchanges.frames import Hearing, Stream, chunks, each, unknown
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, SECOND, Interval
from perptape.raw import RawFunding, RawOpenInterest, RawPrediction, RawVolume

TRAITS = Traits(
    venue="bybit",
    title="Bybit linear",
    nautilus_venue="BYBIT",
    default_perpetual=lambda base: f"{base}/USDT:USDT",
    open_interest_history=History(
        # [doc] open-interest: limit 50, at most 200; newest first and end-anchored, a lone startTime is ignored (CCXT PR #30016)
        page=PageRule(limit=200, order="backward"),
        periods=(5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, DAY),
        stamp="start",  # CCXT: the newest bucket is stamped up to an interval ago
    ),
    # [doc] funding/history: limit 200, newest first; startTime alone is an error
    funding_history=History(page=PageRule(limit=200, order="backward"), stamp="instant"),
    feed=Feed(
        scope="symbol",  # [doc] allLiquidation.{symbol}: there is no topic for all
        completeness="complete",  # [doc] "pushes all liquidations that occur"
        rule="all liquidations, pushed every 500 ms",
        push_interval=2_000,
        quiet_limit=5 * MINUTE,
        control="tickers.BTCUSDT",  # [doc] pushed every 100 ms
        quantity_unit="base",
    ),
    open_interest_sides="unknown",  # [doc] v5 says "the sum of both sides", v3 said "single side"
    limits=(CallLimit("ip", 600, 5 * SECOND),),  # [doc] Rate Limit, by IP; beyond it a 403 that lasts 10 minutes
    notes=(
        "open interest now is taken from the tickers: the history's newest bucket is up to its period old",
        "liquidations: price is the bankruptcy price, not a fill",
    ),
)

CCXT = "bybit"
CODES: dict[str, Reaction] = {
    "10016": "retry",  # "Internal server error": CCXT files it under its bare ExchangeError
    "10000": "retry",  # "Server Timeout"
    "10006": "limit",
    "10018": "limit",
    "10001": "skip",  # "params error": a symbol that is not known
    "110074": "skip",  # a contract that is not live
}
_PERIODS = {5: "5min", 15: "15min", 30: "30min", 60: "1h", 240: "4h", 1440: "1d"}
_STATES = ("Trading", "Closed")  # [doc] without a status only the live ones are listed
_ONE = {"ip": 1}


def clock() -> Conversation[int | None]:
    (reply,) = yield [Call("publicGetV5MarketTime", cost=_ONE)]
    return moment(reply.payload, "time")


def instruments() -> Conversation[Rows[Instrument]]:
    """All pages of the live and of the closed; every page but the last says where the next one starts."""
    found: list[Any] = []
    cursors: dict[str, str] = dict.fromkeys(_STATES, "")
    seen: set[tuple[str, str]] = set()
    while cursors:
        replies = yield [_listing(state, cursor) for state, cursor in cursors.items()]
        for state, reply in zip(list(cursors), replies, strict=True):
            page = (some if state == "Trading" and not found else items)(reply.payload, "result", "list")
            found += page
            cursors[state] = _cursor(reply.payload["result"]) if page else ""
            if (state, cursors[state]) in seen:
                raise Malformed(f"result.nextPageCursor: {cursors[state]} comes again: the pages of contracts have no end")
            seen |= {(state, cursor) for state, cursor in cursors.items() if cursor}
        cursors = {state: cursor for state, cursor in cursors.items() if cursor}
    return read(found, _instrument)


def _cursor(result: Any) -> str:
    """Where the next page begins; nothing on the last."""
    said = result.get("nextPageCursor") or ""
    if not isinstance(said, str):
        raise Malformed(f"result.nextPageCursor: {said} is no text")
    if not (cursor := unquote(said)).isascii() or not cursor.isprintable():
        raise Malformed(f"result.nextPageCursor: {cursor!a} is no cursor: it cannot be asked for")
    return cursor


def _listing(state: str, cursor: str) -> Call:
    params = {"category": "linear", "status": state, "limit": 1000} | ({"cursor": cursor} if cursor else {})
    return Call("publicGetV5MarketInstrumentsInfo", params, _ONE)


def _instrument(item: Any) -> Instrument | None:
    if item["contractType"] != "LinearPerpetual":
        return None
    id, base, quote, settle = item["symbol"], item["baseCoin"], item["quoteCoin"], item["settleCoin"]
    gone = item["status"] == "Closed"
    return Instrument(
        venue="bybit", id=f"{id}-LINEAR.BYBIT", symbol=f"{base}/{quote}:{settle}", venue_id=id, base=base, quote=quote, settle=settle,
        linear=True, contract_size=Decimal(1), tick=decimal(item["priceFilter"]["tickSize"]), lot=decimal(item["lotSizeFilter"]["qtyStep"]),
        funding_minutes=whole(item.get("fundingInterval")) or None, listed=whole(item["launchTime"]),
        delisted=whole(item["deliveryTime"]) if gone else None,
    )  # fmt: skip


def open_interest(instruments: Sequence[Instrument]) -> Conversation[Rows[RawOpenInterest]]:
    """All symbols' tickers in one call: `open-interest` would answer a bucket that is up to its period old."""
    tickers, time = yield from _tickers()

    def row(item: Any, one: Instrument) -> RawOpenInterest:
        return RawOpenInterest(one, time, base=item["openInterest"], usd=item["openInterestValue"], mark=item["markPrice"])

    return asked(tickers, _symbol, instruments, row)


def volume(instruments: Sequence[Instrument]) -> Conversation[Rows[RawVolume]]:
    """`turnover24h` is in the quote coin, `volume24h` in base coins [doc, seen]."""
    tickers, _ = yield from _tickers()
    return asked(tickers, _symbol, instruments, lambda item, one: RawVolume(one, item["turnover24h"]))


def open_interest_page(instrument: Instrument, period: int, window: Interval) -> Conversation[Rows[RawOpenInterest]]:
    params = _page(instrument, window) | {"intervalTime": _PERIODS[period // MINUTE]}
    (reply,) = yield [Call("publicGetV5MarketOpenInterest", params, _ONE, instrument)]
    found = items(reply.payload, "result", "list")
    same(reply.payload["result"].get("symbol"), "result.symbol", instrument)
    return read(
        found,
        lambda item: RawOpenInterest(instrument, whole(item["timestamp"]), base=item["openInterest"]),
    )


def funding(instruments: Sequence[Instrument]) -> Conversation[Rows[RawPrediction]]:
    tickers, time = yield from _tickers()

    def row(item: Any, one: Instrument) -> RawPrediction:
        hours = whole(item.get("fundingIntervalHour"))
        return RawPrediction(
            one, time, item["fundingRate"], whole(item["nextFundingTime"]),
            interval_minutes=hours * 60 if hours else one.funding_minutes, mark=item["markPrice"], index=item["indexPrice"],
        )  # fmt: skip

    return asked(tickers, _symbol, instruments, row)


def funding_page(instrument: Instrument, window: Interval) -> Conversation[Rows[RawFunding]]:
    (reply,) = yield [Call("publicGetV5MarketFundingHistory", _page(instrument, window), _ONE, instrument)]
    return of_one(
        items(reply.payload, "result", "list"), "symbol", instrument,
        lambda item: RawFunding(instrument, whole(item["fundingRateTimestamp"]), item["fundingRate"]),
    )  # fmt: skip


def _symbol(item: Any) -> str:
    return str(item["symbol"])


def _tickers() -> Conversation[tuple[list[Any], int | None]]:
    (reply,) = yield [Call("publicGetV5MarketTickers", {"category": "linear"}, _ONE)]
    return some(reply.payload, "result", "list"), moment(reply.payload, "time")


def _page(instrument: Instrument, window: Interval) -> dict[str, Any]:
    """Always both ends: a lone startTime is ignored. Both are inclusive."""
    return {"category": "linear", "symbol": instrument.venue_id, "limit": 200, "startTime": window.start, "endTime": window.end - 1}


_SIDE = {"Buy": "SELL", "Sell": "BUY"}  # [doc] S is the side of the POSITION: a Buy was a long, liquidated by selling


def _subscribe(ids: Sequence[str], control: str) -> list[Any]:
    topics = [control, *(f"allLiquidation.{id}" for id in ids)]
    # [doc] the args of all frames of a connection may have 21 000 characters
    return [{"op": "subscribe", "req_id": str(n), "args": list(part)} for n, part in enumerate(chunks(topics, 100))]


def _read(frame: Any, hearing: Hearing) -> None:
    topic = frame.get("topic")
    if topic is None:
        if (said := frame.get("op")) == "subscribe" or frame.get("success") is False:
            hearing.acknowledged(1) if frame["success"] else hearing.refused(str(frame.get("ret_msg")))
        elif said not in ("ping", "pong"):
            raise unknown("op", said)
    elif topic.startswith("allLiquidation."):
        hearing.feed(topic[15:])
        each(frame["data"], _liquidation, hearing)
    elif topic.startswith("tickers."):
        hearing.control(frame["ts"])
    else:
        raise unknown("topic", topic)


def _liquidation(item: Any, hearing: Hearing) -> None:
    hearing.event(item["s"], item["T"], _SIDE[item["S"]], item["p"], None, item["v"], None)


REPAIR = None
STREAM = Stream(address=("ws", "public", "linear"), subscribe=_subscribe, acknowledgements=len, read=_read)
