"""What the venues send when all is well, in the shapes that were recorded: of each question's answers and each kind of frame.

Pure. Times are those of a market at `NOW`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from perptape.instruments import Instrument
from perptape.interval import HOUR, MINUTE, Interval

NOW = 1_795_305_600_000 + 17 * MINUTE + 3_141
HOURS = 1_795_305_600_000
SPAN = Interval(HOURS - HOUR, HOURS)
"""What a page of open interest is asked of: twelve buckets."""
SETTLED = Interval(HOURS - 48 * HOUR, HOURS)
PAST = Interval(HOURS - 6 * HOUR, HOURS)

Question = Literal["open_interest", "open_interest_page", "funding", "funding_page", "liquidations_page", "instruments"]
Replies = Mapping[str, Any]
"""The end of a call's path (or Hyperliquid's kind of question) -> the answer."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream, and how many events of wanted contracts it holds."""

    payload: Any
    events: int = 0


def _contract(venue: str, id: str, base: str, *, settle: str = "USDT", linear: bool = True, size: str = "1") -> Instrument:
    return Instrument(venue, f"{id}.{venue.upper()}", f"{base}/X:{settle}", id, base, settle, settle, linear, Decimal(size))


WANTED: Mapping[str, tuple[Instrument, Instrument]] = {
    "binance": (_contract("binance", "BTCUSDT", "BTC"), _contract("binance", "ETHUSDT", "ETH")),
    "bybit": (_contract("bybit", "BTCUSDT", "BTC"), _contract("bybit", "ETHUSDT", "ETH")),
    "hyperliquid": (_contract("hyperliquid", "BTC", "BTC", settle="USDC"), _contract("hyperliquid", "ETH", "ETH", settle="USDC")),
    "okx": (_contract("okx", "BTC-USDT-SWAP", "BTC", size="0.01"), _contract("okx", "BTC-USD-SWAP", "BTC", linear=False, size="100")),
    "deribit": (
        _contract("deribit", "BTC-PERPETUAL", "BTC", settle="BTC", linear=False, size="10"),
        _contract("deribit", "SOL_USDC-PERPETUAL", "SOL", settle="USDC", size="0.1"),
    ),
}

_BUCKETS = range(SPAN.start, SPAN.end, 5 * MINUTE)
_EIGHTS = range(SETTLED.start, SETTLED.end + 1, 8 * HOUR)
_EACH_HOUR = range(SETTLED.start, SETTLED.end + 1, HOUR)


def answers(venue: str) -> Mapping[Question, Replies]:
    """Of every question that the venue is asked about the three datasets."""
    return _ANSWERS[venue]


def frames(venue: str) -> tuple[Frame, ...]:
    return _FRAMES[venue]


def _premium(id: str) -> dict[str, Any]:
    return {
        "symbol": id, "markPrice": "45802.81129892", "indexPrice": "45745.47701915", "estimatedSettlePrice": "45133.91753671",
        "lastFundingRate": "0.00063521", "interestRate": "0.00010000", "nextFundingTime": HOURS + 8 * HOUR, "time": NOW - 1000,
    }  # fmt: skip


def _binance_listing(id: str, base: str) -> dict[str, Any]:
    return {
        "symbol": id, "pair": id, "contractType": "PERPETUAL", "deliveryDate": 4_133_404_800_000, "onboardDate": 1_569_398_400_000,
        "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT",
        "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}, {"filterType": "LOT_SIZE", "stepSize": "0.001"}],
    }  # fmt: skip


_INFO = [{"symbol": "BLZUSDT", "adjustedFundingRateCap": "0.03000000", "fundingIntervalHours": 4, "disclaimer": False}]


def _ticker(id: str) -> dict[str, Any]:
    return {
        "symbol": id, "lastPrice": "28550.70", "markPrice": "28552.81", "indexPrice": "28562.25", "openInterest": "52774.528",
        "openInterestValue": "1506861070.82", "turnover24h": "4273027716.4294", "volume24h": "151185.5160",
        "nextFundingTime": str(HOURS + 8 * HOUR), "fundingRate": "0.0001", "fundingIntervalHour": "8",
    }  # fmt: skip


def _bybit(result: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": NOW - 20}


def _bybit_listing(id: str, base: str, status: str) -> dict[str, Any]:
    return {
        "symbol": id, "contractType": "LinearPerpetual", "status": status, "baseCoin": base, "quoteCoin": "USDT", "settleCoin": "USDT",
        "launchTime": "1585526400000", "deliveryTime": "0" if status == "Trading" else "1700000000000", "fundingInterval": 480,
        "priceFilter": {"tickSize": "0.10"}, "lotSizeFilter": {"qtyStep": "0.001"},
    }  # fmt: skip


_TICKERS = {"tickers": _bybit({"category": "linear", "list": [_ticker("BTCUSDT"), _ticker("ETHUSDT"), _ticker("SOLUSDT")]})}


def _context() -> dict[str, Any]:
    return {
        "funding": "0.00004863", "openInterest": "18617460.0", "prevDayPx": "0.20296", "dayNtlVlm": "7665220.55613",
        "premium": "0.00008521",
        "oraclePx": "0.1995", "markPx": "0.19963", "midPx": "0.19957", "impactPxs": ["0.199517", "0.199725"],
    }  # fmt: skip


_UNIVERSE = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25},
        {"name": "ATOM", "szDecimals": 2, "isDelisted": True},
    ]
}
_CONTEXTS = {"metaAndAssetCtxs": [_UNIVERSE, [_context(), _context(), _context()]]}


def _okx(*data: Any) -> dict[str, Any]:
    return {"code": "0", "data": list(data), "msg": ""}


def _okx_oi(id: str) -> dict[str, Any]:
    return {"instId": id, "instType": "SWAP", "oi": "14546007", "oiCcy": "14546007000", "oiUsd": "30921319.84032", "ts": str(NOW - 500)}


def _okx_rate(id: str) -> dict[str, Any]:
    return {
        "fundingRate": "-0.0004270396398519", "fundingTime": str(HOURS + 4 * HOUR), "instId": id, "instType": "SWAP",
        "method": "current_period",
        "nextFundingRate": "", "nextFundingTime": str(HOURS + 8 * HOUR), "premium": "-0.00089", "settState": "settled",
        "ts": str(NOW - 700),
    }  # fmt: skip


def _okx_listing(id: str, family: str, settle: str, kind: str) -> dict[str, Any]:
    return {
        "instId": id, "instFamily": family, "settleCcy": settle, "ctType": kind, "ctVal": "0.01", "ctMult": "1", "state": "live",
        "tickSz": "0.1",
        "lotSz": "0.01", "listTime": "1573557408000", "instType": "SWAP",
    }  # fmt: skip


def _okx_order(time: int, side: str, size: str) -> dict[str, Any]:
    return {"bkLoss": "0", "bkPx": "60210.5", "ccy": "", "posSide": "short", "side": side, "sz": size, "ts": str(time)}


def _okx_orders(id: str, *details: Any) -> dict[str, Any]:
    return {"details": list(details), "instFamily": id.removesuffix("-SWAP"), "instId": id, "instType": "SWAP", "uly": id[:8]}


def _summary(id: str, base: str, quote: str) -> dict[str, Any]:
    return {
        "high": 93099.5, "low": 81773.0, "last": 87197.0, "instrument_name": id, "open_interest": 9978911260, "mark_price": 87102.01,
        "creation_timestamp": NOW - 300, "volume": 7377.18657991, "estimated_delivery_price": 87047.2, "base_currency": base,
        "quote_currency": quote, "volume_usd": 661040250.0, "current_funding": 0.00012966, "funding_8h": -0.00081069,
    }  # fmt: skip


def _deribit(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": result, "usIn": NOW * 1000, "usOut": NOW * 1000 + 151, "usDiff": 151, "testnet": False}


def _deribit_listing(id: str, base: str, quote: str, settle: str) -> dict[str, Any]:
    return {
        "kind": "future", "instrument_name": id, "expiration_timestamp": 32503708800000, "creation_timestamp": 1534167754000,
        "is_active": True,
        "tick_size": 0.5, "contract_size": 10.0, "min_trade_amount": 10.0, "settlement_currency": settle, "settlement_period": "perpetual",
        "base_currency": base, "quote_currency": quote, "instrument_type": "reversed" if settle == base else "linear",
    }  # fmt: skip


def _trade(id: str, number: int, time: int, flag: str | None) -> dict[str, Any]:
    trade = {
        "trade_seq": 40781986 + number, "trade_id": f"ETH-{number}", "timestamp": time, "tick_direction": 3, "price": 4469.5,
        "instrument_name": id, "index_price": 4805.41, "mark_price": 4800.0, "direction": "sell", "amount": 1120.0, "contracts": 112.0,
    }  # fmt: skip
    return trade if flag is None else {**trade, "liquidation": flag}


_ANSWERS: Mapping[str, Mapping[Question, Replies]] = {
    "binance": {
        "instruments": {"exchangeInfo": {"symbols": [_binance_listing("BTCUSDT", "BTC"), _binance_listing("ETHUSDT", "ETH")]},
                        "fundingInfo": _INFO},
        "open_interest": {"premiumIndex": [_premium("BTCUSDT"), _premium("ETHUSDT"), _premium("SOLUSDT")],
                          "openInterest?symbol=BTCUSDT": {"symbol": "BTCUSDT", "openInterest": "23581.677", "time": NOW - 265},
                          "openInterest?symbol=ETHUSDT": {"symbol": "ETHUSDT", "openInterest": "26542.436", "time": NOW - 224}},
        "open_interest_page": {"openInterestHist": [
            {"symbol": "BTCUSDT", "sumOpenInterest": "100264.95500000", "sumOpenInterestValue": "3049899507.17200000", "timestamp": time}
            for time in _BUCKETS]},
        "funding": {"premiumIndex": [_premium("BTCUSDT"), _premium("ETHUSDT"), _premium("SOLUSDT")], "fundingInfo": _INFO},
        "funding_page": {"fundingRate": [
            {"symbol": "BTCUSDT", "fundingTime": time + 11, "fundingRate": "-0.00004626", "markPrice": "60000.1"} for time in _EIGHTS]},
    },
    "bybit": {
        "instruments": {"status=Trading": _bybit({"category": "linear", "nextPageCursor": "", "list": [
                            _bybit_listing("BTCUSDT", "BTC", "Trading"), _bybit_listing("ETHUSDT", "ETH", "Trading")]}),
                        "status=Closed": _bybit({"category": "linear", "nextPageCursor": "", "list": [
                            _bybit_listing("LUNAUSDT", "LUNA", "Closed")]})},
        "open_interest": _TICKERS,
        "open_interest_page": {"open-interest": _bybit({"symbol": "BTCUSDT", "category": "linear", "nextPageCursor": "", "list": [
            {"openInterest": "411496.22000000", "timestamp": str(time)} for time in reversed(_BUCKETS)]})},
        "funding": _TICKERS,
        "funding_page": {"funding/history": _bybit({"category": "linear", "list": [
            {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(time)} for time in reversed(_EIGHTS)]})},
    },
    "hyperliquid": {
        "instruments": {"meta": _UNIVERSE},
        "open_interest": _CONTEXTS,
        "funding": _CONTEXTS,
        "funding_page": {"fundingHistory": [
            {"coin": "BTC", "fundingRate": "0.0000125", "premium": "0.0002", "time": time + 31} for time in _EACH_HOUR]},
    },
    "okx": {
        "instruments": {"public/instruments": _okx(_okx_listing("BTC-USDT-SWAP", "BTC-USDT", "USDT", "linear"),
                                                   _okx_listing("BTC-USD-SWAP", "BTC-USD", "BTC", "inverse")),
                        "public/funding-rate": _okx(_okx_rate("BTC-USDT-SWAP"), _okx_rate("BTC-USD-SWAP"))},
        "open_interest": {"public/open-interest": _okx(_okx_oi("BTC-USDT-SWAP"), _okx_oi("BTC-USD-SWAP"), _okx_oi("NEIRO-USDT-SWAP"))},
        "open_interest_page": {"open-interest-history": _okx(
            *([str(time), "2800476.45", "28006.5419", "2360916466.88"] for time in reversed(_BUCKETS)))},
        "funding": {"public/funding-rate": _okx(_okx_rate("BTC-USDT-SWAP"), _okx_rate("BTC-USD-SWAP"), _okx_rate("X-USDT-SWAP"))},
        "funding_page": {"funding-rate-history": _okx(*(
            {"fundingRate": "0.0001", "realizedRate": "0.00009", "fundingTime": str(time), "instId": "BTC-USDT-SWAP", "instType": "SWAP",
             "method": "current_period"} for time in reversed(_EIGHTS)))},
        "liquidations_page": {"liquidation-orders": _okx(
            _okx_orders("BTC-USDT-SWAP", *(_okx_order(PAST.end - MINUTE * n - 7, side, f"{n}.5")
                                           for n, side in ((1, "buy"), (2, "sell"), (3, "buy"), (4, "buy")))))},
    },
    "deribit": {
        "instruments": {"expired=false": _deribit([_deribit_listing("BTC-PERPETUAL", "BTC", "USD", "BTC"),
                                                   _deribit_listing("SOL_USDC-PERPETUAL", "SOL", "USDC", "USDC")]),
                        "expired=true": _deribit([])},
        "open_interest": {"currency=BTC": _deribit([_summary("BTC-PERPETUAL", "BTC", "USD")]),
                          "currency=USDC": _deribit([_summary("SOL_USDC-PERPETUAL", "SOL", "USDC"), _summary("X", "X", "USDC")])},
        "funding": {"currency=BTC": _deribit([_summary("BTC-PERPETUAL", "BTC", "USD")]),
                    "currency=USDC": _deribit([_summary("SOL_USDC-PERPETUAL", "SOL", "USDC"), _summary("X", "X", "USDC")])},
        "funding_page": {"get_funding_rate_history": _deribit([
            {"timestamp": time, "interest_1h": 0.00001, "interest_8h": 0.00008, "index_price": 87000.1, "prev_index_price": 87010.2}
            for time in _EACH_HOUR])},
        "liquidations_page": {"get_last_trades_by_instrument_and_time": _deribit({"has_more": False, "trades": [
            _trade("BTC-PERPETUAL", n, PAST.start + MINUTE * n, flag) for n, flag in enumerate([None, "T", "M", "MT", "none"])]})},
    },
}  # fmt: skip


def _force(id: str) -> dict[str, Any]:
    order = {
        "s": id, "S": "BUY", "o": "LIMIT", "f": "IOC", "q": "0.014", "p": "4793.91", "ap": "4706.04", "X": "FILLED", "l": "0.015",
        "z": "0.014",
        "T": NOW - 5,
    }  # fmt: skip
    return {"e": "forceOrder", "E": NOW, "o": order}


_FRAMES: Mapping[str, tuple[Frame, ...]] = {
    "binance": (
        Frame(_force("BTCUSDT"), 1),
        Frame({"e": "markPriceUpdate", "E": NOW, "s": "BTCUSDT", "p": "11857.56000000", "i": "11851.86949091", "r": "0.00015640",
        "T": HOURS}),
        Frame({"result": None, "id": 1}),
    ),
    "bybit": (
        Frame(
            {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": NOW, "data": [
                {"T": NOW - 9 + n, "s": "BTCUSDT", "S": side, "v": "20000", "p": "0.04499"} for n, side in enumerate(("Buy", "Sell"))]},
            2,
        ),
        Frame({"topic": "tickers.BTCUSDT", "type": "snapshot", "data": _ticker("BTCUSDT"), "cs": 5019354, "ts": NOW}),
        Frame({"success": True, "ret_msg": "", "conn_id": "x", "req_id": "0", "op": "subscribe"}),
    ),
    "hyperliquid": (),
    "okx": (
        Frame(
            {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": [
                _okx_orders("BTC-USDT-SWAP", _okx_order(NOW - 9, "buy", "39"), _okx_order(NOW - 8, "sell", "4")),
                _okx_orders("BTC-USD-SWAP", _okx_order(NOW - 7, "sell", "2"))]},
            3,
        ),
        Frame({"arg": {"channel": "tickers", "instId": "BTC-USDT-SWAP"}, "data": [{"instId": "BTC-USDT-SWAP", "last": "9",
        "ts": str(NOW)}]}),
        Frame({"event": "subscribe", "arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "connId": "a4d3ae55"}),
    ),
    "deribit": (
        Frame(
            {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "trades.BTC-PERPETUAL.100ms", "data": [
                _trade("BTC-PERPETUAL", n, NOW - 9 + n, flag) for n, flag in enumerate(("T", "MT", None))]}},
            3,
        ),
        Frame({"jsonrpc": "2.0", "method": "subscription", "params": {
            "channel": "ticker.BTC-PERPETUAL.100ms", "data": {"timestamp": NOW, "state": "open", "stats": {"high": 1.0},
            "mark_price": 9.5}}}),
        Frame({"jsonrpc": "2.0", "id": 0, "result": ["ticker.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.100ms"]}),
    ),
}  # fmt: skip
