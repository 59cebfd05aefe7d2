"""What Binance USD-M answers over REST: pages, retention and errors.

Pure. Marked: [D] the venue's documentation, [R] a recorded payload, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from perptape.simulation import binance_rows as rows
from perptape.simulation.history import newest_settled, oldest_settled, published_stamps
from perptape.simulation.wire import Reply, Request

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract, Settlement
    from perptape.simulation.market import Market

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PERIODS: Mapping[str, int] = {
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
}
OPEN_INTEREST_KEPT = 30 * DAY  # [D]
JITTER = 16  # funding is stamped up to this many ms late: 08:00:00.011, 00:00:00.010 [R]
SETTLED_AFTER = 5_000  # a settlement shows in the history this long after its time [A]
_WEIGHTS = {"/fapi/v1/premiumIndex": (1, 10), "/fapi/v1/ticker/24hr": (1, 40), "/fapi/v1/ticker/price": (1, 2)}
_FUNDING = ("/fapi/v1/fundingRate", "/fapi/v1/fundingInfo")


class Refused(Exception):
    """A request that the venue answers with an error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.reply = Reply(400, failure(code, message))


def failure(code: int, message: str) -> dict[str, Any]:
    """An error as the venue words it."""
    return {"code": code, "msg": message}


def costs(request: Request) -> Mapping[str, int]:
    """What a request costs in each limit [D]."""
    if request.path.startswith("/futures/data/"):
        return {"data": 1}
    if request.path in _FUNDING:
        return {"funding": 1}
    one, every = _WEIGHTS.get(request.path, (1, 1))
    return {"weight": one if "symbol" in request.query else every}


def answer(request: Request, market: Market) -> Reply:
    """The reply to any request of the REST API."""
    found = _ANSWERS.get(request.path)
    if found is None or request.method != "GET":
        return Reply(404, b"<html><body><h2>404 Not found</h2></body></html>", {"Content-Type": "text/html"})
    try:
        return Reply(200, found(request, market))
    except Refused as refused:
        return refused.reply


def _integer(request: Request, name: str) -> int | None:
    value = request.query.get(name, "")
    if not value:
        return None
    if not value.lstrip("-").isdigit():
        raise Refused(-1130, f"parameter '{name}' is invalid.")
    return int(value)


def _limit(request: Request, default: int, most: int) -> int:
    limit = _integer(request, "limit")
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise Refused(-1130, "parameter 'limit' is invalid.")
    return limit


def _known(request: Request, market: Market) -> str:
    id = request.query.get("symbol", "")
    if not id:
        raise Refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    if market.contract("binance", id) is None:
        raise Refused(-1121, "Invalid symbol.")
    return id


def _trading(request: Request, market: Market) -> Contract:
    contract = market.contract("binance", _known(request, market), request.now)
    if contract is None or not contract.trades_at(request.now):
        raise Refused(-4108, "Symbol is on delivering or delivered or settling or closed or pre-trading.")
    return contract


def _time(request: Request, market: Market) -> Any:
    return {"serverTime": request.now}


def _exchange_info(request: Request, market: Market) -> Any:
    newest = {contract.id: contract for contract in market.contracts("binance") if contract.listed <= request.now}
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}]
    return {
        "timezone": "UTC",
        "serverTime": request.now,
        "futuresType": "U_MARGINED",
        "rateLimits": limits,
        "exchangeFilters": [],
        "assets": [],
        "symbols": [rows.symbol(contract, request.now) for contract in newest.values()],
    }


def _open_interest(request: Request, market: Market) -> Any:
    contract = _trading(request, market)
    return {"symbol": contract.id, "openInterest": format(market.open_interest(contract, request.now), "f"), "time": request.now}


def _open_interest_history(request: Request, market: Market) -> Any:
    id = _known(request, market)
    period = PERIODS.get(request.query.get("period", ""))
    if period is None:
        raise Refused(-1130, "parameter 'period' is invalid.")
    limit, floor = _limit(request, 30, 500), request.now - OPEN_INTEREST_KEPT
    start, end = _integer(request, "startTime"), _integer(request, "endTime")
    if start is not None and (start < floor or (end is not None and end < start)):
        raise Refused(-1130, "parameter 'startTime' is invalid.")
    first, last = max(floor, start or 0), request.now if end is None else end
    stamps = published_stamps(
        market, market.lifetimes("binance", id), period, first, last, request.now, limit
    )  # the newest of the window [A]
    return [rows.bucket(market, contract, stamp, market.figure_of("binance", stamp, period)) for contract, stamp in reversed(stamps)]


def _premium_index(request: Request, market: Market) -> Any:
    if "symbol" in request.query:
        return rows.premium(market, _trading(request, market), request.now)
    return [rows.premium(market, contract, request.now) for contract in market.contracts("binance", request.now)]


def _funding_rate(request: Request, market: Market) -> Any:
    limit, start, end = _limit(request, 100, 1000), _integer(request, "startTime"), _integer(request, "endTime")
    ids = [_known(request, market)] if "symbol" in request.query else sorted({c.id for c in market.contracts("binance")})
    last = request.now - SETTLED_AFTER if end is None else min(end, request.now - SETTLED_AFTER)
    first, cut = (start, oldest_settled) if start is not None else (0, newest_settled)
    found: list[tuple[int, Contract, Settlement]] = []
    for id in ids:
        for contract, one in cut(market, market.lifetimes("binance", id), first - JITTER, last + 1, limit + 1):
            stamp = one.time + market.jitter(contract, one.time, JITTER)
            if first <= stamp <= last:
                found.append((stamp, contract, one))
    found.sort(key=lambda row: (row[0], row[1].id))
    page = found[:limit] if start is not None else found[-limit:]
    return [
        {
            "symbol": contract.id,
            "fundingTime": stamp,
            "fundingRate": format(one.rate, ".8f"),
            "markPrice": format(market.mark(contract.base, one.time), ".8f"),
        }
        for stamp, contract, one in page
    ]


def _funding_info(request: Request, market: Market) -> Any:
    """Only symbols with adjusted terms are listed; the rest settle every 8 h [D]."""
    listed = [(contract, contract.funding_interval(request.now)) for contract in market.contracts("binance", request.now)]
    return [
        {
            "symbol": contract.id,
            "adjustedFundingRateCap": "0.03000000",
            "adjustedFundingRateFloor": "-0.03000000",
            "fundingIntervalHours": minutes // 60,
            "disclaimer": False,
        }
        for contract, minutes in listed
        if minutes != 480
    ]


def _ticker(request: Request, market: Market) -> Any:
    if "symbol" in request.query:
        return rows.day(market, _trading(request, market), request.now)
    return [rows.day(market, contract, request.now) for contract in market.contracts("binance", request.now)]


_ANSWERS: Mapping[str, Callable[[Request, Market], Any]] = {
    "/fapi/v1/ping": lambda request, market: {},
    "/fapi/v1/time": _time,
    "/fapi/v1/exchangeInfo": _exchange_info,
    "/fapi/v1/openInterest": _open_interest,
    "/futures/data/openInterestHist": _open_interest_history,
    "/fapi/v1/premiumIndex": _premium_index,
    "/fapi/v1/fundingRate": _funding_rate,
    "/fapi/v1/fundingInfo": _funding_info,
    "/fapi/v1/ticker/24hr": _ticker,
}
