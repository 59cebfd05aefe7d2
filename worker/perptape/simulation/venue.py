"""One venue on its own port: HTTP and WebSocket in, the wire's answers and frames out, with limits and faults in between.

The only modules that import aiohttp are this one, `control` and `server`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from perptape.simulation.clock import Clock, http_date
from perptape.simulation.connection import PING, PONG, Connection, frame, text
from perptape.simulation.damage import damaged
from perptape.simulation.faults import ANSWERS, ROWS, Fault, Faults
from perptape.simulation.limits import Limits
from perptape.simulation.market import Market
from perptape.simulation.push import Pusher
from perptape.simulation.truth import Call, Session, Truth
from perptape.simulation.wire import Maintainable, Reply, Request, Wire

ORIGIN = "x-perptape-origin"
_HTML = b"<!DOCTYPE html><html><head><title>Please wait</title></head><body>Checking your browser</body></html>"
_SERVER_PING_MS = 180_000  # as Binance does; the others' clients ping
_SOCKET_START = ("silent_ack", "no_ack")


@dataclass
class World:
    """What all venues of a simulation share; a control may replace the market."""

    market: Market
    faults: Faults
    truth: Truth = field(default_factory=Truth)
    single_address: bool = True

    @property
    def origin(self) -> str:
        """What tells this market from the real one."""
        return f"simulated:{self.market.seed}"


class Venue:
    """A served venue: its connections, limits, clock and pushes."""

    def __init__(self, wire: Wire, world: World, clock: Clock, limits: Limits, mono: Callable[[], float] = time.monotonic) -> None:
        self.wire, self.world, self.clock, self.limits, self.mono = wire, world, clock, limits, mono
        self.connections: set[Connection] = set()
        self.pusher = Pusher(wire, lambda: world.market, lambda: self.clock, world.faults, self.connections, mono)
        self._pinged = 0

    def tick(self) -> None:
        """Pushes what is due, and pings."""
        self.pusher.tick()
        now = self.clock()
        if now - self._pinged >= _SERVER_PING_MS:
            if self._pinged:
                for connection in self.connections:
                    connection.send(frame(str(now).encode(), PING))
            self._pinged = now

    async def answer(self, http: web.Request) -> web.StreamResponse:
        """Answers any request that is not the control API's."""
        now, mono = self.clock(), self.mono()
        raw = await http.read()
        request = Request(http.method, http.path, dict(http.query), _parsed(raw), now)
        peer = http.remote or ""
        address = "all" if self.world.single_address else peer
        met = self.world.faults.met(self.wire.venue, http.path_qs, now, ANSWERS)
        for fault in met:
            if fault.kind == "latency":
                await asyncio.sleep(fault.delay_ms / 1000)
        if http.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(http, request, address, met)
        costs = dict(self.wire.costs(request))
        reply, status = self._reply(request, address, costs, met)
        response = await self._deliver(http, reply, met)
        call = Call(
            self.wire.venue,
            request.method,
            request.path,
            dict(request.query),
            request.body,
            address,
            peer,
            now,
            mono,
            self.mono(),
            0 if {"blackhole", "reset"} & {fault.kind for fault in met} else status,
            costs,
            tuple(fault.kind for fault in met),
        )
        self.world.truth.calls.append(call)
        return response

    def _reply(self, request: Request, address: str, costs: Mapping[str, int], met: list[Fault]) -> tuple[Reply, int]:
        """The reply as it would be sent, limits and answering faults applied."""
        verdict = self.limits.ask(address, costs, request.now)
        usage = self.wire.usage(verdict.used)
        if not verdict.allowed:
            wait = max(1, math.ceil(self.clock.real_seconds(verdict.retry_at - request.now)))
            reply = self.wire.limited(request, verdict.banned, wait)
        else:
            reply = self._instead(request, met) or self.wire.reply(request, self.world.market)
        for fault in met:
            if fault.kind in ROWS and not isinstance(reply.body, bytes):
                reply = Reply(reply.status, damaged(reply.body, fault.kind), reply.headers)
        return Reply(reply.status, reply.body, {**usage, **reply.headers}), reply.status

    def _instead(self, request: Request, met: list[Fault]) -> Reply | None:
        """What a fault answers in place of the truth."""
        for fault in met:
            if fault.kind == "status":
                after = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                if fault.status in (418, 429):
                    limited = self.wire.limited(request, fault.status == 418, fault.retry_after or 1)
                    return Reply(fault.status, limited.body, {**limited.headers, **after})
                return Reply(fault.status, b"<html><body>simulated failure</body></html>", {"Content-Type": "text/html", **after})
            if fault.kind == "maintenance":
                return self.wire.unavailable(request) if isinstance(self.wire, Maintainable) else Reply(503, b"")
            if fault.kind == "html":
                return Reply(200, _HTML, {"Content-Type": "text/html"})
            if fault.kind in ("empty", "list"):
                return Reply(200, b"" if fault.kind == "empty" else [])
        return None

    def headers(self) -> dict[str, str]:
        """What every answer carries."""
        return {ORIGIN: self.world.origin, "Date": http_date(self.clock())}

    async def _deliver(self, http: web.Request, reply: Reply, met: list[Fault]) -> web.StreamResponse:
        kinds = {fault.kind for fault in met}
        if "blackhole" in kinds:
            while http.transport is not None and not http.transport.is_closing():  # noqa: ASYNC110 (aiohttp has no event for it)
                await asyncio.sleep(0.05)
        if {"blackhole", "reset"} & kinds:
            if http.transport is not None:
                http.transport.abort()
            return web.Response(status=500)
        body = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body, default=str)
        headers = {"Content-Type": "application/json", **reply.headers, **self.headers()}
        if "cut" not in kinds:
            return web.Response(status=reply.status, body=body, headers=headers)
        cut = web.StreamResponse(status=reply.status, headers={**headers, "Content-Length": str(len(body) + 1)})
        await cut.prepare(http)
        await cut.write(body[: len(body) // 2] or b"{")
        if http.transport is not None:
            http.transport.close()
        return cut

    # -- WebSocket

    async def _socket(self, http: web.Request, request: Request, address: str, met: list[Fault]) -> web.StreamResponse:
        kinds = {fault.kind for fault in met} - ROWS - {"latency"}
        refusal = self._instead(request, met)
        if kinds:
            return await self._deliver(http, refusal or Reply(500, b""), met)
        if not self.wire.owns_socket(request.path):
            return web.Response(status=404, headers=self.headers())
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=1 << 20)
        socket.headers.update(self.headers())
        try:
            await socket.prepare(http)
        except ConnectionResetError:  # who dialled has left while the answer was late
            return web.Response(status=499)
        assert http.transport is not None
        truth = self.world.truth
        session = Session(len(truth.sessions) + 1, self.wire.venue, request.path, address, self.clock(), self.mono())
        truth.sessions.append(session)
        connection = Connection(session, http.transport)
        self.connections.add(connection)
        try:
            await self._listen(socket, connection)
        finally:
            self.connections.discard(connection)
            session.closed, session.closed_mono = self.clock(), self.mono()
            session.reason = session.reason or "client"
        return socket

    async def _listen(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        async for message in socket:
            if connection.half_open:
                continue
            if message.type == WSMsgType.PING:
                connection.send(frame(message.data, PONG))
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._receive(connection, message.data)

    def _receive(self, connection: Connection, data: str | bytes) -> None:
        now = self.clock()
        led = self.wire.receive(_parsed(data), connection.session.path, now)
        faults = {
            topic.name: {fault.kind for fault in self.world.faults.met(self.wire.venue, topic.name, now, _SOCKET_START)}
            for topic in led.added
        }
        if not any("no_ack" in kinds for kinds in faults.values()):
            for answer in led.frames:
                connection.send(text(answer))
        for topic in led.removed:
            connection.leave(topic, now)
        for topic in led.added:
            connection.follow(topic, now, self.mono(), bool(faults[topic.name]))


def _parsed(data: str | bytes) -> Any:
    """JSON, or the text itself where it is none (OKX pings with a bare word)."""
    if not data:
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.decode(errors="replace") if isinstance(data, bytes) else data
