"""What Deribit's public methods answer: which rows, how many, in what order, and its errors.

Pure. Marked: [D] the venue's documentation, [M] measured by others on the live venue, [A] assumed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perptape.simulation import deribit_rows as rows
from perptape.simulation.history import oldest_settled

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract
    from perptape.simulation.market import Market

HOUR, DAY = 3_600_000, 86_400_000
FUNDING_PAGE = 744  # 31 days of hours: the oldest of the window [M]
TRADES_DEFAULT, TRADES_PAGE = 10, 1000  # [D]
SETTLED_AFTER = 5_000  # an hour's row shows this long after the hour [A]
_CHUNK = 300_000

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result, or the error, of one method."""

    result: Any = None
    error: Mapping[str, Any] | None = None
    status: int = 200


class Refused(Exception):
    """A request that the venue answers with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.error))
        self.answer = answer


def failure(code: int, message: str, data: Mapping[str, str] | None = None, status: int = 400) -> Answer:
    """An error as JSON-RPC words it."""
    return Answer(None, {"message": message, **({"data": data} if data else {}), "code": code}, status)


def answer(method: str, query: Query, market: Market, now: int) -> Answer:
    """The answer to any public method."""
    found = _METHODS.get(method)
    if found is None:
        return failure(-32601, "Method not found")
    try:
        return Answer(found(query, market, now))
    except Refused as refused:
        return refused.answer


def socket_answer(method: str, now: int) -> Answer:
    """The answers of the WebSocket that need no market. A heartbeat is agreed to and never asked for: no client here wants one."""
    if method == "public/test":
        return Answer({"version": "1.2.26"})
    if method == "public/get_time":
        return Answer(now)
    if method in ("public/set_heartbeat", "public/disable_heartbeat", "public/unsubscribe_all"):
        return Answer("ok")
    return failure(-32601, "Method not found")


def _invalid(parameter: str, reason: str) -> Refused:
    return Refused(failure(-32602, "Invalid params", {"reason": reason, "param": parameter}))


def _integer(query: Query, name: str, default: int | None = None) -> int:
    value = query.get(name, "")
    if not value and default is not None:
        return default
    if not value.lstrip("-").isdigit():
        raise _invalid(name, "value required" if not value else "must be an integer")
    return int(value)


def _contract(query: Query, market: Market, now: int, listed: bool = True) -> Contract:
    name = query.get("instrument_name", "")
    if not name:
        raise _invalid("instrument_name", "value required")
    contract = market.contract("deribit", name, now)
    if contract is None or now < contract.listed:
        raise _invalid("instrument_name", "wrong format")
    if listed and not contract.trades_at(now):
        raise Refused(failure(13020, "not_found"))
    return contract


def _known(query: Query, market: Market, now: int) -> list[Contract]:
    """By currency of settlement: all linear contracts are under USDC, whatever their base."""
    expired = query.get("expired", "false").lower() == "true"
    kind, currency = query.get("kind", "any"), query.get("currency", "any")
    if kind not in ("any", "future"):
        return []
    return [
        each
        for each in market.contracts("deribit")
        if each.listed <= now and each.trades_at(now) != expired and currency in ("any", each.settle)
    ]


def _instruments(query: Query, market: Market, now: int) -> list[dict[str, Any]]:
    return [rows.instrument(each, now) for each in _known(query, market, now)]


def _currencies(query: Query, market: Market, now: int) -> list[dict[str, Any]]:
    names = {contract.base for contract in market.contracts("deribit")} | {"USDC"}
    common = {"min_confirmations": 1, "withdrawal_fee": 0.0001, "min_withdrawal_fee": 0.0001, "withdrawal_priorities": []}
    return [{"currency": name, "currency_long": name, "coin_type": name, "fee_precision": 4, **common} for name in sorted(names)]


def _summaries(query: Query, market: Market, now: int) -> list[dict[str, Any]]:
    if not query.get("currency"):
        raise _invalid("currency", "value required")
    return [rows.summary(market, each, now) for each in _known({**query, "expired": "false"}, market, now)]


def _summary(query: Query, market: Market, now: int) -> list[dict[str, Any]]:
    return [rows.summary(market, _contract(query, market, now), now)]


def _ticker(query: Query, market: Market, now: int) -> dict[str, Any]:
    return rows.ticker(market, _contract(query, market, now), now)


def _funding_rate_value(query: Query, market: Market, now: int) -> float:
    """What the hours in (start, end] came to."""
    contract = _contract(query, market, now)
    start, end = _integer(query, "start_timestamp"), _integer(query, "end_timestamp")
    return float(sum(each.rate for each in market.settlements(contract, start + 1, min(end, now) + 1)))


def _funding_rate_history(query: Query, market: Market, now: int) -> list[dict[str, Any]]:
    """Hourly rows of [start, end], ascending, the oldest 744 of them: a longer window loses its newest part."""
    lifetimes = market.lifetimes("deribit", _contract(query, market, now, listed=False).id)
    start, end = _integer(query, "start_timestamp"), min(_integer(query, "end_timestamp"), now - SETTLED_AFTER)
    settled = oldest_settled(market, lifetimes, start - 8 * HOUR, end + 1, FUNDING_PAGE + 8)
    inside = [place for place, (_, each) in enumerate(settled) if each.time >= start][:FUNDING_PAGE]
    return [rows.funding(market, settled[place][0], [each for _, each in settled[max(0, place - 7) : place + 1]]) for place in inside]


def _trades_by_time(query: Query, market: Market, now: int) -> dict[str, Any]:
    """Trades of [start, end], the oldest first unless `sorting` is desc."""
    contract = _contract(query, market, now, listed=False)
    start, end = _integer(query, "start_timestamp", 0), min(_integer(query, "end_timestamp", now), now - 1)
    newest_first = query.get("sorting") == "desc" or not query.get("start_timestamp")
    return _trades(market, contract.id, start, end + 1, _count(query), newest_first)


def _last_trades(query: Query, market: Market, now: int) -> dict[str, Any]:
    contract = _contract(query, market, now, listed=False)
    return _trades(market, contract.id, 0, now, _count(query), query.get("sorting") != "asc")


def _count(query: Query) -> int:
    count = _integer(query, "count", TRADES_DEFAULT)
    if not 1 <= count <= TRADES_PAGE:
        raise _invalid("count", f"must be between 1 and {TRADES_PAGE}")
    return count


def _trades(market: Market, id: str, start: int, end: int, count: int, newest_first: bool) -> dict[str, Any]:
    """A page, gathered from the end that it begins at."""
    found: list[dict[str, Any]] = []
    for contract, begin, until in _chunks(market.lifetimes("deribit", id), start, end, newest_first):
        trades = market.trades(contract, begin, until)
        found += [rows.trade(market, contract, each) for each in (trades[::-1] if newest_first else trades)]
        if len(found) > count:
            break
    return {"trades": found[:count], "has_more": len(found) > count}


def _chunks(lifetimes: Sequence[Contract], start: int, end: int, newest_first: bool) -> Iterator[tuple[Contract, int, int]]:
    """[start, end) in pieces of a few minutes, each within one lifetime."""
    for contract in reversed(lifetimes) if newest_first else lifetimes:
        first = max(start, contract.listed)
        last = end if contract.delisted is None else min(end, contract.delisted)
        begins = range(first, last, _CHUNK)
        for begin in reversed(begins) if newest_first else begins:
            yield contract, begin, min(begin + _CHUNK, last)


_METHODS: Mapping[str, Callable[[Query, Market, int], Any]] = {
    "public/get_time": lambda query, market, now: now,
    "public/test": lambda query, market, now: {"version": "1.2.26"},
    "public/get_currencies": _currencies,
    "public/get_instruments": _instruments,
    "public/get_book_summary_by_currency": _summaries,
    "public/get_book_summary_by_instrument": _summary,
    "public/ticker": _ticker,
    "public/get_funding_rate_value": _funding_rate_value,
    "public/get_funding_rate_history": _funding_rate_history,
    "public/get_last_trades_by_instrument": _last_trades,
    "public/get_last_trades_by_instrument_and_time": _trades_by_time,
}
