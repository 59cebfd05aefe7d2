"""The simulation as a process of its own: it serves until a signal says that it is enough."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from perptape.simulation.market import Market
from perptape.simulation.schedule import Schedule
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings
from perptape.simulation.weather import carry_out, clock


def run_server(
    market: Market,
    settings: Settings,
    ready: Callable[[Mapping[str, str]], None],
    until: Iterable[signal.Signals] = (),
    weather: Sequence[Schedule] = (),
    told: Callable[[str], None] = lambda text: None,
) -> None:
    """Serves until SIGINT or SIGTERM (or those given); `ready` is told the endpoints once all ports are open.

    `weather`: what goes wrong meanwhile; `told` gets a line for each fault when it begins, and one when the last is over.
    """

    async def befall(simulation: Simulation) -> None:
        await carry_out(simulation, weather, told)
        told(f"{clock(max(one.storm for one in weather))} the storm is over")

    async def serve() -> None:
        async with Simulation(market, settings) as simulation:
            for number in until or (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, simulation.over.set)
            ready(simulation.endpoints)
            if weather:
                simulation.spawn(befall(simulation))
            await simulation.over.wait()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())
