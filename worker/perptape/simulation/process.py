"""The simulation as a process of its own: it serves until a signal says that it is enough."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from perptape.simulation.market import Market
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings


def run_server(
    market: Market, settings: Settings, ready: Callable[[Mapping[str, str]], None], until: Iterable[signal.Signals] = ()
) -> None:
    """Serves until SIGINT or SIGTERM (or those given); `ready` is told the endpoints once all ports are open."""

    async def serve() -> None:
        async with Simulation(market, settings) as simulation:
            for number in until or (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, simulation.over.set)
            ready(simulation.endpoints)
            await simulation.over.wait()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())
