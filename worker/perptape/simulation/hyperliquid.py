"""Hyperliquid's wire: one POST endpoint, /info, whose body says what is wanted, and one WebSocket.

Pure. Sizes are in base coin, figures are strings with a decimal point, funding is hourly, and there is no public feed of liquidations
and no history of open interest. Marked: [D] the venue's documentation, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from perptape.simulation.history import oldest_settled
from perptape.simulation.hyperliquid_rows import context, listed, mids, premium, public_trade, text, universe
from perptape.simulation.wire import Limit, Reply, Request, Subscribed, Topic

if TYPE_CHECKING:
    from perptape.simulation.contract import Liquidation, Trade
    from perptape.simulation.market import Market

HOUR = 3_600_000
PAGE = 500  # rows of one answer [D]
JITTER = 100  # ms after the hour that a settlement is stamped with; ...00:00.031 is a recorded one
SETTLED_AFTER = 2_000  # a settlement shows in the history this long after its time [A]

_LIGHT = {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}
_USDC = {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
         "isCanonical": True, "evmContract": None, "fullName": None}  # fmt: skip
_SPOT = {"tokens": [_USDC], "universe": []}
_ELSEWHERE = (("BinPerp", "binance"), ("HlPerp", "hyperliquid"), ("BybitPerp", "bybit"))


class HyperliquidWire:
    """Implements `Wire`, `Trading` and `Maintainable`."""

    venue = "hyperliquid"
    limits = (Limit("weight", 1200, 60_000, "sliding"),)  # per IP [D]
    push_interval_ms = 0

    def owns(self, path: str) -> bool:
        return path == "/info"

    def owns_socket(self, path: str) -> bool:
        return path == "/ws"

    def reply(self, request: Request, market: Market) -> Reply:
        if request.method != "POST":
            return Reply(405, b"", {"Allow": "POST"})
        body = request.body
        answer = _ANSWERS.get(str(body.get("type"))) if isinstance(body, dict) else None
        if answer is None or body.get("dex"):  # the simulated market has no builder-deployed dex
            return _UNREADABLE
        return answer(body, market, request.now)

    def costs(self, request: Request) -> Mapping[str, int]:
        """20, or 2 for light ones; histories cost 1 more for every 20 rows that they answer [D]."""
        body = request.body if isinstance(request.body, dict) else {}
        kind = body.get("type")
        weight = 2 if str(kind) in _LIGHT else 20
        if kind == "fundingHistory" and _whole(body.get("startTime")):
            end = body["endTime"] if _whole(body.get("endTime")) else request.now
            weight += min(PAGE, max(0, min(end, request.now) - body["startTime"]) // HOUR) // 20
        return {"weight": weight}

    def limited(self, request: Request, banned: bool, retry_after_s: int) -> Reply:
        return Reply(429, None)

    def unavailable(self, request: Request) -> Reply:
        """What every call answers during an upgrade [A]."""
        return Reply(502, b"<html><head><title>502 Bad Gateway</title></head></html>", {"Content-Type": "text/html"})

    def usage(self, used: Mapping[str, int]) -> Mapping[str, str]:
        return {}

    def receive(self, message: Any, path: str, now: int) -> Subscribed:
        if not isinstance(message, dict):
            return Subscribed(frames=({"channel": "error", "data": f"Error parsing JSON into valid websocket request: {message}"},))
        method = message.get("method")
        if method == "ping":
            return Subscribed(frames=({"channel": "pong"},))
        subscription = message.get("subscription")
        topic = _topic(subscription)
        if topic is None or method not in ("subscribe", "unsubscribe"):
            return Subscribed(frames=({"channel": "error", "data": f"Invalid subscription {subscription}"},))
        frame = {"channel": "subscriptionResponse", "data": {"method": method, "subscription": subscription}}
        if method == "subscribe":
            return Subscribed(frames=(frame,), added=(topic,))
        return Subscribed(frames=(frame,), removed=(topic,))

    def liquidation_frames(self, topic: Topic, events: Iterable[Liquidation], now: int) -> list[Any]:
        """None: the venue tells a liquidation to its parties only."""
        return []

    def trade_frames(self, topic: Topic, trades: Iterable[Trade], now: int, market: Market) -> list[Any]:
        data = [public_trade(topic.contract or "", each) for each in trades]
        return [{"channel": "trades", "data": data}] if data else []

    def control_frames(self, topic: Topic, market: Market, now: int) -> list[Any]:
        if topic.contract is None:
            return [{"channel": "allMids", "data": {"mids": mids(market, now)}}]
        contract = market.contract("hyperliquid", topic.contract, now)
        if contract is None or not contract.trades_at(now):
            return []
        return [{"channel": "activeAssetCtx", "data": {"coin": contract.id, "ctx": context(market, contract, now)}}]


_UNREADABLE = Reply(422, b"Failed to deserialize the JSON body into the target type", {"Content-Type": "text/plain; charset=utf-8"})
_NOTHING = Reply(500, None)  # the answer to an unknown coin [A]


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _topic(subscription: Any) -> Topic | None:
    if not isinstance(subscription, dict):
        return None
    kind, coin = subscription.get("type"), subscription.get("coin")
    if kind == "allMids":
        return Topic("control", "allMids", None)
    if kind in ("trades", "activeAssetCtx") and isinstance(coin, str):
        return Topic("trades" if kind == "trades" else "control", f"{kind}:{coin}", coin)
    return None


def _meta(body: Mapping[str, Any], market: Market, now: int) -> Reply:
    return Reply(200, universe(market, now))


def _meta_and_contexts(body: Mapping[str, Any], market: Market, now: int) -> Reply:
    return Reply(200, [universe(market, now), [context(market, each, now) for each in listed(market, now)]])


def _funding_history(body: Mapping[str, Any], market: Market, now: int) -> Reply:
    """The oldest rows of [startTime, endTime], ascending; a row's time lies a few ms after the hour."""
    start, end = body.get("startTime"), body.get("endTime")
    if not _whole(start) or not (end is None or _whole(end)) or not isinstance(body.get("coin"), str):
        return _UNREADABLE
    lifetimes = market.lifetimes("hyperliquid", body["coin"])
    if not lifetimes:
        return _NOTHING
    last = min(now - SETTLED_AFTER, now if end is None else end)
    rows: list[dict[str, Any]] = [
        {
            "coin": contract.id,
            "fundingRate": text(settled.rate),
            "premium": premium(market, contract.base, settled.time),
            "time": settled.time + market.jitter(contract, settled.time, JITTER),
        }
        for contract, settled in oldest_settled(market, lifetimes, start - JITTER, last + 1, PAGE + 1)[: PAGE + 1]
    ]
    return Reply(200, [row for row in rows if start <= row["time"] <= last][:PAGE])


def _predicted_fundings(body: Mapping[str, Any], market: Market, now: int) -> Reply:
    """The next settlement of every coin here, and of the same coin on other venues; each rate is for its own interval."""
    answer = []
    for contract in market.contracts("hyperliquid", now):
        venues: list[list[Any]] = []
        for name, venue in _ELSEWHERE:
            other = market.contract(venue, contract.id if venue == "hyperliquid" else f"{contract.base}USDT", now)
            if other is None or not other.trades_at(now):
                venues.append([name, None])
                continue
            coming = market.next_settlement(other, now)
            row = {"fundingRate": text(market.predicted(other, now)), "nextFundingTime": coming}
            venues.append([name, {**row, "fundingIntervalHours": other.funding_interval(coming - 1) // 60}])
        answer.append([contract.id, venues])
    return Reply(200, answer)


_ANSWERS: Mapping[str, Callable[[Mapping[str, Any], Market, int], Reply]] = {
    "exchangeStatus": lambda body, market, now: Reply(200, {"specialStatuses": None, "time": now}),
    "meta": _meta,
    "metaAndAssetCtxs": _meta_and_contexts,
    "perpDexs": lambda body, market, now: Reply(200, [None]),
    "spotMeta": lambda body, market, now: Reply(200, _SPOT),
    "spotMetaAndAssetCtxs": lambda body, market, now: Reply(200, [_SPOT, []]),
    "allMids": lambda body, market, now: Reply(200, mids(market, now)),
    "fundingHistory": _funding_history,
    "predictedFundings": _predicted_fundings,
}
