"""Binance USD-M's wire: limits, subscriptions and frames. What REST answers is in `binance_rest`.

Pure. Marked: [D] the venue's documentation, [R] a recorded payload, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perptape.simulation import binance_rest as rest
from perptape.simulation.wire import Limit, Reply, Request, Subscribed, Topic

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract, Liquidation
    from perptape.simulation.market import Market

_BAN_AFTER = 20  # requests that go on after the first 429 and then earn a 418 [A]; bans last from 2 minutes on [D]
_ALL_LIQUIDATIONS, _ALL_MARKS = "!forceOrder@arr", ("!markPrice@arr@1s", "!markPrice@arr")


class BinanceWire:
    """Implements `Wire`, `Sampling` and `Maintainable`."""

    venue = "binance"
    limits = (
        Limit("weight", 2400, 60_000, ban_after=_BAN_AFTER),  # [D]
        Limit("data", 1000, 300_000, ban_after=_BAN_AFTER),  # /futures/data, requests per IP [D]
        Limit("funding", 500, 300_000, ban_after=_BAN_AFTER),  # fundingRate and fundingInfo together [D]
    )
    push_interval_ms = 1000

    def owns(self, path: str) -> bool:
        return path.startswith(("/fapi/", "/futures/data/"))

    def owns_socket(self, path: str) -> bool:
        return path.startswith(("/market/", "/public/", "/private/", "/ws", "/stream"))

    def reply(self, request: Request, market: Market) -> Reply:
        return rest.answer(request, market)

    def costs(self, request: Request) -> Mapping[str, int]:
        return rest.costs(request)

    def limited(self, request: Request, banned: bool, retry_after_s: int) -> Reply:
        until = request.now + retry_after_s * 1000
        told = (
            f"Way too many requests; IP banned until {until}."
            if banned
            else "Too many requests; current limit of IP is 2400 requests per minute."
        )
        return Reply(418 if banned else 429, rest.failure(-1003, told), {"Retry-After": str(retry_after_s)})

    def unavailable(self, request: Request) -> Reply:
        return Reply(503, rest.failure(-1001, "Internal error; unable to process your request. Please try again."))

    def usage(self, used: Mapping[str, int]) -> Mapping[str, str]:
        return {"x-mbx-used-weight-1m": str(used.get("weight", 0))}

    def receive(self, message: Any, path: str, now: int) -> Subscribed:
        if not isinstance(message, dict) or message.get("method") not in ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"):
            return Subscribed(frames=({"error": {"code": 2, "msg": "Invalid request: unknown variant"}, "id": None},))
        acknowledged = ({"result": None, "id": message.get("id")},)
        names = [name for name in message.get("params") or () if isinstance(name, str)]
        # streams of another category, and of the retired path without one, are acknowledged and never speak [D: change notice of 2026-04]
        topics = tuple(topic for topic in map(_topic, names) if topic is not None) if path.startswith("/market/") else ()
        if message["method"] == "SUBSCRIBE":
            return Subscribed(acknowledged, added=topics)
        return Subscribed(acknowledged, removed=topics if message["method"] == "UNSUBSCRIBE" else ())

    def sampled(self, events: Iterable[Liquidation]) -> list[Liquidation]:
        """Only the latest order of each symbol and 1000 ms [D]."""
        kept = {(event.contract, event.time // 1000): event for event in events}
        return sorted(kept.values(), key=lambda event: (event.time, event.contract))

    def liquidation_frames(self, topic: Topic, events: Iterable[Liquidation], now: int) -> list[Any]:
        return [{"e": "forceOrder", "E": now, "o": _order(event)} for event in events]

    def control_frames(self, topic: Topic, market: Market, now: int) -> list[Any]:
        if topic.contract is None:
            return [[_mark_price(market, contract, now) for contract in market.contracts("binance", now)]]
        contract = market.contract("binance", topic.contract, now)
        return [_mark_price(market, contract, now)] if contract is not None and contract.trades_at(now) else []


def _topic(name: str) -> Topic | None:
    if name == _ALL_LIQUIDATIONS:
        return Topic("liquidations", name, None)
    if name in _ALL_MARKS:
        return Topic("control", name, None)
    symbol, _, stream = name.partition("@")
    if stream == "forceOrder":
        return Topic("liquidations", name, symbol.upper())
    return Topic("control", name, symbol.upper()) if stream in ("markPrice@1s", "markPrice") else None


def _order(event: Liquidation) -> dict[str, Any]:
    quantity = format(event.base, "f")
    # the last fill need not be the whole order, and has been recorded as more than it [R]: z is what counts
    last = quantity if event.seq % 3 else format(event.base / 2, "f")
    return {
        "s": event.contract,
        "S": event.side,
        "o": "LIMIT",
        "f": "IOC",
        "q": quantity,
        "p": format(event.price, "f"),
        "ap": format(event.average_price, "f"),
        "X": "FILLED",
        "l": last,
        "z": quantity,
        "T": event.time,
    }


def _mark_price(market: Market, contract: Contract, now: int) -> dict[str, Any]:
    mark = format(market.mark(contract.base, now), ".8f")
    return {
        "e": "markPriceUpdate",
        "E": now,
        "s": contract.id,
        "p": mark,
        "i": format(market.index(contract.base, now), ".8f"),
        "P": mark,
        "r": format(market.predicted(contract, now) + Decimal(0), ".8f"),
        "T": market.next_settlement(contract, now),
    }
