"""The least that a history costs: the fewest calls that bring it, and the time that the venue's limits ask for them.

What a fill is measured against. Pure but for the limits that it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from perptape.simulation.limits import Limits
from perptape.simulation.market import SLOT, Market
from perptape.simulation.truth import funding, open_interest
from perptape.simulation.wire import Request, Wire


@dataclass(frozen=True, slots=True)
class Page:
    """How a venue pages a history: the path, its fixed query and the rows of a full page."""

    path: str
    query: Mapping[str, str]
    rows: int


PAGES: Mapping[tuple[str, str], Page] = {
    ("binance", "open_interest"): Page("/futures/data/openInterestHist", {"period": "5m", "limit": "500"}, 500),
    ("binance", "funding"): Page("/fapi/v1/fundingRate", {"limit": "1000"}, 1000),
    ("bybit", "open_interest"): Page("/v5/market/open-interest", {"category": "linear", "intervalTime": "5min", "limit": "200"}, 200),
    ("bybit", "funding"): Page("/v5/market/funding/history", {"category": "linear", "limit": "200"}, 200),
}


def fewest_calls(market: Market, venue: str, dataset: str, contract: str, start: int, end: int, now: int) -> Iterator[Request]:
    """The fewest requests whose answers hold every row of [start, end): five-minute open interest, or settled rates."""
    page = PAGES[venue, dataset]
    if dataset == "open_interest":
        times = [stamp for stamp, _, _ in open_interest(market, venue, contract, start, end, SLOT)]
    else:
        times = [one.time for one in funding(market, venue, contract, start, end)]
    for first in range(0, len(times), page.rows):
        last = times[min(first + page.rows, len(times)) - 1]
        window = {"symbol": contract, "startTime": str(times[first]), "endTime": str(last + 1000)}  # a settlement is stamped some ms late
        yield Request("GET", page.path, {**page.query, **window}, None, now)


def limit_time(wire: Wire, limits: Limits, calls: Iterable[Request]) -> Mapping[str, float]:
    """Venue ms that the calls take by limit, each as far from the next as its cost demands for ever: cost x window / amount, summed."""
    totals: dict[str, float] = {}
    for call in calls:
        for name, cost in wire.costs(call).items():
            totals[name] = totals.get(name, 0.0) + limits.spacing({name: cost})
    return totals
