"""OKX, perpetual swaps.

Pure: what differs, as data, and how its answers read. Sources: [doc] okx.com/docs-v5, [seen] recorded payloads, [ccxt] CCXT's source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from perptape.exchanges.base import CallLimit, Feed, History, PageRule, Traits
from perptape.exchanges.calls import Call, Conversation, Reaction, Rows, asked, decimal, items, moment, of_one, read, some, whole
from perptape.exchanges.frames import Hearing, Stream, each, unknown
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, SECOND, Interval
from perptape.raw import RawFill, RawFunding, RawLiquidation, RawOpenInterest, RawPrediction, RawVolume

TRAITS = Traits(
    venue="okx",
    title="OKX swap",
    nautilus_venue="OKX",
    default_perpetual=lambda base: f"{base}/USDT:USDT",
    open_interest_history=History(
        # [doc] rubik/stat/contracts/open-interest-history: at most 100 rows, newest first, begin and end both exclusive
        page=PageRule(limit=100, order="backward"),
        periods=(5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY),
        # not documented; seen in September 2026: 3 days of 5m, 5 of 1H, 100 of 1D, those between by the finer neighbour
        retention=3 * DAY,
        retention_of={HOUR: 5 * DAY, 2 * HOUR: 5 * DAY, 4 * HOUR: 5 * DAY, 6 * HOUR: 100 * DAY, 12 * HOUR: 100 * DAY, DAY: 100 * DAY},
        stamp="start",  # the bucket that is still open is listed too, and moves until it ends
    ),
    # [doc] funding-rate-history: at most 100 (newest first), the last three months; before and after exclusive, before alone is ignored
    funding_history=History(page=PageRule(limit=100, order="backward"), retention=90 * DAY, stamp="instant"),
    feed=Feed(
        scope="market",  # [doc] liquidation-orders is subscribed by instType, so that it speaks often
        completeness="sampled",
        rule="at most one order per contract and second is pushed, which does not represent the total",  # [doc]
        push_interval=2_000,
        quiet_limit=5 * MINUTE,
        control="tickers:BTC-USDT-SWAP",  # [doc] pushed every 100 ms
        quantity_unit="contracts",
        repair="recent",
        repair_retention=7 * DAY,  # [doc] liquidation-orders by REST: "the recent 7 days"
        # [doc] at most 100 details, newest first, before and after exclusive; orders share stamps
        repair_page=PageRule(limit=100, order="backward", margin=0, ties=True),
    ),
    open_interest_sides="one",
    limits=(
        # [doc] by IP; where the rule is "IP + instrument" each instrument counts by itself
        CallLimit("time", 10, 2 * SECOND),
        CallLimit("instruments", 20, 2 * SECOND),
        CallLimit("open-interest", 20, 2 * SECOND),
        CallLimit("open-interest-history", 10, 2 * SECOND),
        CallLimit("tickers", 20, 2 * SECOND),
        CallLimit("funding-rate", 10, 2 * SECOND),
        CallLimit("funding-rate-history", 10, 2 * SECOND),
        CallLimit("liquidation-orders", 40, 2 * SECOND),
    ),
    notes=(
        "liquidations: price is the bankruptcy price, not a fill; after a subscription old orders may be repeated",
        "funding: the realised rate is stored, not the last prediction",
    ),
)

CCXT = "okx"
CODES: dict[str, Reaction] = {
    "50001": "maintenance",  # "Service temporarily unavailable"
    "50004": "retry",  # "Endpoint request timeout"
    "50011": "limit",
    "50013": "retry",  # "Systems are busy"
    "50026": "retry",  # "System error"
    "51000": "skip",
    "51001": "skip",  # "Instrument ID … doesn't exist"
}
# buckets of 6H and more open at 16:00 UTC unless the period's name says utc
_PERIODS = {5: "5m", 15: "15m", 30: "30m", 60: "1H", 120: "2H", 240: "4H", 360: "6Hutc", 720: "12Hutc", 1440: "1Dutc"}
_SWAPS = {"instType": "SWAP"}


def clock() -> Conversation[int | None]:
    (reply,) = yield [Call("publicGetPublicTime", cost={"time": 1})]
    return moment(reply.payload, "data", 0, "ts")


def instruments() -> Conversation[Rows[Instrument]]:
    """Those listed now; the venue names no delisted ones."""
    listing, rates = yield [_instruments_call(), _rates_call()]
    minutes = dict(read(items(rates.payload, "data"), lambda item: (str(item["instId"]), _interval(item)))[0])
    return read(some(listing.payload, "data"), lambda item: _instrument(item, minutes))


def _instruments_call() -> Call:
    return Call("publicGetPublicInstruments", _SWAPS, {"instruments": 1})


def _rates_call() -> Call:
    return Call("publicGetPublicFundingRate", {"instId": "ANY"}, {"funding-rate/ANY": 1})


def _instrument(item: Any, minutes: Mapping[str, int | None]) -> Instrument | None:
    if item["state"] not in ("live", "suspend"):
        return None
    interval = minutes.get(id := item["instId"])
    settle = item["settleCcy"]
    base, quote = item["instFamily"].split("-")[:2]
    multiplier = decimal(item.get("ctMult")) or Decimal(1)
    return Instrument(
        venue="okx", id=f"{id}.OKX", symbol=f"{base}/{quote}:{settle}", venue_id=id, base=base, quote=quote, settle=settle,
        linear=item["ctType"] == "linear", contract_size=Decimal(item["ctVal"]) * multiplier, multiplier=multiplier,
        tick=decimal(item["tickSz"]), lot=decimal(item["lotSz"]), funding_minutes=interval, listed=whole(item["listTime"]),
    )  # fmt: skip


def open_interest(instruments: Sequence[Instrument]) -> Conversation[Rows[RawOpenInterest]]:
    (reply,) = yield [Call("publicGetPublicOpenInterest", _SWAPS, {"open-interest": 1})]

    def row(item: Any, one: Instrument) -> RawOpenInterest:
        return RawOpenInterest(one, whole(item["ts"]), contracts=item["oi"], base=item["oiCcy"], usd=item.get("oiUsd"))

    return asked(some(reply.payload, "data"), _id, instruments, row)


def volume(instruments: Sequence[Instrument]) -> Conversation[Rows[RawVolume]]:
    """`volCcy24h` is in base coins on every derivative [doc], so that the last price makes USD of it."""
    (reply,) = yield [Call("publicGetMarketTickers", _SWAPS, {"tickers": 1})]

    def row(item: Any, one: Instrument) -> RawVolume:
        return RawVolume(one, format(Decimal(item["volCcy24h"]) * Decimal(item["last"]), "f"))

    return asked(some(reply.payload, "data"), _id, instruments, row)


def open_interest_page(instrument: Instrument, period: int, window: Interval) -> Conversation[Rows[RawOpenInterest]]:
    """Without the bucket that is still open: its figures move until it ends."""
    params = {"period": _PERIODS[period // MINUTE], "begin": window.start - 1, "end": window.end}
    cost = {f"open-interest-history/{instrument.venue_id}": 1}
    (reply,) = yield [Call("publicGetRubikStatContractsOpenInterestHistory", _page(instrument) | params, cost, instrument)]

    def row(item: Any) -> RawOpenInterest | None:
        if not isinstance(item, list):  # of text the first digits would be taken
            raise TypeError("is no list")
        time = int(item[0])
        return None if time <= reply.received < time + period else RawOpenInterest(instrument, time, item[1], item[2], item[3])

    return read(items(reply.payload, "data"), row)


def funding(instruments: Sequence[Instrument]) -> Conversation[Rows[RawPrediction]]:
    (reply,) = yield [_rates_call()]

    def row(item: Any, one: Instrument) -> RawPrediction:
        time, following = whole(item.get("ts")), item.get("nextFundingRate")
        return RawPrediction(one, time, item["fundingRate"], whole(item["fundingTime"]), following, _interval(item))

    return asked(some(reply.payload, "data"), _id, instruments, row)


def funding_page(instrument: Instrument, window: Interval) -> Conversation[Rows[RawFunding]]:
    params = {"before": window.start - 1, "after": window.end}
    cost = {f"funding-rate-history/{instrument.venue_id}": 1}
    (reply,) = yield [Call("publicGetPublicFundingRateHistory", _page(instrument) | params, cost, instrument)]
    return of_one(
        items(reply.payload, "data"), "instId", instrument,
        lambda item: RawFunding(instrument, whole(item["fundingTime"]), item["realizedRate"]),
    )  # fmt: skip


def _id(item: Any) -> str:
    return str(item["instId"])


def _interval(item: Any) -> int | None:
    """Minutes between the coming settlement and the one after it."""
    coming, after = whole(item["fundingTime"]), whole(item["nextFundingTime"])
    return (after - coming) // MINUTE if coming and after and after > coming else None


def _page(instrument: Instrument) -> dict[str, Any]:
    """Both bounds of a page are exclusive, and both are always sent: `before` alone would answer the newest rows."""
    return {"instId": instrument.venue_id, "limit": 100}


def _subscribe(ids: Sequence[str], control: str) -> list[Any]:
    channel, _, id = control.partition(":")
    return [{"op": "subscribe", "args": [{"channel": "liquidation-orders", **_SWAPS}, {"channel": channel, "instId": id}]}]


def _read(frame: Any, hearing: Hearing) -> None:
    event = frame.get("event")
    if event == "subscribe":
        hearing.acknowledged(1)
    elif event == "error":
        hearing.refused(str(frame.get("msg")))
    elif event is None and (channel := frame["arg"]["channel"]) == "liquidation-orders":
        each(frame["data"], _orders, hearing)
    elif event is None and channel == "tickers":
        hearing.control(int(frame["data"][0]["ts"]))
    elif event is None:
        raise unknown("arg.channel", channel)
    elif event not in _NOTICES:
        raise unknown("event", event)


def _orders(item: Any, hearing: Hearing) -> None:
    """All details: CCXT reads the first only."""
    id = item["instId"]

    def order(detail: Any, hearing: Hearing) -> None:
        # side is the order's, bkPx the bankruptcy price, sz in contracts
        time = int(detail["ts"])
        hearing.feed(None, time)
        hearing.event(id, time, _SIDE[detail["side"]], detail["bkPx"], None, detail["sz"], None)

    each(item["details"], order, hearing)


_NOTICES = ("notice", "channel-conn-count", "unsubscribe")  # [doc] of the connection, not of a topic
_SIDE = {"buy": "BUY", "sell": "SELL"}


def _liquidations_page(instrument: Instrument, window: Interval) -> Conversation[Rows[RawFill]]:
    """The orders that were filled, as the feed pushes them; a family of swaps has one contract."""
    family = instrument.venue_id.removesuffix("-SWAP")
    params = {**_SWAPS, "instFamily": family, "state": "filled", "limit": 100, "before": window.start - 1, "after": window.end}
    cost = {"liquidation-orders": 1}
    (reply,) = yield [Call("liquidation-orders", params, cost, instrument, path="public/liquidation-orders")]  # [ccxt] 4.5.90 lacks it
    mine = lambda item: items(item, "details") if item["instId"] == instrument.venue_id else None  # noqa: E731
    found, odd = read(items(reply.payload, "data"), mine)
    details = [detail for each in found for detail in each]
    rows, dropped = read(details, lambda detail: RawFill(whole(detail["ts"]), (_order(instrument, detail),)))
    return rows, dropped + odd


def _order(instrument: Instrument, detail: Any) -> RawLiquidation:
    return RawLiquidation(instrument, whole(detail["ts"]), _SIDE[detail["side"]], detail["bkPx"], None, detail["sz"])


REPAIR = _liquidations_page
STREAM = Stream(
    address=("ws",),
    subscribe=_subscribe,
    acknowledgements=lambda frames: sum(len(frame["args"]) for frame in frames),  # one for each topic
    read=_read,
    finish=lambda address: f"{address}/public",
)
