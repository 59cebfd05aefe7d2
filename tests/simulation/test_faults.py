"""Misbehaviour: each fault does what it says, to whom it says, as often as it says."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from perptape.simulation.clock import Hand
from perptape.simulation.damage import damaged
from perptape.simulation.faults import ANSWERS, Fault, Faults
from perptape.simulation.server import Simulation

SUBSCRIBE = {"op": "subscribe", "args": ["allLiquidation.BTCUSDT", "tickers.BTCUSDT"], "req_id": "1"}
HISTORY = "/futures/data/openInterestHist?symbol=BTCUSDT&period=5m&limit=9"


def hits(fault: Fault, count: int = 100, venue: str = "binance", path: str = "/x", now: int = 0) -> list[bool]:
    faults = Faults(seed=1)
    faults.add([fault])
    return [bool(faults.met(venue, path, now, ANSWERS)) for _ in range(count)]


def test_a_fault_hits_its_venue_path_and_time_only() -> None:
    fault = Fault("reset", venue="binance", path="^/fapi", start=100, end=200)
    assert all(hits(fault, path="/fapi/v1/time", now=150))
    assert not any(hits(fault, path="/fapi/v1/time", now=200))
    assert not any(hits(fault, path="/futures/data", now=150))
    assert not any(hits(fault, venue="bybit", path="/fapi/v1/time", now=150))


def test_a_fault_hits_as_often_as_it_says_after_as_many_as_it_says() -> None:
    assert hits(Fault("reset", after=2, count=3), 8) == [False] * 2 + [True] * 3 + [False] * 3


def test_a_share_is_the_same_share_every_time() -> None:
    once = hits(Fault("reset", share=0.3), 1000)
    assert once == hits(Fault("reset", share=0.3), 1000)
    assert 230 < sum(once) < 370


def test_unknown_faults_and_fields_are_named() -> None:
    with pytest.raises(ValueError, match="no fault 'fire'"):
        Fault("fire")
    with pytest.raises(ValueError, match="no field 'where'"):
        Fault.of({"kind": "reset", "where": "x"})


@pytest.mark.parametrize(
    "page",
    [
        [{"fundingRate": f"0.00{number}", "fundingTime": number} for number in range(5)],
        {"code": "0", "data": [["1000", f"{number}.5", "3", "4"] for number in range(5)]},
        {"retCode": 0, "result": {"symbol": "X", "list": [{"openInterest": "1.5", "timestamp": str(number)} for number in range(5)]}},
        {"result": [{"interest_1h": 0.5, "timestamp": number} for number in range(5)]},
    ],
)
def test_pages_of_every_shape_are_damaged_in_the_middle(page: Any) -> None:
    for kind in ("nan", "negative", "missing"):
        text = str(damaged(page, kind))
        assert {"nan": "NaN" in text or "None" in text, "negative": "-" in text, "missing": "None" in text}[kind]
    assert len(str(damaged(page, "duplicate"))) > len(str(page))
    assert damaged(page, "unsorted") != page
    assert len(str(damaged(page, "unsorted"))) == len(str(page))
    assert damaged({"serverTime": 5}, "nan") == {"serverTime": 5}


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [("html", 200, "<!DOCTYPE"), ("empty", 200, ""), ("list", 200, "[]"), ("status", 503, "<html>"), ("maintenance", 503, '{"code":-1001')],
)
async def test_answers_in_place_of_the_truth(kind: str, status: int, body: str, serve: Any, http: aiohttp.ClientSession) -> None:
    simulation = await serve(venues=("binance",), ticking=False, faults=(Fault(kind, status=503, retry_after=9),))
    async with http.get(simulation.endpoints["binance"] + HISTORY) as answer:
        assert answer.status == status
        assert (await answer.text()).startswith(body)
        assert answer.headers.get("Retry-After") == ("9" if kind == "status" else None)


@pytest.mark.parametrize(
    ("kind", "error"), [("reset", aiohttp.ServerDisconnectedError), ("cut", aiohttp.ClientPayloadError), ("blackhole", TimeoutError)]
)
async def test_broken_answers(kind: str, error: type[Exception], serve: Any, until: Any) -> None:
    simulation = await serve(venues=("binance",), ticking=False, faults=(Fault(kind),))  # aiohttp asks again once after a reset
    patience = aiohttp.ClientTimeout(total=2 if kind == "blackhole" else 20)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(error):
            async with http.get(simulation.endpoints["binance"] + HISTORY, timeout=patience) as answer:
                await answer.read()
        await until(lambda: bool(simulation.truth.calls))
        call = simulation.truth.calls[0]
        assert (call.faults, call.status) == ((kind,), 200 if kind == "cut" else 0)
        assert (call.address, call.peer) == ("all", "127.0.0.1")
        simulation.faults.clear()
        async with http.get(simulation.endpoints["binance"] + HISTORY) as answer:
            assert len(await answer.json()) == 9


async def test_a_damaged_page_over_http(serve: Any, http: aiohttp.ClientSession) -> None:
    simulation = await serve(venues=("binance",), ticking=False, faults=(Fault("duplicate"), Fault("nan")))
    async with http.get(simulation.endpoints["binance"] + HISTORY) as answer:
        rows = await answer.json()
    assert len(rows) == 10
    assert [row["sumOpenInterest"] for row in rows].count("NaN") == 1


async def listen(http: aiohttp.ClientSession, simulation: Simulation) -> aiohttp.ClientWebSocketResponse:
    simulation.tick()
    socket = await http.ws_connect(simulation.endpoints["bybit"] + "/v5/public/linear", autoping=False)
    await socket.send_json(SUBSCRIBE)
    return socket


async def topics(
    socket: aiohttp.ClientWebSocketResponse, simulation: Simulation, hand: Hand, seconds: int = 3, silence: float = 20
) -> list[str]:
    """What arrives in some seconds in which one event is injected in each: topics, pongs and closes. After `silence` (s) no more comes."""
    for _ in range(seconds):
        simulation.inject("bybit", "BTCUSDT")
        hand.advance(1000)
        simulation.tick()
    await socket.ping(b"x") if not socket.closed else None
    seen = []
    while True:
        try:
            message = await socket.receive(timeout=silence)
        except TimeoutError:
            return seen
        if message.type == aiohttp.WSMsgType.TEXT:
            seen.append("malformed" if not message.data.endswith("}") else message.json().get("topic", "ack").split(".")[0])
        else:
            seen.append(message.type.name)
        if message.type in (aiohttp.WSMsgType.PONG, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
            return seen


EVENTS = ["allLiquidation"] * 3
CONTROL = ["tickers"] * 3


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, ["ack", *EVENTS, *CONTROL, "PONG"]),
        (Fault("silent_ack", path="allLiquidation"), ["ack", *CONTROL, "PONG"]),
        (Fault("no_ack"), ["PONG"]),
        (Fault("mute", path="allLiquidation"), ["ack", *CONTROL, "PONG"]),
        (Fault("twice", path="allLiquidation"), ["ack", *EVENTS, *EVENTS, *CONTROL, "PONG"]),
        (Fault("malformed", path="allLiquidation", count=1), ["ack", "malformed", *EVENTS, *CONTROL, "PONG"]),
        (Fault("half_open", path="allLiquidation", after=3), ["ack", *EVENTS, *CONTROL, "PONG"]),
    ],
)
async def test_streams_misbehave_as_told(
    fault: Fault | None, expected: list[str], serve: Any, http: aiohttp.ClientSession, hand: Hand, until: Any
) -> None:
    simulation = await serve(venues=("bybit",), ticking=False)
    simulation.liquidation_rate("bybit", "BTCUSDT", 0.0)
    simulation.faults.add([fault] if fault is not None else [])
    socket = await listen(http, simulation)
    await until(lambda: any(session.subscriptions for session in simulation.truth.of("bybit")))
    seen = await topics(socket, simulation, hand)
    assert sorted(seen) == sorted(expected)


async def test_a_half_open_connection_says_nothing_and_stays_open(serve: Any, http: aiohttp.ClientSession, hand: Hand, until: Any) -> None:
    simulation = await serve(venues=("bybit",), ticking=False)
    simulation.faults.add([Fault("half_open", path="tickers", after=1)])
    socket = await listen(http, simulation)
    await until(lambda: any(session.subscriptions for session in simulation.truth.of("bybit")))
    seen = await topics(socket, simulation, hand, silence=2)
    assert "PONG" not in seen
    assert seen.count("tickers") == 1
    session = simulation.truth.of("bybit")[0]
    assert session.closed is None
    assert session.control["tickers.BTCUSDT"][0] == 1


@pytest.mark.parametrize(("kind", "last"), [("close", "CLOSE"), ("abort", "CLOSED")])
async def test_connections_end_as_told(kind: str, last: str, serve: Any, http: aiohttp.ClientSession, hand: Hand, until: Any) -> None:
    simulation = await serve(venues=("bybit",), ticking=False)
    simulation.faults.add([Fault(kind, path="tickers", count=1)])
    socket = await listen(http, simulation)
    await until(lambda: any(session.subscriptions for session in simulation.truth.of("bybit")))
    simulation.tick()
    seen = await asyncio.wait_for(topics(socket, simulation, hand, seconds=0), 20)
    assert seen[-1] in (last, "CLOSED", "ERROR")
    await until(lambda: simulation.truth.of("bybit")[0].closed is not None)
    assert simulation.truth.of("bybit")[0].reason == f"fault: {kind}"


async def test_handshakes_are_refused_by_answering_faults(serve: Any, http: aiohttp.ClientSession) -> None:
    simulation = await serve(venues=("bybit",), ticking=False, faults=(Fault("status", path="/v5/public", status=503, count=1),))
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect(simulation.endpoints["bybit"] + "/v5/public/linear")
    await http.ws_connect(simulation.endpoints["bybit"] + "/v5/public/linear")


async def test_a_client_that_leaves_before_its_handshake_is_answered_leaves_no_trace(
    serve: Any, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, until: Any
) -> None:
    simulation: Simulation = await serve(moving=True, venues=("bybit",), faults=(Fault("latency", delay_ms=2_000),))
    leaving = asyncio.ensure_future(http.ws_connect(simulation.endpoints["bybit"] + "/v5/public/linear"))
    await until(lambda: simulation.faults.report()[0]["hits"] == 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    async with http.get(simulation.endpoints["bybit"] + "/v5/market/time") as answer:
        assert answer.status == 200  # as late as the handshake would have been
    assert simulation.faults.report()[0]["hits"] == 2
    assert [record.getMessage() for record in caplog.records if record.name.startswith("aiohttp")] == []
    assert simulation.truth.sessions == []
