"""Dense traffic is read in batches, lone messages as they come; nothing is lost, reordered, or kept from an end that was noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, WSMsgType, web

from perptape.exchanges._ccxt_lite import errors
from perptape.exchanges._ccxt_pro import CLOSING, socket_class
from perptape.exchanges.pauses import DENSE, FULL, LONE, PAUSE, Pauses
from support.heldup import waited


def test_lone_messages_never_lead_to_a_pause() -> None:
    pauses = Pauses()
    assert not any(pauses.due(second, messages=LONE - 1, size=500) for second in range(100))


def test_a_steady_flow_pauses_once_it_is_dense_and_goes_on_pausing() -> None:
    pauses = Pauses()
    found = [pauses.due(n / 1000, messages=1, size=500) for n in range(20)]
    assert found.index(True) in range(LONE - 1, LONE + 3)
    assert all(found[found.index(True) :])
    assert all(pauses.due(1 + n * PAUSE, messages=round(3 * DENSE * PAUSE), size=500) for n in range(10))


def test_a_flow_thinner_than_dense_is_seen_as_it_comes() -> None:
    pauses = Pauses()
    assert not any(pauses.due(n * 2 / DENSE, messages=1, size=500) for n in range(1_000))


def test_after_dense_traffic_the_next_lone_message_is_lone_again() -> None:
    pauses = Pauses()
    assert pauses.due(0.0, messages=10_000, size=500)
    assert not pauses.due(LONE / DENSE, messages=1, size=500)


def test_who_reads_much_at_once_does_not_wait_for_more() -> None:
    assert not Pauses().due(0.0, messages=1_000, size=FULL)


# On a real socket


@dataclass
class Ear:
    """What was heard, wake-up by wake-up."""

    batches: list[list[str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, texts: Any) -> None:
        if texts:
            self.batches.append(list(texts))
            self.news.set()

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.batches for text in batch]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.texts) < count:
                self.news.clear()
                await self.news.wait()


Venue = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def dialled(venue: Venue, keep_alive: int = 15_000) -> AsyncIterator[tuple[Any, Ear]]:
    """Our socket, connected to a server that behaves as `venue`."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(autoping=False)
        await response.prepare(request)
        await venue(response)
        return response

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    errors()  # CCXT's packages, without their 300 modules
    ear = Ear()
    options = {"keepAlive": keep_alive, "connectionTimeout": 5_000, "asyncio_loop": asyncio.get_running_loop()}
    socket = socket_class()(f"http://127.0.0.1:{runner.addresses[0][1]}/", ear, options)
    async with ClientSession() as session:
        await socket.dial(session, 5)
        try:
            yield socket, ear
        finally:
            await socket.leave()
            await runner.cleanup()


async def flood(response: web.WebSocketResponse, count: int, first: int = 0) -> None:
    """One frame at a time, the loop's turn after each, 2 000 or so a second."""
    for number in range(first, first + count):
        await response.send_str(str(number))
        await asyncio.sleep(0.0005)


async def rest(response: web.WebSocketResponse) -> None:
    """Hears nothing but the other side's end."""
    async for _ in response:
        pass


async def test_lone_events_are_heard_at_once_and_one_by_one() -> None:
    async def venue(response: web.WebSocketResponse) -> None:
        async for message in response:
            await response.send_str(message.data)

    async with dialled(venue) as (socket, ear):
        for number in range(20):
            await socket.send(str(number))
            await ear.until(number + 1)
            await asyncio.sleep(1 / DENSE)
        assert ear.batches == [[str(number)] for number in range(20)]
        assert socket.resuming is None, "nothing was ever paused"


async def test_dense_events_are_heard_in_batches_in_order_and_all_of_them() -> None:
    async def venue(response: web.WebSocketResponse) -> None:
        await flood(response, 1_000)
        await rest(response)

    async with dialled(venue) as (_, ear):
        await ear.until(1_000)
        assert ear.texts == [str(number) for number in range(1_000)]
        assert len(ear.batches) < 200


async def test_more_than_buffers_hold_comes_through_at_the_senders_pace() -> None:
    text = "x" * 1_000

    async def venue(response: web.WebSocketResponse) -> None:
        for number in range(20_000):
            await response.send_str(f"{number} {text}")
        await rest(response)

    async with dialled(venue) as (_, ear):
        began, worked, held_up = time.monotonic(), time.process_time(), waited()
        await ear.until(20_000)
        busy = time.process_time() - worked + waited() - held_up
        assert time.monotonic() - began - busy < 5, "20 MB: pauses do not hold up one that is behind"
        assert [int(heard.split()[0]) for heard in ear.texts] == list(range(20_000))


async def test_what_came_before_the_venues_close_is_heard_and_the_close_is_noticed_though_nothing_is_read() -> None:
    async def venue(response: web.WebSocketResponse) -> None:
        await flood(response, 100)
        await response.close(code=1001)

    async with dialled(venue) as (socket, ear):
        async with asyncio.timeout(30):
            reason = await socket.ended
        assert reason == "closed by the venue (1001)"
        assert ear.texts == [str(number) for number in range(100)]


async def test_a_socket_that_is_cut_amid_dense_traffic_ends() -> None:
    async def venue(response: web.WebSocketResponse) -> None:
        await flood(response, 100)
        assert response._req is not None
        assert response._req.transport is not None
        response._req.transport.abort()

    async with dialled(venue) as (socket, _):
        async with asyncio.timeout(30):
            assert await socket.ended


async def test_pings_of_the_venue_are_answered_amid_dense_traffic() -> None:
    answers: list[bytes] = []

    async def venue(response: web.WebSocketResponse) -> None:
        await flood(response, 50)
        await response.ping(b"there?")
        await flood(response, 50, first=50)
        async for message in response:
            if message.type is WSMsgType.PONG:
                answers.append(message.data)
                await response.close()

    async with dialled(venue) as (socket, ear):
        async with asyncio.timeout(30):
            await socket.ended
        assert [bytes(answer) for answer in answers] == [b"there?"]
        assert ear.texts == [str(number) for number in range(100)]


async def test_leaving_while_nothing_is_read_takes_no_longer_and_the_venue_notices() -> None:
    left = asyncio.Event()

    async def venue(response: web.WebSocketResponse) -> None:
        burst = asyncio.ensure_future(flood(response, 10_000))
        await rest(response)
        burst.cancel()
        await asyncio.gather(burst, return_exceptions=True)
        left.set()

    async with dialled(venue) as (socket, ear):
        await ear.until(50)
        assert socket.resuming is not None
        began, held_up = time.monotonic(), waited()
        await socket.leave()
        assert time.monotonic() - began - (waited() - held_up) < CLOSING
        heard = len(ear.texts)
        async with asyncio.timeout(30):
            await left.wait()
        await asyncio.sleep(2 * PAUSE)
        assert len(ear.texts) == heard, "nothing is told after the end"
