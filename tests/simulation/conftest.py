"""Simulations served in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from perptape.simulation.clock import Hand
from perptape.simulation.market import Market
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings

NOW = 1_795_000_123_456


@pytest.fixture(scope="session")
def market() -> Market:
    return Market.standard(seed=7)


@pytest.fixture
def hand() -> Hand:
    """Real time, as the simulations of this test see it: it stands still until a test moves it."""
    return Hand(NOW)


Serve = Callable[..., Awaitable[Simulation]]


@pytest.fixture
async def serve(market: Market, hand: Hand) -> AsyncIterator[Serve]:
    """Starts simulations and stops them after the test."""
    async with AsyncExitStack() as stack:

        async def start(moving: bool = False, **settings: Any) -> Simulation:
            chosen = Settings(**settings)
            simulation = Simulation(market, chosen) if moving else Simulation(market, chosen, real=hand)
            return await stack.enter_async_context(simulation)

        yield start


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits for something that happens in this process, twenty seconds at most."""

    async def wait(happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not happened():  # noqa: ASYNC110 (any condition, not one event)
                await asyncio.sleep(0.002)

    return wait
