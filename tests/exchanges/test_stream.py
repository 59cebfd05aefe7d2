"""A venue's WebSocket through CCXT Pro's client, against simulated venues that misbehave."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from perptape.errors import Retry
from perptape.exchanges import okx
from perptape.exchanges._ccxt_stream import Connection
from perptape.exchanges.base import Access, Exchange
from perptape.exchanges.registry import connect
from perptape.instruments import Instrument
from perptape.interval import NS
from perptape.raw import RawLiquidation
from perptape.simulation.burst import Burst
from perptape.simulation.faults import Fault
from perptape.simulation.market import Market
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings
from support.simulator import simulator

STREAMING = ("binance", "bybit", "okx", "deribit")


@dataclass
class Ear:
    """Implements `Sink`."""

    counts: Counter[str] = field(default_factory=Counter)
    events: list[RawLiquidation] = field(default_factory=list)
    reason: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def _told(self, kind: str) -> None:
        self.counts[kind] += 1
        self.news.set()

    def acknowledged(self, connection: str, received: int) -> None:
        self._told("acknowledged")

    def control(self, connection: str, time: int | None, received: int) -> None:
        self._told("control")

    def feed(self, connection: str, instrument: str | None, received: int) -> None:
        self._told("feed")

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        self.events.append(event)
        self._told("liquidation")

    def malformed(self, connection: str, message: str, received: int) -> None:
        self._told("malformed")

    def closed(self, connection: str, reason: str, received: int) -> None:
        self.reason = reason
        self._told("closed")

    async def until(self, kind: str, count: int = 1) -> None:
        async with asyncio.timeout(30):
            while self.counts[kind] < count:
                self.news.clear()
                await self.news.wait()


@dataclass
class Scene:
    """One venue that is served, and a stream of it."""

    venue: str
    simulation: Simulation
    exchange: Exchange
    instruments: list[Instrument]
    ear: Ear = field(default_factory=Ear)

    def started(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.exchange.liquidations(self.instruments, self.ear))


@pytest_asyncio.fixture(params=STREAMING)
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    venue = str(request.param)
    async with Simulation(Market.standard(seed=5, symbols=3), Settings(venues=(venue,), unlimited=True)) as simulation:
        exchange = connect(venue, Access(simulation.endpoints[venue], timeout=10.0, speed=100))
        try:
            listed = [one for one in await exchange.instruments() if one.delisted is None]
            yield Scene(venue, simulation, exchange, listed)
        finally:
            await exchange.close()


async def test_the_venues_close_ends_the_stream_with_its_reason(scene: Scene) -> None:
    stream = scene.started()
    await scene.ear.until("control")
    scene.simulation.disconnect(scene.venue)
    await asyncio.wait_for(stream, 20)
    assert "closed by the venue" in scene.ear.reason
    assert scene.ear.counts["closed"] == 1


async def test_a_malformed_frame_is_told_and_the_events_after_it_come(scene: Scene) -> None:
    scene.simulation.faults.add([Fault("malformed", venue=scene.venue)])
    stream = scene.started()
    await scene.ear.until("control")
    scene.simulation.inject(scene.venue, scene.instruments[0].venue_id)
    await scene.ear.until("malformed")
    await scene.ear.until("liquidation")
    assert not stream.done()
    stream.cancel()
    await asyncio.gather(stream, return_exceptions=True)


@pytest.mark.slow
async def test_what_was_sent_before_the_venue_heard_of_our_end_is_told(tmp_path: Path) -> None:
    """A process that was held up has seconds of events in its sockets when it is told to end."""
    venues = ("binance", "bybit", "okx")
    with simulator(tmp_path, "--unlimited", "--symbols", "2") as served:
        ears, streams, exchanges = {venue: Ear() for venue in venues}, [], []
        for venue, ear in ears.items():
            exchange = connect(venue, Access(served.endpoints[venue], timeout=5.0, speed=100))
            exchanges.append(exchange)
            listed = [one for one in await exchange.instruments() if one.delisted is None]
            for one in listed:
                served.control("POST", "rate", {"venue": venue, "contract": one.venue_id, "per_second": 50})
            streams.append(asyncio.create_task(exchange.liquidations(listed, ear)))
        for ear in ears.values():
            await ear.until("liquidation")
        time.sleep(1)  # noqa: ASYNC251 - nothing of this process runs meanwhile, as on a busy machine
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        for exchange in exchanges:
            await exchange.close()
        for venue, ear in ears.items():
            (session,) = served.control("GET", "truth", venue=venue)
            sent = sum(len(push["liquidations"]) for push in session["sent"])
            assert (venue, len(ear.events), ear.reason) == (venue, sent, "ended by us")


@pytest.mark.slow
async def test_a_subscription_that_is_not_acknowledged_is_a_reason_to_dial_again(scene: Scene) -> None:
    scene.simulation.faults.add([Fault("no_ack", venue=scene.venue)])
    patience = Access(scene.simulation.endpoints[scene.venue], timeout=2.0, speed=100)
    hasty = connect(scene.venue, patience)
    try:
        with pytest.raises(Retry, match="not acknowledged"):
            await hasty.liquidations(scene.instruments, scene.ear)
    finally:
        await hasty.close()
    assert scene.ear.counts["acknowledged"] == 0
    assert scene.ear.counts["closed"] == 1


async def test_a_venue_that_is_down_cannot_be_reached(scene: Scene) -> None:
    await scene.simulation.stop()
    with pytest.raises(Retry, match="cannot be reached"):
        await scene.started()
    assert scene.ear.counts["closed"] == 0


async def test_a_refused_handshake_says_when_to_come_back(scene: Scene) -> None:
    scene.simulation.faults.add([Fault("status", venue=scene.venue, status=429, retry_after=9)])
    with pytest.raises(Retry) as refused:
        await scene.started()
    assert refused.value.after == 9


@pytest.mark.slow
async def test_every_event_of_a_burst_is_told(scene: Scene) -> None:
    """CCXT Pro's own loop tells 1 of 50, 20 of 100 on Bybit, the first detail of each on OKX."""
    if scene.venue == "deribit":  # its events are trades, which bursts are not made of
        return
    stream = scene.started()
    await scene.ear.until("control")
    sent = Burst(scene.venue, (scene.instruments[0].venue_id,), 3_000, 0.5, per_frame=1 if scene.venue == "binance" else 3)
    number = await scene.simulation.start_burst(sent)
    await scene.ear.until("liquidation", sent.frames * sent.per_frame)
    stream.cancel()
    await asyncio.gather(stream, return_exceptions=True)
    told = {(one.time, one.quantity) for one in scene.ear.events}
    assert len(told) >= scene.simulation.bursts[number].events
    assert scene.ear.counts["malformed"] == 0


def test_what_okx_replays_of_before_the_subscription_is_received_and_does_not_show_that_its_topic_speaks() -> None:
    """The campaign found a silent topic claimed, since every dial was answered by the same old orders."""
    since = 1_680_173_247_000
    ear, one = Ear(), Instrument("okx", "A-SWAP", "A/USDT:USDT", "A-SWAP", "A", "USDT", "USDT", True, Decimal(1))
    heard = Connection("only", [one], ear, lambda: since * NS)

    def order(time: int) -> str:
        detail = {"bkPx": "0.5", "side": "buy", "sz": "39", "ts": str(time)}
        arg = {"channel": "liquidation-orders", "instType": "SWAP"}
        return json.dumps({"arg": arg, "data": [{"details": [detail], "instId": "A-SWAP", "instType": "SWAP"}]})

    heard.expect(1)
    heard.frames([json.dumps({"event": "subscribe", "arg": {}})], okx.STREAM)
    heard.frames([order(since - 60_000), order(since - 1)], okx.STREAM)
    assert (len(ear.events), ear.counts["feed"]) == (2, 0)
    heard.frames([order(since)], okx.STREAM)
    assert (len(ear.events), ear.counts["feed"]) == (3, 1)
