"""The simulation: five venues served on this machine, each on a port of its own, and what may be done to them.

`async with Simulation(Market.standard(seed=1)) as simulation:` serves in this process; `process.run_server` in one of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from perptape.simulation import burst as bursts
from perptape.simulation import control
from perptape.simulation.clock import Clock, Millis, system
from perptape.simulation.contract import Contract, Liquidation, Side
from perptape.simulation.faults import Faults
from perptape.simulation.limits import Limits
from perptape.simulation.market import Market
from perptape.simulation.minimum import limit_time
from perptape.simulation.settings import Settings
from perptape.simulation.truth import Truth
from perptape.simulation.venue import Venue, World
from perptape.simulation.wire import Request
from perptape.simulation.wires import WIRES

TICK_S = 0.05


class Simulation:
    """Served venues over one market."""

    def __init__(
        self, market: Market, settings: Settings | None = None, real: Millis = system, mono: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings, self._mono = settings or Settings(), mono
        self._world = World(market, Faults(market.seed), Truth(), self.settings.address_mode == "single")
        clock = Clock.shifted(self.settings.offset_ms, self.settings.speed, real)
        self._venues = {
            name: Venue(
                wire := WIRES[name](), self._world, clock, Limits(wire.limits, self.settings.compress, self.settings.unlimited), mono
            )
            for name in self.settings.venues
        }
        self.faults.add(self.settings.faults)
        self.endpoints: dict[str, str] = {}
        """Where each venue is served: http://host:port."""
        self.bursts: list[bursts.Report] = []
        self.weathered: list[dict[str, Any]] = []
        """The faults of a campaign that are over, and how often each hit."""
        self._runners: list[web.AppRunner] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None
        self.over = asyncio.Event()
        """Set when it is to end: pushing broke down (`stop` then raises what happened), or a signal came."""

    # -- life

    async def start(self) -> Self:
        """Opens the ports and begins to push."""
        for number, (name, venue) in enumerate(self._venues.items()):
            runner = web.AppRunner(self._application(venue), access_log=None, shutdown_timeout=0.05)
            await runner.setup()
            self._runners.append(runner)
            port = self.settings.port + number if self.settings.port else 0
            await web.TCPSite(runner, self.settings.host, port).start()
            self.endpoints[name] = f"http://{self.settings.host}:{runner.addresses[0][1]}"
        if self.settings.ticking:
            self.spawn(self._ticking())
        return self

    async def stop(self) -> None:
        """Closes all connections and ports."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for venue in self._venues.values():
            for connection in tuple(venue.connections):
                connection.close("simulation stopped")
        for runner in self._runners:
            await runner.cleanup()
        if self._failure is not None:
            raise self._failure

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def tick(self) -> None:
        """Pushes what is due on every venue."""
        for venue in self._venues.values():
            venue.tick()

    def _application(self, venue: Venue) -> web.Application:
        async def handle(http: web.Request) -> web.StreamResponse:
            if http.path.startswith(control.PREFIX):
                return await control.answer(self, http)
            return await venue.answer(http)

        application = web.Application(client_max_size=1 << 22)
        application.router.add_route("*", "/{any:.*}", handle)
        return application

    async def _ticking(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.tick()
            due = max(due + TICK_S, loop.time())
            await asyncio.sleep(due - loop.time())
            self.truth.waited(self._mono(), loop.time() - due)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Goes on beside the serving until it is stopped; what breaks down ends the serving."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self.over.set()

    # -- what is known

    @property
    def market(self) -> Market:
        """The market as it is now, what was done to it included."""
        return self._world.market

    @property
    def truth(self) -> Truth:
        """Every request and every push."""
        return self._world.truth

    @property
    def faults(self) -> Faults:
        """The faults that are set; add to them or clear them."""
        return self._world.faults

    @property
    def origin(self) -> str:
        """What every answer names as its origin."""
        return self._world.origin

    def now(self, venue: str) -> int:
        """The venue's clock in ms."""
        return self._venues[venue].clock()

    def limits_report(self) -> dict[str, object]:
        """What has been used and refused, by venue."""
        return {name: venue.limits.report() for name, venue in self._venues.items()}

    def limit_seconds(self, venue: str, calls: Iterable[Request]) -> dict[str, float]:
        """Real seconds that the venue's limits ask for these calls, by limit and compressed as they are (see `minimum`)."""
        served = self._venues[venue]
        times = limit_time(served.wire, served.limits, calls)
        return {name: served.clock.real_seconds(ms) for name, ms in times.items()}

    # -- what may be done

    def inject(self, venue: str, contract: str, count: int = 1, equal: bool = False) -> list[Liquidation]:
        """Liquidates `count` positions of a contract now; `equal` ones differ in nothing that a venue sends."""
        listed, now = self._contract(venue, contract), self.now(venue)
        price = self.market.on_tick(listed, self.market.mark(listed.base, now))
        injected = []
        for number in range(count):
            side: Side = "BUY" if number % 2 and not equal else "SELL"
            held = listed.lot * (1 if equal else 1 + number)
            base = self.market.base_amount(listed, held, price)
            seq = now * 1000 + 900 + number
            injected.append(Liquidation(f"injected-{seq}", seq, now, contract, side, price, price, price, base, held))
        self._world.market = self.market.with_liquidations(venue, contract, injected)
        return injected

    async def start_burst(self, burst: bursts.Burst) -> int:
        """Frames a burst for whoever is subscribed now and sends it at its pace; its place in `bursts`."""
        venue = self._venues[burst.venue]
        listed = [self._contract(burst.venue, id) for id in burst.contracts]
        topics = {
            following.topic
            for connection in venue.connections
            for following in connection.following.values()
            if following.topic.kind == "liquidations" and following.topic.contract in (None, *burst.contracts)
        }
        if not topics:
            raise ValueError(f"nobody is subscribed to liquidations of {', '.join(burst.contracts)} on {burst.venue}")
        report = bursts.Report(burst)
        self.bursts.append(report)
        self.spawn(bursts.carried_out(venue, listed, topics, self.market, report))
        return len(self.bursts) - 1

    def skew(self, venue: str, ms: float) -> None:
        """Sets a venue's clock ahead of what it shows."""
        self._venues[venue].clock = self._venues[venue].clock.skewed(ms)

    def publish_later(self, venue: str, ms: int) -> None:
        """Moves when open interest shows up in a venue's history by so much."""
        later = self.market.published_later
        self._world.market = replace(self.market, published_later={**later, venue: later.get(venue, 0) + ms})

    def stamp_by(self, venue: str, stamp: str) -> None:
        """Has a venue stamp its history of open interest otherwise."""
        self._world.market = self.market.restamped(venue, stamp)

    def delist(self, venue: str, contract: str, at: int | None = None) -> None:
        """Ends a contract, now or at a time."""
        self._contract(venue, contract)
        self._world.market = self.market.delisted(venue, contract, self.now(venue) if at is None else at)

    def relist(self, venue: str, contract: str, contract_size: Decimal, at: int | None = None) -> None:
        """Lists a ticker again with another contract size, now or at a time."""
        self._world.market = self.market.relisted(venue, contract, self.now(venue) if at is None else at, contract_size)

    def liquidation_rate(self, venue: str, contract: str, per_second: float) -> None:
        """Sets how often a contract is liquidated (history included: the market is a function of its terms)."""
        self._contract(venue, contract)
        rates = {**self.market.liquidation_rates, (venue, contract): per_second}
        self._world.market = replace(self.market, liquidation_rates=rates)

    def disconnect(self, venue: str, abort: bool = False) -> int:
        """Closes all connections of a venue, as a server does or without a word; how many there were."""
        connections = tuple(self._venues[venue].connections)
        for connection in connections:
            if abort:
                connection.drop("control: abort")
            else:
                connection.close("control: close")
        return len(connections)

    def _contract(self, venue: str, id: str) -> Contract:
        found = self.market.contract(venue, id, self.now(venue))
        if found is None:
            raise ValueError(f"{venue} has no {id}")
        return found
