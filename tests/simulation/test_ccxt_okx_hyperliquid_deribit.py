"""CCXT's own clients, REST and WebSocket, talk to the simulated OKX, Hyperliquid and Deribit and read the market's truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro as ccxtpro
import pytest
from ccxt.base.errors import BadSymbol, DDoSProtection, ExchangeError, ExchangeNotAvailable, OnMaintenance, RateLimitExceeded

from perptape.simulation.contract import Contract
from perptape.simulation.faults import Fault
from perptape.simulation.market import Market
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings

HOUR, DAY = 3_600_000, 86_400_000
pytestmark = pytest.mark.slow
SYMBOLS = {"okx": "BTC/USDT:USDT", "hyperliquid": "BTC/USDC:USDC", "deribit": "BTC/USD:BTC"}
IDS = {"okx": "BTC-USDT-SWAP", "hyperliquid": "BTC", "deribit": "BTC-PERPETUAL"}
VENUES = tuple(SYMBOLS)


def moved(url: Any, endpoint: str) -> Any:
    """The URLs with the simulation's scheme and authority in place of the venue's."""
    if isinstance(url, dict):
        return {name: moved(each, endpoint) for name, each in url.items()}
    target = endpoint.replace("http", "ws", 1) if str(url).startswith("ws") else endpoint
    return target + urlsplit(url).path


@asynccontextmanager
async def client(simulation: Simulation, venue: str, **options: Any) -> AsyncIterator[Any]:
    exchange = getattr(ccxtpro, venue)({"enableRateLimit": False, **options})
    exchange.urls["api"] = moved(exchange.urls["api"], simulation.endpoints[venue])
    try:
        yield exchange
    finally:
        await exchange.close()


@asynccontextmanager
async def simulated(**settings: Any) -> AsyncIterator[Simulation]:
    async with Simulation(Market.standard(seed=7, symbols=4), Settings(venues=VENUES, **settings)) as simulation:
        yield simulation


def contract(simulation: Simulation, venue: str) -> Contract:
    found = simulation.market.contract(venue, IDS[venue])
    assert found is not None
    return found


async def gathered(watch: Callable[[], Any], wanted: int) -> list[Any]:
    rows: list[Any] = []
    while len(rows) < wanted:
        rows += await asyncio.wait_for(watch(), 30)
    return rows


async def repeated(call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        await call()


@pytest.mark.parametrize("venue", VENUES)
async def test_current_figures_are_those_of_the_market(venue: str) -> None:
    async with simulated() as simulation, client(simulation, venue) as exchange:
        markets = await exchange.load_markets()
        assert markets[SYMBOLS[venue]]["contractSize"] == float(contract(simulation, venue).contract_size)
        before = simulation.now(venue)
        assert before - 1000 < await exchange.fetch_time() < simulation.now(venue) + 1000
        before = simulation.now(venue)
        row = await exchange.fetch_open_interest(SYMBOLS[venue])
        held = [simulation.market.open_interest(contract(simulation, venue), t) for t in (before, simulation.now(venue))]
        in_base = {
            "okx": lambda: float(row["info"]["oiCcy"]),
            "hyperliquid": lambda: row["openInterestAmount"],
            "deribit": lambda: row["openInterestValue"] / float(simulation.market.index("BTC", before)),
        }[venue]()
        assert float(min(held)) * 0.9999 <= in_base <= float(max(held)) * 1.0001
        rate = await exchange.fetch_funding_rate(SYMBOLS[venue])
        assert rate["fundingRate"] is not None


@pytest.mark.parametrize(
    ("venue", "field", "rows"), [("okx", "realizedRate", 100), ("hyperliquid", "fundingRate", 500), ("deribit", "interest_1h", 721)]
)
async def test_funding_history_is_settled_rates_in_pages_of_the_venues_size(venue: str, field: str, rows: int) -> None:
    async with simulated() as simulation, client(simulation, venue) as exchange:
        since = simulation.now(venue) // HOUR * HOUR - 60 * DAY
        page = await exchange.fetch_funding_rate_history(SYMBOLS[venue], since=since)
        truth = {one.time: one.rate for one in simulation.market.settlements(contract(simulation, venue), since, simulation.now(venue))}
        assert len(page) == rows < len(truth)
        assert all(Decimal(str(row["info"][field])) == truth[row["timestamp"] // HOUR * HOUR] for row in page)
        oldest = page[0]["timestamp"] // HOUR * HOUR
        assert (oldest == min(truth)) is (venue != "okx")  # OKX answers the newest rows whatever `since` says


async def test_okx_open_interest_history_is_read_by_instrument() -> None:
    async with simulated() as simulation, client(simulation, "okx") as exchange:
        since = simulation.now("okx") // HOUR * HOUR - 2 * DAY
        rows = await exchange.fetch_open_interest_history(SYMBOLS["okx"], "5m", since=since)
        assert [row["timestamp"] for row in rows] == list(range(since, since + 100 * 300_000, 300_000))
        listed = contract(simulation, "okx")
        ends = [row["timestamp"] + 300_000 for row in rows]  # stamped by their start
        assert [row["baseVolume"] for row in rows] == [float(simulation.market.open_interest(listed, end)) for end in ends]
        assert len(await exchange.fetch_open_interests()) == len(await exchange.fetch_funding_rates()) == len(exchange.markets)


async def test_okx_liquidations_reach_ccxt_of_which_it_parses_the_first_detail() -> None:
    async with simulated(speed=20) as simulation, client(simulation, "okx", newUpdates=False) as exchange:
        for id in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
            simulation.liquidation_rate("okx", id, 2.0)
        await exchange.load_markets()
        await gathered(lambda: exchange.watch_liquidations_for_symbols([SYMBOLS["okx"], "ETH/USDT:USDT"]), 20)
        (session,) = simulation.truth.of("okx")
        sent = {(one.contract, one.time, one.side.lower(), float(one.contracts)) for one in session.liquidations()}
        parsed = {(row["info"]["instId"], row["timestamp"], row["side"], row["contracts"]) for row in exchange.liquidations}
        assert parsed < sent
        assert any(len(row["info"]["details"]) > 1 for row in exchange.liquidations)
        ticker = await asyncio.wait_for(exchange.watch_ticker(SYMBOLS["okx"]), 30)
        assert ticker["last"] == pytest.approx(float(simulation.market.price("BTC", simulation.now("okx"))), rel=0.01)


async def test_deribit_trades_reach_ccxt_with_their_liquidation_flag() -> None:
    async with simulated(speed=20) as simulation, client(simulation, "deribit") as exchange:
        simulation.liquidation_rate("deribit", IDS["deribit"], 3.0)
        await exchange.load_markets()
        rows = await gathered(lambda: exchange.watch_trades(SYMBOLS["deribit"]), 60)
        (session,) = simulation.truth.of("deribit")
        sent = {trade.id: trade for push in session.sent for trade in push.trades}
        assert {row["info"].get("liquidation") for row in rows} >= {None, "T", "M"}
        for row in rows:
            trade = sent[row["id"]]
            assert row["info"].get("liquidation") == trade.liquidation
            assert (row["side"], row["amount"]) == (trade.side.lower(), float(trade.contracts) * 10)
        again = await exchange.fetch_trades(SYMBOLS["deribit"], since=rows[0]["timestamp"], limit=1000)
        assert {row["id"] for row in rows} <= {row["id"] for row in again}


async def test_hyperliquid_contexts_and_trades_reach_ccxt_and_no_liquidations() -> None:
    async with simulated(speed=20) as simulation, client(simulation, "hyperliquid") as exchange:
        await exchange.load_markets()
        ticker = await asyncio.wait_for(exchange.watch_ticker(SYMBOLS["hyperliquid"]), 30)
        assert float(ticker["info"]["openInterest"]) > 0
        rows = await gathered(lambda: exchange.watch_trades(SYMBOLS["hyperliquid"]), 20)
        assert not any("liquidation" in row["info"] for row in rows)
        assert not exchange.has["watchLiquidations"]


@pytest.mark.parametrize(("venue", "kind"), [("okx", RateLimitExceeded), ("hyperliquid", RateLimitExceeded), ("deribit", DDoSProtection)])
async def test_a_client_that_does_not_wait_is_refused_in_the_venues_words(venue: str, kind: type[Exception]) -> None:
    """Limits that refill a tenth as fast: a machine on which 110 calls take seconds would be refused by none otherwise."""
    async with simulated(compress=0.1) as simulation, client(simulation, venue) as exchange:
        await exchange.load_markets()
        with pytest.raises(kind) as refused:
            await repeated(lambda: exchange.fetch_funding_rate(SYMBOLS[venue]), 110)
        assert type(refused.value) is kind


@pytest.mark.parametrize(("venue", "kind"), [("okx", OnMaintenance), ("hyperliquid", ExchangeNotAvailable), ("deribit", ExchangeError)])
async def test_maintenance_is_what_ccxt_makes_of_the_venues_answer(venue: str, kind: type[Exception]) -> None:
    async with simulated(faults=(Fault("maintenance", after=1),)) as simulation, client(simulation, venue) as exchange:
        assert await exchange.fetch_time()
        with pytest.raises(kind) as refused:
            await exchange.fetch_time()
        assert type(refused.value) is kind


async def test_a_delisted_contract_is_gone_from_okx_and_marked_on_hyperliquid() -> None:
    async with simulated() as simulation:
        for venue in VENUES:
            simulation.delist(venue, IDS[venue])
        async with (
            client(simulation, "okx") as okx,
            client(simulation, "hyperliquid") as hyperliquid,
            client(simulation, "deribit") as deribit,
        ):
            assert SYMBOLS["okx"] not in await okx.load_markets()
            with pytest.raises(BadSymbol):
                await okx.public_get_public_open_interest({"instType": "SWAP", "instId": IDS["okx"]})
            assert (await hyperliquid.load_markets())[SYMBOLS["hyperliquid"]]["active"] is False
            assert SYMBOLS["deribit"] not in await deribit.load_markets()
            gone = await deribit.public_get_get_instruments({"currency": "BTC", "expired": "true"})
            assert [row["instrument_name"] for row in gone["result"]] == [IDS["deribit"]]
