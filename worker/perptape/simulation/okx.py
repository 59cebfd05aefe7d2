"""OKX's wire: perpetual swaps over REST and the public WebSocket.

Pure. Every figure is a string, every answer an envelope {code, msg, data}. What REST answers is in `okx_rest`, the rows themselves in
`okx_rows`. Marked: [D] the venue's documentation, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from perptape.simulation import okx_rows as rows
from perptape.simulation.okx_rest import answer, failure, sampled
from perptape.simulation.wire import Limit, Reply, Request, Subscribed, Topic

if TYPE_CHECKING:
    from perptape.simulation.contract import Liquidation
    from perptape.simulation.market import Market

_PER_INSTRUMENT = {"funding-rate", "funding-rate-history", "mark-price", "open-interest-history"}
_LIMITS = (
    # requests per 2 s and IP [D]; where the rule is "IP + instrument" the cost's name goes on with "/" and the instrument
    Limit("time", 10, 2000, "sliding"),
    Limit("instruments", 20, 2000, "sliding"),
    Limit("open-interest", 20, 2000, "sliding"),
    Limit("open-interest-history", 10, 2000, "sliding"),
    Limit("funding-rate", 10, 2000, "sliding"),
    Limit("funding-rate-history", 10, 2000, "sliding"),
    Limit("mark-price", 10, 2000, "sliding"),
    Limit("ticker", 20, 2000, "sliding"),
    Limit("tickers", 20, 2000, "sliding"),
    Limit("liquidation-orders", 40, 2000, "sliding"),
)
_CONTROL = {"tickers", "mark-price", "open-interest", "funding-rate"}
_CONNECTION = "a4d3ae55"


class OkxWire:
    """Implements `Wire`, `Sampling` and `Maintainable`."""

    venue = "okx"
    limits = _LIMITS
    push_interval_ms = 2000
    """At most one order per contract and second [D]; two seconds go out together, so that frames hold several details [A]."""

    def owns(self, path: str) -> bool:
        return path.startswith("/api/v5/")

    def owns_socket(self, path: str) -> bool:
        return path.startswith("/ws/v5/")

    def reply(self, request: Request, market: Market) -> Reply:
        return answer(request, market)

    def costs(self, request: Request) -> Mapping[str, int]:
        name = request.path.rsplit("/", 1)[-1]
        if name in _PER_INSTRUMENT:
            return {f"{name}/{request.query.get('instId', '')}": 1}
        return {name: 1}

    def limited(self, request: Request, banned: bool, retry_after_s: int) -> Reply:
        return failure("50011", "Too Many Requests", 429)

    def unavailable(self, request: Request) -> Reply:
        """What every call answers during maintenance."""
        return failure("50001", "Service temporarily unavailable. Please try again later.", 503)

    def usage(self, used: Mapping[str, int]) -> Mapping[str, str]:
        return {}

    def receive(self, message: Any, path: str, now: int) -> Subscribed:
        if message == "ping":
            return Subscribed(frames=("pong",))
        arguments = message.get("args") if isinstance(message, dict) else None
        if not isinstance(arguments, list) or message.get("op") not in ("subscribe", "unsubscribe"):
            return Subscribed(frames=(_stream_error("60012", f"Illegal request: {message}"),))
        frames: list[Any] = []
        topics: list[Topic] = []
        for argument in arguments:
            topic = _topic(argument)
            if topic is None and not _quiet(argument):
                frames.append(
                    _stream_error("60018", f"Wrong URL or {argument} doesn't exist. Please use the correct URL, channel and parameters")
                )
                continue
            frames.append({"event": message["op"], "arg": argument, "connId": _CONNECTION})
            if topic is not None:
                topics.append(topic)
        if message["op"] == "subscribe":
            return Subscribed(frames=tuple(frames), added=tuple(topics))
        return Subscribed(frames=tuple(frames), removed=tuple(topics))

    def liquidation_frames(self, topic: Topic, events: Iterable[Liquidation], now: int) -> list[Any]:
        details: dict[str, list[dict[str, str]]] = {}
        for event in events:
            details.setdefault(event.contract, []).append(rows.liquidation_detail(event))
        return [
            {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": [{"details": several, **rows.family(id)}]}
            for id, several in details.items()
        ]

    def sampled(self, events: Iterable[Liquidation]) -> list[Liquidation]:
        return sampled(events)

    def control_frames(self, topic: Topic, market: Market, now: int) -> list[Any]:
        contract = market.contract("okx", topic.contract or "", now)
        if contract is None or not contract.trades_at(now):
            return []
        channel = topic.name.partition(":")[0]
        row = {
            "tickers": rows.ticker,
            "mark-price": rows.mark_price,
            "open-interest": rows.open_interest,
            "funding-rate": rows.funding_rate,
        }[channel](market, contract, now)
        return [{"arg": {"channel": channel, "instId": contract.id}, "data": [row]}]


def _topic(argument: Any) -> Topic | None:
    if not isinstance(argument, dict):
        return None
    channel, id = argument.get("channel"), argument.get("instId", "")
    if channel == "liquidation-orders" and argument.get("instType") == "SWAP":
        return Topic("liquidations", "liquidation-orders:SWAP", None)
    if channel in _CONTROL and isinstance(id, str) and id.endswith("-SWAP"):
        return Topic("control", f"{channel}:{id}", id)
    return None


def _quiet(argument: Any) -> bool:
    """Whether the venue takes this subscription and the simulated market has nothing to say on it."""
    known = isinstance(argument, dict) and argument.get("channel") == "liquidation-orders"
    return known and argument.get("instType") in ("FUTURES", "MARGIN", "OPTION")


def _stream_error(code: str, message: str) -> dict[str, str]:
    return {"event": "error", "code": code, "msg": message, "connId": _CONNECTION}
