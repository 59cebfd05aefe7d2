"""What Bybit answers over REST: pages newest first and errors with HTTP 200.

Pure. Marked: [D] the venue's documentation, [M] measured by others on the live venue, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from perptape.simulation import bybit_rows as rows
from perptape.simulation.history import newest_settled, published_stamps
from perptape.simulation.wire import Reply, Request

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract
    from perptape.simulation.market import Market

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PERIODS: Mapping[str, int] = {"5min": 5 * MINUTE, "15min": 15 * MINUTE, "30min": 30 * MINUTE, "1h": HOUR, "4h": 4 * HOUR, "1d": DAY}
SETTLED_AFTER = 5_000  # a settlement shows in the history this long after its time [A]
_CATEGORIES = ("linear", "inverse", "spot", "option")


class Refused(Exception):
    """A request that the venue answers with an error code."""


def failure(code: int, message: str, now: int, headers: Mapping[str, str] | None = None) -> Reply:
    """An error as the venue words it, with HTTP 200."""
    return Reply(200, {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": now}, headers or {})


def answer(request: Request, market: Market) -> Reply:
    """The reply to any request of the REST API."""
    found = _ANSWERS.get(request.path)
    if found is None or request.method != "GET":
        return Reply(404, b"404 page not found", {"Content-Type": "text/plain"})
    try:
        result = found(request, market)
    except Refused as refused:
        return failure(10001, str(refused), request.now)
    return Reply(200, {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": request.now})


def _integer(request: Request, name: str) -> int | None:
    value = request.query.get(name, "")
    if not value:
        return None
    if not value.isdigit():
        raise Refused(f"params error: {name} invalid")
    return int(value)


def _limit(request: Request, default: int, most: int) -> int:
    given = _integer(request, "limit")
    return default if given is None else max(1, min(given, most))


def _category(request: Request) -> str:
    category = request.query.get("category", "")
    if category not in _CATEGORIES:
        raise Refused("params error: Category is invalid" if category else "params error: Category can not be empty")
    return category


def _known(request: Request, market: Market) -> tuple[str, tuple[Contract, ...]]:
    id = request.query.get("symbol", "")
    lifetimes = market.lifetimes("bybit", id) if _category(request) == "linear" else ()
    if not lifetimes:
        raise Refused("params error: symbol invalid" if id else "params error: Missing some parameters that must be filled in")
    return id, lifetimes


def _cursor(request: Request, field: str) -> int | None:
    """Where the page before this one ended; cursors are opaque to clients, and escaped twice on their way [D: example]."""
    name, _, value = unquote(request.query.get("cursor", "")).partition("=")
    if name and (name != field or not value.isdigit()):
        raise Refused("params error: cursor invalid")
    return int(value) if name else None


def _time(request: Request, market: Market) -> Any:
    return {"timeSecond": str(request.now // 1000), "timeNano": str(request.now * 1_000_000)}


def _instruments(request: Request, market: Market) -> Any:
    category, status, id = _category(request), request.query.get("status", "Trading"), request.query.get("symbol")
    newest = {each.id: each for each in market.contracts("bybit") if category == "linear" and each.listed <= request.now}
    chosen = [
        each
        for each in newest.values()
        if (each.trades_at(request.now) if status == "Trading" else status == "Closed" and not each.trades_at(request.now))
        and id in (None, each.id)
        and request.query.get("baseCoin") in (None, each.base)
    ]
    begin, limit = _cursor(request, "first") or 0, _limit(request, 500, 1000)
    page = chosen[begin : begin + limit]
    cursor = quote(f"first={begin + limit}", safe="") if begin + limit < len(chosen) else ""
    return {"category": category, "list": [rows.instrument(each, request.now) for each in page], "nextPageCursor": cursor}


def _tickers(request: Request, market: Market) -> Any:
    category, id = _category(request), request.query.get("symbol")
    listed = market.contracts("bybit", request.now) if category == "linear" else ()
    if id is not None and id not in {each.id for each in listed}:
        raise Refused("params error: symbol invalid")
    return {"category": category, "list": [rows.ticker(market, each, request.now) for each in listed if id in (None, each.id)]}


def _open_interest(request: Request, market: Market) -> Any:
    id, lifetimes = _known(request, market)
    period = PERIODS.get(request.query.get("intervalTime", ""))
    if period is None:
        raise Refused("params error: intervalTime invalid")
    start, end = _integer(request, "startTime"), _integer(request, "endTime")
    last = request.now if end is None else end
    first = start if start is not None and end is not None else 0  # a lone startTime is ignored [M]
    before = _cursor(request, "lastid")
    if before is not None:
        last = min(last, before - 1)
    limit = _limit(request, 50, 200)
    stamps = published_stamps(market, lifetimes, period, first, last, request.now, limit)
    page = [rows.bucket(market, contract, stamp, market.figure_of("bybit", stamp, period)) for contract, stamp in stamps]
    cursor = quote(f"lastid={stamps[-1][1]}", safe="") if len(stamps) == limit else ""
    return {"symbol": id, "category": "linear", "list": page, "nextPageCursor": cursor}


def _funding_history(request: Request, market: Market) -> Any:
    _, lifetimes = _known(request, market)
    start, end = _integer(request, "startTime"), _integer(request, "endTime")
    if start is not None and end is None:
        raise Refused("params error: startTime and endTime must both be given")  # "passing only startTime returns an error" [D]
    limit = _limit(request, 200, 200)
    last = request.now - SETTLED_AFTER if end is None else min(end, request.now - SETTLED_AFTER)
    newest = newest_settled(market, lifetimes, start or 0, last + 1, limit)[-limit:]
    return {"category": "linear", "list": [rows.settlement(contract, one) for contract, one in reversed(newest)]}


_ANSWERS: Mapping[str, Callable[[Request, Market], Any]] = {
    "/v5/market/time": _time,
    "/v5/market/instruments-info": _instruments,
    "/v5/market/tickers": _tickers,
    "/v5/market/open-interest": _open_interest,
    "/v5/market/funding/history": _funding_history,
}
