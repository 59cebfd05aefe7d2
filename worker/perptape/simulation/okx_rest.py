"""What OKX answers over REST: pages, bounds, retention and errors.

Pure. Lists come newest first and both bounds of a page are exclusive. Marked: [D] the venue's documentation, [M] measured by others on
the live venue, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from perptape.simulation import okx_rows as rows
from perptape.simulation.history import newest_settled
from perptape.simulation.wire import Reply, Request

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract, Liquidation
    from perptape.simulation.market import Market

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PAGE = 100  # rows of one page, of open interest as of funding rates [D]
FUNDING_KEPT = 90 * DAY  # "three months" [D]
LIQUIDATIONS_KEPT = 7 * DAY  # "recent 7 days" [D]
SETTLED_AFTER = 30_000  # a settlement shows in the history this long after its time [A]

_SHIFT = 8 * HOUR  # buckets of 6H and up open at 00:00 UTC+8, that is 16:00 UTC, unless the period says utc [D, M]
PERIODS: Mapping[str, tuple[int, int, int]] = {
    # period: (length, shift, what is kept). 3 days of 5m, 5 of 1H, 100 of 1D [M 2026-09]; those between are interpolated [A]
    "5m": (5 * MINUTE, 0, 3 * DAY),
    "15m": (15 * MINUTE, 0, 3 * DAY),
    "30m": (30 * MINUTE, 0, 3 * DAY),
    "1H": (HOUR, 0, 5 * DAY),
    "2H": (2 * HOUR, 0, 5 * DAY),
    "4H": (4 * HOUR, 0, 5 * DAY),
    "6H": (6 * HOUR, _SHIFT, 100 * DAY),
    "12H": (12 * HOUR, _SHIFT, 100 * DAY),
    "1D": (DAY, _SHIFT, 100 * DAY),
    "6Hutc": (6 * HOUR, 0, 100 * DAY),
    "12Hutc": (12 * HOUR, 0, 100 * DAY),
    "1Dutc": (DAY, 0, 100 * DAY),
}


class Refused(Exception):
    """A request that the venue answers with an error code."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.reply = failure(code, message, status)


def answer(request: Request, market: Market) -> Reply:
    """The reply to any request of the REST API."""
    found = _ANSWERS.get(request.path.removeprefix("/api/v5/"))
    if found is None or request.method != "GET":
        return Reply(404, {"code": "404", "data": {}, "msg": "Not Found"})
    try:
        return Reply(200, {"code": "0", "data": found(request, market), "msg": ""})
    except Refused as refused:
        return refused.reply


def failure(code: str, message: str, status: int = 200) -> Reply:
    """An error as the venue words it; many come with HTTP 200."""
    return Reply(status, {"code": code, "data": [], "msg": message})


def sampled(events: Iterable[Liquidation]) -> list[Liquidation]:
    """At most one order per contract and second, the last one, in the order of time [D: "does not represent the total number"]."""
    kept = {(event.contract, event.time // 1000): event for event in events}
    return sorted(kept.values(), key=lambda event: (event.time, event.seq))


def _integer(request: Request, name: str, default: int) -> int:
    value = request.query.get(name, "")
    if not value:
        return default
    if not value.lstrip("-").isdigit():
        raise Refused("51000", f"Parameter {name} error", 400)
    return int(value)


def _count(request: Request) -> int:
    return max(1, min(_integer(request, "limit", PAGE), PAGE))


def _one(request: Request, market: Market) -> Contract:
    id = request.query.get("instId", "")
    if not id:
        raise Refused("50014", "Parameter instId can not be empty.", 400)
    contract = market.contract("okx", id, request.now)
    if contract is None or not contract.trades_at(request.now):
        raise Refused("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
    return contract


def _chosen(request: Request, market: Market) -> list[Contract]:
    """The swaps that the query names: one, a family's or all."""
    if request.query.get("instType", "SWAP") not in ("SWAP", "FUTURES", "OPTION", "SPOT", "MARGIN"):
        raise Refused("51000", "Parameter instType error", 400)
    if request.query.get("instType", "SWAP") != "SWAP":
        return []
    if request.query.get("instId"):
        return [_one(request, market)]
    family = request.query.get("instFamily") or request.query.get("uly")
    return [each for each in market.contracts("okx", request.now) if family in (None, rows.family(each.id)["instFamily"])]


def _time(request: Request, market: Market) -> list[Any]:
    return [{"ts": str(request.now)}]


def _each(row: Callable[[Market, Contract, int], Any]) -> Callable[[Request, Market], list[Any]]:
    def answer(request: Request, market: Market) -> list[Any]:
        return [row(market, contract, request.now) for contract in _chosen(request, market)]

    return answer


def _funding_rate(request: Request, market: Market) -> list[Any]:
    if request.query.get("instId") == "ANY":
        return [rows.funding_rate(market, contract, request.now) for contract in market.contracts("okx", request.now)]
    return [rows.funding_rate(market, _one(request, market), request.now)]


def _page(request: Request, newer: str, older: str, kept: int, until: int) -> tuple[int, int]:
    """The half-open span that may be answered: both bounds of the request are exclusive."""
    start = max(_integer(request, newer, -1) + 1, request.now - kept)
    return start, min(_integer(request, older, until), until)


def _funding_rate_history(request: Request, market: Market) -> list[Any]:
    lifetimes, count = market.lifetimes("okx", _one(request, market).id), _count(request)
    start, end = _page(request, "before", "after", FUNDING_KEPT, request.now - SETTLED_AFTER + 1)
    newest_first = newest_settled(market, lifetimes, start, end, count)[::-1]
    return [rows.settlement(market, *each) for each in newest_first[:count]]  # `before` alone answers the latest, not the next ones [D]


def _open_interest_history(request: Request, market: Market) -> list[Any]:
    lifetimes, count = market.lifetimes("okx", _one(request, market).id), _count(request)
    period = request.query.get("period") or "5m"
    if period not in PERIODS:
        raise Refused("51000", "Parameter period error", 400)
    length, shift, kept = PERIODS[period]
    start, end = _page(request, "begin", "end", kept, request.now + 1)
    answered: list[Any] = []
    for contract in reversed(lifetimes):
        until = end if contract.delisted is None else min(end, contract.delisted)
        newest = (until - 1 + shift) // length * length - shift
        for opened in range(newest, max(start, contract.listed) - 1, -length)[: count - len(answered)]:
            # the bucket that is still open is listed too, and moves with the market until it is final [M 2026-09]
            final = market.published(contract, opened, length) <= request.now
            seen = market.figure_of("okx", opened, length) if final else request.now
            answered.append(rows.open_interest_bucket(market, contract, seen, opened))
    return answered


def _liquidation_orders(request: Request, market: Market) -> list[Any]:
    if not (request.query.get("uly") or request.query.get("instFamily")):
        raise Refused("50015", "Either parameter uly or instFamily is required", 400)
    start, end = _page(request, "before", "after", LIQUIDATIONS_KEPT, request.now)
    answered = []
    for id in dict.fromkeys(contract.id for contract in _chosen(request, market)):
        newest = _newest_liquidations(market.lifetimes("okx", id), market, start, end, _count(request))
        answered.append({"details": [rows.liquidation_detail(each) for each in newest], **rows.family(id)})
    return answered


def _newest_liquidations(lives: Sequence[Contract], market: Market, start: int, end: int, count: int) -> list[Liquidation]:
    """Of all lives of a listed ticker: what was liquidated before it ended and came back is its past too [A]."""
    found: list[Liquidation] = []
    while end > start and len(found) < count:
        begin = max(start, end - 10 * MINUTE)
        whole = begin // SECOND * SECOND, -(-end // SECOND) * SECOND  # which order of a second is the last, no bound of a page decides
        shown = sampled([event for life in lives for event in market.liquidations(life, *whole)])
        found += [event for event in shown if begin <= event.time < end][::-1]
        end = begin
    return found[:count]


_ANSWERS: Mapping[str, Callable[[Request, Market], list[Any]]] = {
    "public/time": _time,
    "public/instruments": _each(rows.instrument),
    "public/open-interest": _each(rows.open_interest),
    "public/funding-rate": _funding_rate,
    "public/funding-rate-history": _funding_rate_history,
    "public/mark-price": _each(rows.mark_price),
    "public/liquidation-orders": _liquidation_orders,
    "market/ticker": _each(rows.ticker),
    "market/tickers": _each(rows.ticker),
    "rubik/stat/contracts/open-interest-history": _open_interest_history,
}
