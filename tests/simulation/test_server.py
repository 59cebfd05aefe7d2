"""Served venues: what goes over HTTP, what is pushed, and what is remembered of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from perptape.simulation.binance import BinanceWire
from perptape.simulation.burst import Burst
from perptape.simulation.clock import Hand
from perptape.simulation.market import Market
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings
from perptape.simulation.truth import Truth

HOUR = 3_600_000
BYBIT = {"op": "subscribe", "args": ["allLiquidation.BTCUSDT", "tickers.BTCUSDT"], "req_id": "1"}
BINANCE = {"method": "SUBSCRIBE", "params": ["!forceOrder@arr", "!markPrice@arr@1s"], "id": 1}


async def dial(http: aiohttp.ClientSession, simulation: Simulation, venue: str, message: Any) -> aiohttp.ClientWebSocketResponse:
    """Connects, subscribes and reads the acknowledgement."""
    path = "/market/ws/0" if venue == "binance" else "/v5/public/linear"
    socket = await http.ws_connect(simulation.endpoints[venue] + path, autoping=False)
    await socket.send_json(message)
    acknowledged = await socket.receive_json(timeout=20)
    assert acknowledged.get("success", True) is True
    return socket


async def frames(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[Any]:
    return [await socket.receive_json(timeout=20) for _ in range(count)]


async def test_every_answer_names_its_origin_and_the_venues_time(serve: Any, http: aiohttp.ClientSession, hand: Hand) -> None:
    simulation = await serve(ticking=False, offset_ms=5000.0)
    for endpoint in simulation.endpoints.values():
        async with http.get(endpoint + "/no/such/path") as answer:
            assert answer.headers["x-perptape-origin"] == "simulated:7"
            assert answer.headers["Date"] == "Wed, 18 Nov 2026 11:08:48 GMT"
    assert int(hand()) + 5000 == simulation.now("okx")
    socket = await http.ws_connect(simulation.endpoints["bybit"] + "/v5/public/linear")
    assert socket._response.headers["x-perptape-origin"] == "simulated:7"
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect(simulation.endpoints["bybit"] + "/elsewhere")


async def test_binance_tells_the_weight_used_and_refuses_what_goes_over(serve: Any, http: aiohttp.ClientSession, hand: Hand) -> None:
    simulation = await serve(venues=("binance",), ticking=False)
    url = simulation.endpoints["binance"] + "/fapi/v1/ticker/24hr"
    used, statuses = [], []
    for _ in range(85):
        async with http.get(url) as answer:
            used.append(int(answer.headers["x-mbx-used-weight-1m"]))
            statuses.append(answer.status)
            after = answer.headers.get("Retry-After")
    assert used[:3] == [40, 80, 120]
    assert statuses == [200] * 60 + [429] * 20 + [418] * 5
    assert after is not None
    hand.advance(int(after) * 1000)
    async with http.get(url) as answer:
        assert answer.status == 200
    assert simulation.limits_report()["binance"]["bans"] == 1


async def test_liquidations_of_a_window_go_out_together_and_the_truth_knows_them(
    serve: Any, http: aiohttp.ClientSession, hand: Hand, until: Any
) -> None:
    simulation = await serve(venues=("bybit",), ticking=False)
    simulation.tick()
    socket = await dial(http, simulation, "bybit", BYBIT)
    simulation.liquidation_rate("bybit", "BTCUSDT", 20)
    begin = simulation.now("bybit")
    received: list[Any] = []
    for _ in range(20):
        hand.advance(500)
        simulation.tick()
    session = simulation.truth.of("bybit")[0]
    received = [frame for frame in await frames(socket, 20 + 10) if frame["topic"].startswith("allLiquidation")]
    assert len(received) == 20
    rows = [row for frame in received for row in frame["data"]]
    contract = simulation.market.contract("bybit", "BTCUSDT")
    assert contract is not None
    until_then = simulation.now("bybit") // 500 * 500
    truth = simulation.market.liquidations(contract, begin, until_then)
    assert [(row["T"], row["p"], row["v"]) for row in rows] == [
        (event.time, format(event.bankruptcy_price, "f"), format(event.base, "f")) for event in truth
    ]
    assert session.liquidations() == truth
    assert session.control["tickers.BTCUSDT"][0] == 10


async def test_binance_pushes_what_its_sampling_leaves(serve: Any, http: aiohttp.ClientSession, hand: Hand) -> None:
    simulation = await serve(venues=("binance",), ticking=False)
    simulation.liquidation_rate("binance", "BTCUSDT", 20)
    simulation.tick()
    socket = await dial(http, simulation, "binance", BINANCE)
    begin = simulation.now("binance")
    for _ in range(10):
        hand.advance(1000)
        simulation.tick()
    sent = simulation.truth.of("binance")[0].liquidations("BTCUSDT")
    contract = simulation.market.contract("binance", "BTCUSDT")
    assert contract is not None
    happened = simulation.market.liquidations(contract, begin, simulation.now("binance") // 1000 * 1000)
    assert sent == BinanceWire().sampled(happened)
    assert len(happened) > len(sent) == 10
    first = next(frame["o"] for frame in await frames(socket, 8) if isinstance(frame, dict) and frame["o"]["s"] == "BTCUSDT")
    assert (first["T"], first["z"]) == (sent[0].time, format(sent[0].base, "f"))


async def test_what_happened_before_the_subscription_is_not_sent(serve: Any, http: aiohttp.ClientSession, hand: Hand) -> None:
    simulation = await serve(venues=("bybit",), ticking=False)
    simulation.tick()
    simulation.inject("bybit", "BTCUSDT", 2)
    hand.advance(10)
    socket = await dial(http, simulation, "bybit", BYBIT)
    (later,) = simulation.inject("bybit", "BTCUSDT")
    hand.advance(1000)
    simulation.tick()
    injected = [event for event in simulation.truth.of("bybit")[0].liquidations() if event.id.startswith("injected")]
    assert injected == [later]
    await socket.close()


async def test_equal_injected_events_are_equal_in_all_that_is_sent(serve: Any, http: aiohttp.ClientSession, hand: Hand) -> None:
    simulation = await serve(venues=("bybit",), ticking=False)
    simulation.tick()
    socket = await dial(http, simulation, "bybit", BYBIT)
    simulation.inject("bybit", "BTCUSDT", 2, equal=True)
    hand.advance(1000)
    simulation.tick()
    data = next(frame["data"] for frame in await frames(socket, 2) if frame["topic"].startswith("all"))
    assert data[0] == data[1]


@pytest.mark.slow
async def test_a_client_that_does_not_read_is_dropped_and_the_others_are_not(serve: Any, http: aiohttp.ClientSession, until: Any) -> None:
    simulation = await serve(moving=True, venues=("bybit",))
    idle = await dial(http, simulation, "bybit", BYBIT)
    reader = await dial(http, simulation, "bybit", BYBIT)
    slow, quick = simulation.truth.of("bybit")

    async def read() -> None:
        async for _ in reader:
            pass

    reading = asyncio.ensure_future(read())
    await simulation.start_burst(Burst("bybit", ("BTCUSDT",), 120_000, 1.0, per_frame=100, delay_s=0))
    await until(lambda: slow.reason == "1 MiB unsent" and simulation.bursts[0].finished)
    assert quick.reason == ""
    reading.cancel()
    await idle.close()


async def test_a_burst_keeps_its_pace_and_sends_every_event_once(serve: Any, http: aiohttp.ClientSession, until: Any) -> None:
    simulation = await serve(moving=True, venues=("bybit",))
    socket = await dial(http, simulation, "bybit", {"op": "subscribe", "args": ["allLiquidation.BTCUSDT", "allLiquidation.ETHUSDT"]})
    await simulation.start_burst(Burst("bybit", ("BTCUSDT", "ETHUSDT"), rate=10_000, seconds=0.5, per_frame=5))
    seen: list[str] = []
    while len(seen) < 5000:
        frame = await socket.receive_json(timeout=20)
        assert len(frame["data"]) <= 5
        seen += [f"{row['s']} {row['T']} {row['v']}" for row in frame["data"]]
    report = simulation.bursts[0]
    assert len(set(seen)) == len(seen) >= report.events == 5000
    assert report.frames == 1000
    await until(lambda: report.finished)
    assert report.ended_mono - report.began_mono >= 0.499  # never faster; under load it may be slower, and then says so


async def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="no simulated venue 'kraken': one of binance, bybit"):
        Settings(venues=("kraken",))


async def test_a_skewed_clock_shows_in_answers_and_dates(serve: Any, http: aiohttp.ClientSession) -> None:
    simulation = await serve(venues=("binance",), ticking=False)
    before = simulation.now("binance")
    simulation.skew("binance", 90_000)
    async with http.get(simulation.endpoints["binance"] + "/fapi/v1/time") as answer:
        assert (await answer.json())["serverTime"] == before + 90_000


async def test_the_control_api_sets_faults_and_tells_the_truth(serve: Any, http: aiohttp.ClientSession, market: Market) -> None:
    simulation = await serve(venues=("binance",), ticking=False)
    control = simulation.endpoints["binance"] + "/_control/"
    async with http.post(control + "faults", json={"kind": "empty", "path": "openInterest", "count": 1}) as answer:
        assert await answer.json() == {"ids": [1]}
    url = simulation.endpoints["binance"] + "/fapi/v1/openInterest?symbol=BTCUSDT"
    bodies = []
    for _ in range(2):
        async with http.get(url) as answer:
            bodies.append(await answer.text())
    assert bodies[0] == ""
    assert json.loads(bodies[1])["symbol"] == "BTCUSDT"
    async with http.get(control + "requests?venue=binance") as answer:
        calls = await answer.json()
    assert [(call["path"], call["costs"], call["faults"]) for call in calls] == [
        ("/fapi/v1/openInterest", {"weight": 1}, ["empty"]),
        ("/fapi/v1/openInterest", {"weight": 1}, []),
    ]
    now = simulation.now("binance")
    async with http.get(control + f"funding?venue=binance&contract=BTCUSDT&start={now - 24 * HOUR}&end={now}") as answer:
        assert len(await answer.json()) == 3
    async with http.get(control + "funding") as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "venue is missing, or there is none of that name"})
    async with http.post(control + "faults", json={"kind": "fire"}) as answer:
        assert answer.status == 400
        assert "no fault 'fire'" in (await answer.json())["error"]
    async with http.post(control + "faults", json={"kind": "reset", "venue": "binanse"}) as answer:
        assert "no venue 'binanse' is served: one of binance" in (await answer.json())["error"]


async def test_a_relisted_ticker_has_another_contract_size_on_the_wire(serve: Any, http: aiohttp.ClientSession, hand: Hand) -> None:
    simulation = await serve(venues=("okx",), ticking=False)
    okx = simulation.endpoints["okx"]

    async def sizes() -> list[str]:
        async with http.get(okx + "/api/v5/public/instruments?instType=SWAP") as answer:
            return [row["ctVal"] for row in (await answer.json())["data"] if row["instId"] == "ADA-USDT-SWAP" and row["state"] == "live"]

    assert await sizes() == ["1000"]
    async with http.post(okx + "/_control/delist", json={"venue": "okx", "contract": "ADA-USDT-SWAP"}) as answer:
        assert answer.status == 200
    assert await sizes() == []
    hand.advance(1000)
    async with http.post(okx + "/_control/relist", json={"venue": "okx", "contract": "ADA-USDT-SWAP", "contract_size": "7"}) as answer:
        assert answer.status == 200
    assert await sizes() == ["7"]


async def test_a_fast_clock_runs_fast(serve: Any, http: aiohttp.ClientSession, hand: Hand) -> None:
    simulation = await serve(venues=("bybit",), ticking=False, speed=60.0)
    before = simulation.now("bybit")
    hand.advance(1000)
    assert simulation.now("bybit") == before + 60_000


async def test_the_control_api_tells_what_was_sent_on_each_connection(serve: Any, http: aiohttp.ClientSession, hand: Hand) -> None:
    simulation = await serve(venues=("bybit",), ticking=False)
    simulation.tick()
    socket = await dial(http, simulation, "bybit", BYBIT)
    control = simulation.endpoints["bybit"] + "/_control/"
    async with http.post(control + "inject", json={"venue": "bybit", "contract": "BTCUSDT", "count": 2}) as answer:
        injected = await answer.json()
    hand.advance(500)
    simulation.tick()
    async with http.get(control + "truth?venue=bybit") as answer:
        (session,) = await answer.json()
    assert [one["topic"] for one in session["subscriptions"]] == BYBIT["args"]
    assert [event for push in session["sent"] for event in push["liquidations"] if event["id"].startswith("injected")] == injected
    async with http.post(control + "disconnect", json={"venue": "bybit"}) as answer:
        assert await answer.json() == {"disconnected": 1}
    while (await socket.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert socket.close_code == 1001


async def test_a_simulation_whose_pushes_break_down_says_so(market: Market, http: aiohttp.ClientSession, until: Any) -> None:
    def broken() -> float:
        raise RuntimeError("no clock")

    turned: list[Callable[[], float]] = [lambda: 1_795_000_000_000.0]
    simulation = Simulation(market, Settings(venues=("bybit",)), real=lambda: turned[-1]())
    await simulation.start()
    turned.append(broken)
    await until(simulation.over.is_set)
    turned.pop()
    with pytest.raises(RuntimeError, match="no clock"):
        await simulation.stop()


SERVE = """
import sys
from perptape.simulation.market import Market
from perptape.simulation.process import run_server
from perptape.simulation.settings import Settings

run_server(Market.standard(1, 2), Settings(venues=("binance",)), lambda endpoints: print(endpoints["binance"], flush=True))
"""


async def test_a_server_process_says_where_it_is_and_ends_when_told(http: aiohttp.ClientSession) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    endpoint = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
    async with http.get(endpoint + "/fapi/v1/ping") as answer:
        assert answer.headers["x-perptape-origin"] == "simulated:1"
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0


def test_a_wait_that_ends_late_is_a_stall_and_one_that_does_not_is_none() -> None:
    truth = Truth()
    for mono, late in ((1.0, 0.001), (2.0, 0.3), (3.0, -0.1)):
        truth.waited(mono, late)
    assert list(truth.stalls) == [(2.0, 0.3)]
