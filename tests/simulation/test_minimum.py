"""The least that a history costs is enough for it, and nothing less is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perptape.simulation import truth
from perptape.simulation.market import SLOT, Market
from perptape.simulation.minimum import PAGES, fewest_calls
from perptape.simulation.wires import WIRES

NOW = 1_795_000_000_000 // SLOT * SLOT
DAY = 86_400_000
SPANS = {"open_interest": (NOW - 29 * DAY, NOW - DAY), "funding": (NOW - 365 * DAY, NOW - DAY)}


@pytest.mark.parametrize(("venue", "dataset"), list(PAGES))
@pytest.mark.parametrize("contract", ["BTCUSDT", "XRPUSDT"])
def test_the_fewest_calls_bring_every_row_once(venue: str, dataset: str, contract: str, market: Market) -> None:
    start, end = SPANS[dataset]
    calls = list(fewest_calls(market, venue, dataset, contract, start, end, NOW))
    wire, page = WIRES[venue](), PAGES[venue, dataset]
    pages = [wire.reply(replace(call, now=NOW), market).body for call in calls]
    rows = [row for body in pages for row in (body if venue == "binance" else body["result"]["list"])]
    if dataset == "open_interest":
        expected = [stamp for stamp, _, _ in truth.open_interest(market, venue, contract, start, end, SLOT)]
    else:
        expected = [one.time for one in truth.funding(market, venue, contract, start, end)]
    name = {"open_interest": "timestamp", "funding": "fundingTime" if venue == "binance" else "fundingRateTimestamp"}[dataset]
    assert sorted(int(row[name]) // 1000 * 1000 for row in rows) == expected
    assert len(calls) == -(-len(expected) // page.rows)


async def test_the_limits_own_time_is_cost_times_spacing(serve: Any, market: Market) -> None:
    simulation = await serve(venues=("binance", "bybit"), ticking=False, compress=10.0)
    interest = list(fewest_calls(market, "binance", "open_interest", "BTCUSDT", *SPANS["open_interest"], NOW))
    rates = list(fewest_calls(market, "binance", "funding", "BTCUSDT", *SPANS["funding"], NOW))
    seconds = simulation.limit_seconds("binance", interest + rates)
    assert seconds == {"data": pytest.approx(len(interest) * 0.03), "funding": pytest.approx(len(rates) * 0.06)}
    assert not simulation.truth.calls
