"""Deribit's wire: JSON-RPC over GET and over one WebSocket; what it answers is in `deribit_rest`.

Pure. There is no feed of liquidations: they are the trades that carry a `liquidation` flag, M, T or MT for the side that was
liquidated, maker, taker or both. Marked: [D] the venue's documentation, [M] measured by others on the live venue, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from perptape.simulation import deribit_rest as rest
from perptape.simulation import deribit_rows as rows
from perptape.simulation.wire import Limit, Reply, Request, Subscribed, Topic

if TYPE_CHECKING:
    from perptape.simulation.contract import Liquidation, Trade
    from perptape.simulation.market import Market

_PREFIX = "/api/v2/"
_LIMITS = (
    # credits that come back evenly [D]: 100 requests at once, 20 a second for ever; the instrument list 50 at once, 1 a second
    Limit("credits", 50_000, 5_000, "bucket"),
    Limit("instruments", 500_000, 50_000, "bucket"),
)


class DeribitWire:
    """Implements `Wire`, `Trading` and `Maintainable`."""

    venue = "deribit"
    limits = _LIMITS
    push_interval_ms = 100
    """The interval of the channels that anybody may have."""

    def owns(self, path: str) -> bool:
        return path.startswith(_PREFIX)

    def owns_socket(self, path: str) -> bool:
        return path == "/ws/api/v2"

    def reply(self, request: Request, market: Market) -> Reply:
        return _envelope(rest.answer(request.path.removeprefix(_PREFIX), request.query, market, request.now), request.now)

    def costs(self, request: Request) -> Mapping[str, int]:
        if request.path.endswith("/get_instruments"):
            return {"instruments": 10_000}
        return {"credits": 500}

    def limited(self, request: Request, banned: bool, retry_after_s: int) -> Reply:
        return _envelope(rest.failure(10028, "too_many_requests", status=429), request.now)

    def unavailable(self, request: Request) -> Reply:
        """What every call answers during maintenance."""
        return _envelope(rest.failure(13503, "unavailable", status=503), request.now)

    def usage(self, used: Mapping[str, int]) -> Mapping[str, str]:
        return {}

    def receive(self, message: Any, path: str, now: int) -> Subscribed:
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            return Subscribed(frames=(_frame({}, rest.failure(-32600, "Invalid Request"), now),))
        method, params = message["method"], message.get("params") or {}
        channels = params.get("channels") if isinstance(params, dict) else None
        if method in ("public/subscribe", "public/unsubscribe") and isinstance(channels, list):
            return _subscription(message, method, [str(channel) for channel in channels], now)
        found = rest.socket_answer(method, now)
        return Subscribed(frames=(_frame(message, found, now),))

    def liquidation_frames(self, topic: Topic, events: Iterable[Liquidation], now: int) -> list[Any]:
        """None: `trade_frames` carries them."""
        return []

    def trade_frames(self, topic: Topic, trades: Iterable[Trade], now: int, market: Market) -> list[Any]:
        """One frame of all trades of an interval; `market` knows the contract's size, which `amount` is made of."""
        contract = market.contract("deribit", topic.contract or "", now)
        data = [rows.trade(market, contract, each) for each in trades] if contract is not None else []
        return [_notification(topic.name, data)] if data else []

    def control_frames(self, topic: Topic, market: Market, now: int) -> list[Any]:
        contract = market.contract("deribit", topic.contract or "", now)
        if contract is None or not contract.trades_at(now):
            return []
        return [_notification(topic.name, rows.ticker(market, contract, now))]


def _subscription(message: Mapping[str, Any], method: str, channels: list[str], now: int) -> Subscribed:
    """The acknowledgement lists the channels that now are; unknown ones are left out, one forbidden one refuses all [M]."""
    if method == "public/subscribe" and any(channel.endswith(".raw") for channel in channels):
        refused = rest.failure(13778, "raw_subscriptions_not_available_for_unauthorized")
        return Subscribed(frames=(_frame(message, refused, now),))
    topics = [topic for topic in map(_topic, channels) if topic is not None]
    frame = _frame(message, rest.Answer([topic.name for topic in topics]), now)
    if method == "public/subscribe":
        return Subscribed(frames=(frame,), added=tuple(topics))
    return Subscribed(frames=(frame,), removed=tuple(topics))


def _topic(channel: str) -> Topic | None:
    kind, _, rest_of = channel.partition(".")
    id, _, interval = rest_of.rpartition(".")
    if kind not in ("trades", "ticker") or interval not in ("100ms", "agg2", "raw") or not id.endswith("PERPETUAL"):
        return None
    return Topic("trades" if kind == "trades" else "control", channel, id)


def _notification(channel: str, data: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}


def _body(answer: rest.Answer, now: int) -> dict[str, Any]:
    said = {"result": answer.result} if answer.error is None else {"error": answer.error}
    return {"jsonrpc": "2.0", **said, "usIn": now * 1000, "usOut": now * 1000 + 151, "usDiff": 151, "testnet": False}


def _envelope(answer: rest.Answer, now: int) -> Reply:
    return Reply(answer.status, _body(answer, now))


def _frame(message: Mapping[str, Any], answer: rest.Answer, now: int) -> dict[str, Any]:
    identity = {"id": message["id"]} if "id" in message else {}
    return {**_body(answer, now), **identity}
