"""CCXT's own clients, pointed at the simulated venues, get the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import ccxt.pro
import pytest

from perptape.simulation import truth
from perptape.simulation.clock import Hand
from perptape.simulation.faults import Fault
from perptape.simulation.market import SLOT, Market

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
pytestmark = pytest.mark.slow
SYMBOL = "BTC/USDT:USDT"


def redirected(urls: Any, endpoint: str) -> Any:
    """The same URLs with another scheme and authority."""
    if isinstance(urls, dict):
        return {key: redirected(value, endpoint) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    parts, to = urlsplit(urls), urlsplit(endpoint)
    scheme = "ws" if parts.scheme in ("ws", "wss") else "http"
    return urlunsplit((scheme, to.netloc, parts.path, parts.query, parts.fragment))


@pytest.fixture
async def client() -> AsyncIterator[Callable[[str, str], Any]]:
    async with AsyncExitStack() as stack:

        def make(name: str, endpoint: str) -> Any:
            options = {"fetchMarkets": {"types": ["linear"]}, "ws": {"compress": 0}}
            made = getattr(ccxt.pro, name)({"enableRateLimit": False, "options": options, "timeout": 20_000})
            made.urls["api"] = redirected(made.urls["api"], endpoint)
            stack.push_async_callback(made.close)
            return made

        yield make


VENUES = [("binance", "binanceusdm"), ("bybit", "bybit")]


@pytest.mark.parametrize(("venue", "name"), VENUES)
async def test_ccxt_reads_markets_open_interest_and_funding(
    venue: str, name: str, market: Market, hand: Hand, serve: Any, client: Any
) -> None:
    simulation = await serve(venues=(venue,), ticking=False)
    ex = client(name, simulation.endpoints[venue])
    markets = await ex.load_markets()
    btc = market.contract(venue, "BTCUSDT")
    assert btc is not None
    now = simulation.now(venue)
    active = {one["id"] for one in markets.values() if one["swap"] and one["active"] is not False}
    assert active == {contract.id for contract in market.contracts(venue, now)}
    assert markets[SYMBOL]["precision"]["price"] == float(btc.tick)

    funding = await ex.fetch_funding_rate(SYMBOL)
    assert funding["fundingRate"] == float(market.predicted(btc, now))
    assert funding["fundingTimestamp"] == market.next_settlement(btc, now)

    begin = now // SLOT * SLOT - 4 * HOUR
    history = await ex.fetch_open_interest_history(SYMBOL, "5m", since=begin, limit=40)
    expected = truth.open_interest(market, venue, "BTCUSDT", begin, begin + 40 * SLOT + 1, SLOT)[-40:]
    assert [(row["timestamp"], row["openInterestAmount"]) for row in history] == [(time, float(base)) for time, base, _ in expected]

    settled = await ex.fetch_funding_rate_history(SYMBOL, since=now - 10 * DAY, limit=30)
    rates = [(row["timestamp"] // 1000 * 1000, row["fundingRate"]) for row in settled]
    assert rates == [(one.time, float(one.rate)) for one in truth.funding(market, venue, "BTCUSDT", now - 10 * DAY, now)]


async def test_ccxt_reads_binances_current_open_interest_and_intervals(market: Market, serve: Any, client: Any) -> None:
    simulation = await serve(venues=("binance",), ticking=False)
    ex = client("binanceusdm", simulation.endpoints["binance"])
    await ex.load_markets()
    btc = market.contract("binance", "BTCUSDT")
    assert btc is not None
    current = await ex.fetch_open_interest(SYMBOL)
    assert current["openInterestAmount"] == float(market.open_interest(btc, simulation.now("binance")))
    intervals = await ex.fetch_funding_intervals()
    assert intervals["DOGE/USDT:USDT"]["interval"] == "4h"
    assert SYMBOL not in intervals


async def test_ccxts_current_open_interest_of_bybit_is_a_bucket_of_the_past_and_its_ticker_is_not(
    market: Market, serve: Any, client: Any
) -> None:
    simulation = await serve(venues=("bybit",), ticking=False)
    ex = client("bybit", simulation.endpoints["bybit"])
    await ex.load_markets()
    btc, now = market.contract("bybit", "BTCUSDT"), simulation.now("bybit")
    assert btc is not None
    assert now - (await ex.fetch_open_interest(SYMBOL))["timestamp"] >= SLOT
    ticker = await ex.fetch_ticker(SYMBOL)
    assert ticker["info"]["openInterest"] == format(market.open_interest(btc, now), "f")


@pytest.mark.slow
async def test_ccxt_watches_binances_liquidations(serve: Any, client: Any) -> None:
    simulation = await serve(moving=True, venues=("binance",))
    ex = client("binanceusdm", simulation.endpoints["binance"])
    await ex.load_markets()
    watching = asyncio.ensure_future(ex.watch_liquidations_for_symbols([]))
    seen = await asyncio.wait_for(watching, 20)
    session = simulation.truth.of("binance")[0]
    assert session.path.startswith("/market/ws/")
    sent = session.liquidations()[0]
    assert seen[0]["info"]["s"] == sent.contract
    assert (seen[0]["side"], seen[0]["timestamp"]) == (sent.side.lower(), sent.time)


async def test_ccxt_watches_bybits_liquidations_and_inverts_the_side(serve: Any, client: Any, until: Any) -> None:
    simulation = await serve(moving=True, venues=("bybit",))
    ex = client("bybit", simulation.endpoints["bybit"])
    await ex.load_markets()
    watching = asyncio.ensure_future(ex.watch_liquidations(SYMBOL))
    await until(lambda: any(session.subscriptions for session in simulation.truth.of("bybit")))
    simulation.inject("bybit", "BTCUSDT", 3)
    seen = await asyncio.wait_for(watching, 20)
    sent = simulation.truth.of("bybit")[0].liquidations()[0]
    assert seen[0]["timestamp"] == sent.time
    assert seen[0]["side"] == ("buy" if sent.side == "SELL" else "sell")
    assert seen[0]["info"]["p"] == format(sent.bankruptcy_price, "f")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 429, "retry_after": 7}, ccxt.DDoSProtection),
        ({"kind": "status", "status": 418, "retry_after": 7}, ccxt.DDoSProtection),
        ({"kind": "status", "status": 502}, ccxt.ExchangeNotAvailable),
        ({"kind": "reset"}, ccxt.ExchangeNotAvailable),
        ({"kind": "cut"}, ccxt.ExchangeError),
        ({"kind": "maintenance"}, ccxt.OperationFailed),
        ({"kind": "blackhole"}, ccxt.RequestTimeout),
    ],
)
async def test_ccxt_meets_each_fault_as_the_error_that_the_real_venue_would_cause(
    fault: dict[str, Any], error: type[Exception], serve: Any, client: Any
) -> None:
    simulation = await serve(venues=("binance",), ticking=False)
    ex = client("binanceusdm", simulation.endpoints["binance"])
    await ex.load_markets()
    if fault["kind"] == "blackhole":
        ex.timeout = 300
    simulation.faults.add([Fault.of({**fault, "path": "openInterest"})])
    with pytest.raises(error):
        await ex.fetch_open_interest(SYMBOL)
    simulation.faults.clear()
    ex.timeout = 20_000
    assert (await ex.fetch_open_interest(SYMBOL))["openInterestAmount"] > 0
