"""Bybit's wire: linear perpetuals over REST and the public WebSocket.

Pure. Marked: [D] the venue's documentation, [R] a recorded payload, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from perptape.simulation import bybit_rest as rest
from perptape.simulation import bybit_rows as rows
from perptape.simulation.wire import Limit, Reply, Request, Subscribed, Topic

if TYPE_CHECKING:
    from perptape.simulation.contract import Liquidation
    from perptape.simulation.market import Market

_CONNECTION = "e5079fdd-9c7f-404d-9dbf-969d650838b5"
_FORBIDDEN = b"<html><head><title>403 Forbidden</title></head><body>access too frequent</body></html>"


class BybitWire:
    """Implements `Wire` and `Maintainable`."""

    venue = "bybit"
    limits = (
        Limit("ip", 600, 5_000, "sliding", ban_after=20, ban_ms=600_000),
    )  # 600 in 5 s; "wait at least 10 minutes" [D]; ban_after [A]
    push_interval_ms = 500

    def owns(self, path: str) -> bool:
        return path.startswith("/v5/")

    def owns_socket(self, path: str) -> bool:
        return path.startswith("/v5/public/")

    def reply(self, request: Request, market: Market) -> Reply:
        return rest.answer(request, market)

    def costs(self, request: Request) -> Mapping[str, int]:
        return {"ip": 1}

    def limited(self, request: Request, banned: bool, retry_after_s: int) -> Reply:
        if banned:
            return Reply(403, _FORBIDDEN, {"Content-Type": "text/html"})
        reset = str(request.now + retry_after_s * 1000)
        return rest.failure(10006, "Too many visits. Exceeded the API Rate Limit.", request.now, {"X-Bapi-Limit-Reset-Timestamp": reset})

    def unavailable(self, request: Request) -> Reply:
        return rest.failure(10016, "System error. Please try again later.", request.now)

    def usage(self, used: Mapping[str, int]) -> Mapping[str, str]:
        return {}

    def receive(self, message: Any, path: str, now: int) -> Subscribed:
        op = message.get("op") if isinstance(message, dict) else None
        if op == "ping":
            pong = {"success": True, "ret_msg": "pong", "conn_id": _CONNECTION, "req_id": message.get("req_id", ""), "op": "ping"}
            return Subscribed(frames=(pong,))
        if op not in ("subscribe", "unsubscribe"):
            return Subscribed(frames=({"success": False, "ret_msg": "error:invalid op", "conn_id": _CONNECTION, "request": message},))
        names = [name for name in message.get("args") or () if isinstance(name, str)]
        wrong = next((name for name in names if _topic(name) is None), None)
        told = f"error:handler not found,topic:{wrong}" if wrong is not None else ""
        frame = {"success": wrong is None, "ret_msg": told, "conn_id": _CONNECTION, "req_id": message.get("req_id", ""), "op": op}
        topics = tuple(topic for topic in map(_topic, names) if topic is not None) if wrong is None and path.endswith("/linear") else ()
        return Subscribed((frame,), added=topics) if op == "subscribe" else Subscribed((frame,), removed=topics)

    def liquidation_frames(self, topic: Topic, events: Iterable[Liquidation], now: int) -> list[Any]:
        data = [rows.liquidation(event) for event in events]
        return [{"topic": topic.name, "type": "snapshot", "ts": now, "data": data}] if data else []

    def control_frames(self, topic: Topic, market: Market, now: int) -> list[Any]:
        contract = market.contract("bybit", topic.contract or "", now)
        if contract is None or not contract.trades_at(now):
            return []
        return [{"topic": topic.name, "type": "snapshot", "data": rows.ticker(market, contract, now), "cs": now, "ts": now}]


def _topic(name: str) -> Topic | None:
    stream, _, symbol = name.partition(".")
    kind = {"allLiquidation": "liquidations", "tickers": "control"}.get(stream)
    return Topic(kind, name, symbol) if kind is not None and symbol else None
