"""What is true of a venue that `perptape simulate` served, out of its own log: the market, and what each connection was sent.

Times are ms on the venue's clock; seconds count from the schedule's start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from campaign.feed import Connection, Key
from campaign.market import BACKFILL, keeps
from perptape.exchanges.base import Traits
from perptape.exchanges.registry import traits
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, SECOND, Interval
from perptape.simulation.schedule import Fault, Schedule
from perptape.standing import PUBLISHED_WITHIN
from support.simulator import Simulator

PERIOD = 5 * MINUTE
FUNDING_BEFORE = 4 * DAY
"""Settlements from before what is wanted are kept too: the first interval is the time since the one before."""
Events = list[dict[str, Any]]


@dataclass
class ServedMarket:
    """As `campaign.market.Market`, for the judge."""

    schedule: Schedule
    start: int
    lives: tuple[Instrument, ...]
    """Every life of every contract that is wanted, with the venue's own times."""
    traits: Traits
    period: int | None
    rows: dict[str, dict[str, dict[int, float]]]
    """dataset -> instrument -> time -> value"""
    happened: dict[str, Counter[Key]]
    """instrument -> its events, as far as the venue sends any"""
    first_listed: int | None
    """When anybody was first told what is listed and could keep what it wants of that."""
    moving: int = PERIOD + PUBLISHED_WITHIN

    def buckets(self, instrument: str, span: Interval, *, whole: bool = True) -> dict[int, float]:
        """whole: not those that the contract's end cuts."""
        lives = [one.life for one in self.lives if one.id == instrument]
        edge = (self.period or 0) - 1 if whole else 0
        found = self.rows["open_interest"].get(instrument, {})
        return {
            time: value for time, value in found.items() if time in span and any(time in life and time + edge in life for life in lives)
        }

    def settled(self, instrument: str, span: Interval) -> dict[int, float]:
        return {time: value for time, value in self.rows["funding"].get(instrument, {}).items() if time in span}


def market(simulated: Simulator, schedule: Schedule, start: int, known: Iterable[Instrument]) -> ServedMarket:
    """`known`: the contracts that are wanted, as the tape has them."""
    venue, now = schedule.venue, simulated.now(schedule.venue)
    told = traits(venue)
    wanted = {one.id: one for one in known}
    lives: list[Instrument] = []
    rows: dict[str, dict[str, dict[int, float]]] = {"open_interest": {}, "funding": {}}
    happened: dict[str, Counter[Key]] = {}
    for name, one in wanted.items():
        asked = (venue, one.venue_id, start - BACKFILL - HOUR, now)
        for life in simulated.control("GET", "lives", venue=venue, contract=one.venue_id):
            lives.append(replace(one, listed=life["listed"], delisted=life["delisted"]))
        rows["open_interest"][name] = simulated.open_interest(*asked)
        rows["funding"][name] = simulated.funding(venue, one.venue_id, start - BACKFILL - FUNDING_BEFORE, now)
        events = simulated.control("GET", "liquidations", venue=venue, contract=one.venue_id, start=start - HOUR, end=now)
        happened[name] = Counter(key for key in keys(venue, wanted, sampled(told, events)))
    period = PERIOD if told.open_interest_history is not None else None
    return ServedMarket(schedule, start, tuple(lives), told, period, rows, happened, _first_listed(simulated, schedule, start))


def _first_listed(simulated: Simulator, schedule: Schedule, start: int) -> int | None:
    path, asked = _LISTING[schedule.venue]
    calls = simulated.control("GET", "requests", venue=schedule.venue, path=path)
    whole = (call["at"] for call in calls if call["status"] == 200 and not call["faults"] and (call["body"] or {}).get("type") == asked)
    return min((at for at in whole if keeps(schedule, (at - start) / SECOND)), default=None)


def sampled(told: Traits, events: Events) -> Events:
    """What a venue sends of a contract's events: the last of each second, where it drops any."""
    if told.feed is None or told.feed.completeness == "complete":
        return events
    return list({event["time"] // SECOND: event for event in events}.values())


def keys(venue: str, wanted: dict[str, Instrument], events: Iterable[dict[str, Any]]) -> list[Key]:
    """Events as the tape's rows tell them; those of contracts that nobody wants are left out."""
    ids = {one.venue_id: one for one in wanted.values()}
    price, quantity = _COLUMNS[venue]
    found: list[Key] = []
    for event in events:
        if (one := ids.get(event["contract"])) is not None:
            name = trade_id(one, event["id"]) if venue == "deribit" else None
            found.append((one.id, event["time"], event["side"], float(event[price]), float(event[quantity]), name))
    return found


def trades_keys(one: Instrument, trades: Iterable[dict[str, Any]]) -> list[Key]:
    """Deribit's: the fills that liquidated somebody. T: the taker, M: the maker, MT: both."""
    found: list[Key] = []
    for trade in trades:
        taker, maker = trade["side"], "BUY" if trade["side"] == "SELL" else "SELL"
        sides = {None: (), "T": (taker,), "M": (maker,), "MT": (taker, maker)}[trade["liquidation"]]
        found += [
            (one.id, trade["time"], side, float(trade["price"]), float(trade["contracts"]), trade_id(one, trade["id"])) for side in sides
        ]
    return found


def trade_id(one: Instrument, id: str) -> str:
    return id if one.settle == "BTC" else f"{one.settle}-{id}"


_COLUMNS = {
    "binance": ("price", "base"),
    "bybit": ("bankruptcy_price", "base"),
    "okx": ("bankruptcy_price", "contracts"),
    "deribit": ("average_price", "contracts"),
    "hyperliquid": ("price", "base"),
}
"""What a venue sends as price and quantity."""
_LISTING = {
    "binance": ("/fapi/v1/exchangeInfo", None),
    "bybit": ("/v5/market/instruments-info", None),
    "okx": ("/api/v5/public/instruments", None),
    "deribit": ("/api/v2/public/get_instruments", None),
    "hyperliquid": ("/info", "meta"),
}
"""Where a venue tells what is listed: the path, and the type that a body names."""


class ServedFeed:
    """As `campaign.feed.Feed`, for the judge."""

    def __init__(self, market: ServedMarket, connections: Sequence[Connection], faults: Sequence[Fault]) -> None:
        self._market, self.connections = market, list(connections)
        self.withheld: dict[Key, set[Fault]] = {}
        for happened in market.happened.values():
            for key in happened:
                at = (key[1] - market.start) / SECOND
                if silencing := {fault for fault in faults if fault.kind == "silent topic" and fault.touches(at, at + 1, 5, 5)}:
                    self.withheld[key] = silencing

    def events(self, instrument: str) -> Counter[Key]:
        return self._market.happened.get(instrument, Counter())


def connections(market: ServedMarket, sessions: Sequence[dict[str, Any]], lived: Sequence[Any], factor: float) -> list[Connection]:
    """Every connection that subscribed. Whose it was is told by when: of the processes that lived, one that died with it where there is
    any, since it is judged more mildly."""
    wanted = {one.id: one for one in market.lives}
    ids = {one.venue_id: one for one in market.lives}
    found = []
    seconds = lambda time: (time - market.start) / SECOND  # noqa: E731
    for session in sessions:
        if not session["subscriptions"]:
            continue
        began = seconds(session["opened"])
        ended = None if session["closed"] is None else seconds(session["closed"])
        end = float("inf") if ended is None else ended
        mine = [one for one in lived if one.streams and one.began <= began <= one.end and one.end >= end - 2 * factor]
        dying = [one for one in mine if abs(one.end - end) <= 2 * factor]
        if not mine:
            continue
        connection = Connection(f"{market.schedule.venue}-{session['id']}", (dying or mine)[0], began, tuple(wanted), ended)
        for push in session["sent"]:
            told = keys(market.schedule.venue, wanted, push["liquidations"])
            if push["trades"]:
                one = ids.get(push["topic"].split(".")[1])
                told = [] if one is None else trades_keys(one, push["trades"])
            half = len(told) // 2
            twice = told and told[:half] == told[half:] and push["frames"] > 1
            connection.sent += [(key, seconds(push["at"]), not (twice and number >= half)) for number, key in enumerate(told)]
        found.append(connection)
    return found
