"""CCXT's client as we use it, against simulated venues that misbehave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from perptape.datasets import open_interest as oi
from perptape.datasets.base import Invalid
from perptape.errors import Fatal, Retry, Skip
from perptape.exchanges._ccxt_client import redirected
from perptape.exchanges.base import Access, Exchange
from perptape.exchanges.pacing import BURST
from perptape.exchanges.registry import VENUES, connect, traits
from perptape.exchanges.turns import SILENT_S, Turns
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, Interval
from perptape.simulation.faults import Fault
from perptape.simulation.market import Market
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings
from support.heldup import waited

Made = Callable[..., Exchange]


@pytest_asyncio.fixture
async def simulation() -> AsyncIterator[Simulation]:
    async with Simulation(Market.standard(seed=3, symbols=3), Settings(ticking=False, unlimited=True)) as served:
        yield served


@pytest_asyncio.fixture
async def made(simulation: Simulation) -> AsyncIterator[Made]:
    """Connects to a simulated venue; everything is closed at the end."""
    opened: list[Exchange] = []

    def connected(venue: str, timeout: float = 5.0, clock: Callable[[], int] = time.time_ns) -> Exchange:
        opened.append(connect(venue, Access(simulation.endpoints[venue], timeout=timeout, speed=100), clock))
        return opened[-1]

    yield connected
    for exchange in opened:
        await exchange.close()


async def live(exchange: Exchange) -> list[Instrument]:
    return [one for one in await exchange.instruments() if one.delisted is None]


@pytest.mark.parametrize(("venue", "status", "banned"), [("binance", 418, True), ("bybit", 429, False)])
async def test_a_pause_is_heeded_though_the_answer_that_demands_it_ends_in_the_middle(
    simulation: Simulation, made: Made, venue: str, status: int, banned: bool
) -> None:
    exchange = made(venue)
    simulation.faults.add([Fault("status", status=status, retry_after=90), Fault("cut")])
    with pytest.raises(Retry) as first:
        await exchange.instruments()
    assert (first.value.banned, first.value.after) == (banned, 90)
    asked = len(simulation.truth.calls)
    with pytest.raises(Retry):
        await exchange.instruments()
    assert len(simulation.truth.calls) == asked


def test_an_endpoint_replaces_scheme_and_authority_and_nothing_else() -> None:
    urls = {"rest": "https://api.{hostname}/v5", "ws": {"linear": "wss://s.x.com:443/ws"}, "data": "https://a.b/futures/data", "n": None}
    assert redirected(urls, "http://h:1") == {
        "rest": "http://h:1/v5",
        "ws": {"linear": "ws://h:1/ws"},
        "data": "http://h:1/futures/data",
        "n": None,
    }
    assert redirected("wss://a/b", "https://h") == "wss://h/b"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["html", "empty", "list", "cut", "reset", "status", "maintenance"])
async def test_a_bad_answer_is_a_reason_to_ask_again_and_the_next_is_well(
    simulation: Simulation, made: Made, venue: str, kind: str
) -> None:
    exchange = made(venue)
    instruments = await live(exchange)
    now = await exchange.now()
    asks = [
        lambda: exchange.open_interest(instruments[:1]),
        lambda: exchange.funding(instruments[:1]),
        lambda: exchange.funding_page(instruments[0], Interval(now - 3 * DAY, now - DAY)),
    ]
    if exchange.traits.open_interest_history is not None:
        asks.append(lambda: exchange.open_interest_page(instruments[0], 5 * MINUTE, Interval(now - 5 * HOUR, now - HOUR)))
    for ask in asks:
        simulation.faults.add([Fault(kind, venue=venue, status=502)])
        (found,) = await asyncio.gather(ask(), return_exceptions=True)
        if kind == "list" and not isinstance(found, BaseException):
            assert not found.rows, "[] is an empty page where the venue answers lists: asked, and nothing there"
        else:
            assert isinstance(found, Retry), found
            assert "\n" not in str(found)
        simulation.faults.clear()
        assert (await ask()).rows


@pytest.mark.parametrize("kind", ["status", "html"])
async def test_its_turns_know_of_a_venue_that_answers_nothing_useful_until_it_does(simulation: Simulation, kind: str) -> None:
    seconds = [0.0]
    turns = Turns("binance", traits("binance").limits, 100, monotonic=lambda: seconds[0])
    exchange = connect("binance", Access(simulation.endpoints["binance"], timeout=5.0, speed=100, turns=turns), time.time_ns)
    try:
        simulation.faults.add([Fault(kind, venue="binance", status=503)])
        for _ in range(2):
            with pytest.raises(Retry):
                await exchange.instruments()
            seconds[0] += SILENT_S
        assert turns.trouble.startswith("binance: ")
        simulation.faults.clear()
        await exchange.instruments()
        assert turns.trouble == ""
    finally:
        await exchange.close()


async def test_a_venue_that_never_answers_is_given_up_after_the_timeout(simulation: Simulation, made: Made) -> None:
    instruments = await live(made("bybit"))  # who has a fifth of a second is refused by a busy machine, too
    exchange = made("bybit", timeout=0.2)
    simulation.faults.add([Fault("blackhole", venue="bybit")])
    async with asyncio.timeout(5):  # CCXT's own time would be ten seconds
        with pytest.raises(Retry):
            await exchange.open_interest(instruments)


async def test_a_failed_call_is_made_once_because_ccxt_would_repeat_even_a_ban(simulation: Simulation, made: Made) -> None:
    exchange = made("binance")
    instruments = await live(exchange)
    simulation.faults.add([Fault("status", venue="binance", status=503)])
    before = len(simulation.truth.requests("binance"))
    with pytest.raises(Retry):
        await exchange.funding_page(instruments[0], Interval(0, DAY))
    assert len(simulation.truth.requests("binance")) == before + 1


@pytest.mark.parametrize("time", ["1795300000000000000", "[1]", "{}", "-1", "null"])
async def test_a_clock_that_tells_no_time_is_not_believed(time: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f'{{"serverTime":{time}}}')

    async with answering(answer, speed=1000) as exchange:
        with suppress(Retry):
            await exchange.now()
        assert abs(exchange.offset) < 2_000


async def test_during_a_ban_nothing_is_sent(simulation: Simulation, made: Made) -> None:
    exchange = made("binance")
    instruments = await live(exchange)
    simulation.faults.add([Fault("status", venue="binance", status=418, retry_after=120)])
    told = time.monotonic()
    with pytest.raises(Retry) as banned:
        await exchange.funding_page(instruments[0], Interval(0, DAY))
    assert (banned.value.banned, banned.value.after) == (True, 120)
    before = len(simulation.truth.requests("binance"))
    with pytest.raises(Retry) as again:
        await exchange.open_interest(instruments)
    assert again.value.banned
    assert 120 - (time.monotonic() - told) <= (again.value.after or 0) <= 120
    assert len(simulation.truth.requests("binance")) == before


async def test_a_call_that_has_no_time_for_a_pause_is_told_how_long_it_lasts(simulation: Simulation, made: Made) -> None:
    exchange = made("binance", timeout=5.0)
    (one, *_) = await live(exchange)
    simulation.faults.add([Fault("status", venue="binance", status=429, retry_after=4, count=1)])
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(Retry) as told:
            await exchange.funding_page(one, Interval(0, DAY))
        assert 4 - (time.monotonic() - began) <= (told.value.after or 0) <= 4


async def test_each_of_several_calls_at_once_reads_its_own_retry_after() -> None:
    """CCXT keeps the last headers of all calls in one attribute."""

    async def answer(request: web.Request) -> web.Response:
        wait = request.query["symbol"]
        await asyncio.sleep(0.01 * (5 - int(wait)))
        return web.Response(status=429, text='{"code":-1003,"msg":"x"}', headers={"Retry-After": wait})

    async with answering(answer, speed=1000) as exchange:
        pages = [exchange.funding_page(_named(str(n)), Interval(0, DAY)) for n in range(5)]
        found = await asyncio.gather(*pages, return_exceptions=True)
    assert [one.after for one in found if isinstance(one, Retry)] == [0, 1, 2, 3, 4]


async def test_a_ban_that_is_learnt_while_calls_wait_for_their_pace_stops_them_and_the_longest_ban_holds() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query["symbol"])
        first = asked[-1] == "0"
        await asyncio.sleep(0 if first else 0.05)  # the short bans are told last
        return web.Response(status=418, text='{"code":-1003,"msg":"banned"}', headers={"Retry-After": "120" if first else "1"})

    async with answering(answer, speed=1) as exchange:
        pages = [exchange.funding_page(_named(str(n)), Interval(0, DAY)) for n in range(26)]
        found = await asyncio.gather(*pages, return_exceptions=True)
        assert all(isinstance(one, Retry) and one.banned for one in found)
        assert set(asked) == {str(n) for n in range(22)}  # the burst of 500 calls in 5 minutes
        assert all(isinstance(one, Retry) and one.after is not None and 110 < one.after <= 120 for one in found[22:])


@asynccontextmanager
async def answering(answer: Callable[[web.Request], Awaitable[web.Response]], speed: float) -> AsyncIterator[Exchange]:
    """Binance, where every question has this answer."""
    application = web.Application()
    application.router.add_get("/{any:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    exchange = connect("binance", Access(f"http://127.0.0.1:{runner.addresses[0][1]}", speed=speed))
    try:
        yield exchange
    finally:
        await exchange.close()
        await runner.cleanup()


def _named(id: str) -> Instrument:
    return Instrument("binance", id, id, id, "X", "USDT", "USDT", True, Decimal(1))


async def test_a_blocked_country_is_fatal_after_a_few(simulation: Simulation, made: Made) -> None:
    exchange = made("binance")
    one, now = (await live(exchange))[0], await exchange.now()
    simulation.faults.add([Fault("status", venue="binance", status=451)])
    pages = (exchange.open_interest_page(one, 5 * MINUTE, Interval(now - HOUR, now)) for _ in range(3))
    found = [(await asyncio.gather(page, return_exceptions=True))[0] for page in pages]
    assert [type(one) for one in found] == [Retry, Retry, Fatal]


async def test_a_start_that_is_too_old_says_that_a_later_one_may_be_served(made: Made) -> None:
    exchange = made("binance")
    instruments = await live(exchange)
    now = await exchange.now()
    with pytest.raises(Skip) as refused:
        await exchange.open_interest_page(instruments[0], 5 * MINUTE, Interval(now - 35 * DAY, now - 34 * DAY))
    assert refused.value.shrink


@pytest.mark.parametrize("kind", ["nan", "negative", "missing", "duplicate", "unsorted"])
@pytest.mark.parametrize("venue", ["binance", "bybit", "okx"])
async def test_a_damaged_page_loses_the_damaged_row_only(simulation: Simulation, made: Made, venue: str, kind: str) -> None:
    exchange = made(venue)
    instruments = await live(exchange)
    now = await exchange.now()
    window = Interval(now - 5 * HOUR, now - HOUR)
    whole = await exchange.open_interest_page(instruments[0], 5 * MINUTE, window)
    simulation.faults.add([Fault(kind, venue=venue)])
    damaged = await exchange.open_interest_page(instruments[0], 5 * MINUTE, window)
    assert {row.time for row in damaged.rows} == {row.time for row in whole.rows}
    bad = 0
    for row in damaged.rows:
        try:
            oi.row(row, 5, now)
        except Invalid:
            bad += 1
    assert bad == (kind in ("nan", "negative", "missing"))
    assert len(damaged.rows) == len(whole.rows) + (kind == "duplicate")


async def test_numbers_are_the_text_that_was_sent(made: Made) -> None:
    """Deribit sends JSON numbers: as floats some would be others, and 0.1 + 0.2 is not 0.3."""
    exchange = made("deribit")
    instruments = await live(exchange)
    now = await exchange.now()
    for row in (await exchange.funding_page(instruments[0], Interval(now - 3 * DAY, now))).rows:
        assert isinstance(row.rate, str | int)
    for held in (await exchange.open_interest(instruments)).rows:
        assert isinstance(held.usd if held.base is None else held.base, str | int)


async def tells_the_time(exchange: Exchange, simulation: Simulation) -> int:
    """Asserts that it knows the venue's clock as well as can be; how well that is, ms."""
    venue = exchange.traits.venue
    before = simulation.now(venue)
    now, after = await exchange.now(), simulation.now(venue)
    unsure = 200 + (after - before) // 2  # nobody knows on which half of the way an answer was held up
    assert before - unsure <= now <= after + unsure
    return unsure


@pytest.mark.parametrize("venue", VENUES)
async def test_times_are_the_venues_when_the_local_clock_is_five_seconds_off(simulation: Simulation, made: Made, venue: str) -> None:
    exchange = made(venue, clock=lambda: time.time_ns() + 5_000_000_000)
    unsure = await tells_the_time(exchange, simulation)
    assert abs(exchange.offset + 5_000) <= unsure
    instruments, asked = await live(exchange), simulation.now(venue)
    answer = await exchange.open_interest(instruments[:1])
    assert asked - unsure <= answer.received <= simulation.now(venue) + unsure


async def test_a_clock_that_is_set_meanwhile_is_noticed(simulation: Simulation, made: Made) -> None:
    exchange = made("okx")
    await exchange.now()
    simulation.skew("okx", 60_000)
    before = simulation.now("okx")
    await exchange.open_interest(await live(exchange))
    assert abs(exchange.offset - 60_000) < 1_500 + simulation.now("okx") - before, "by the Date of any answer"
    await tells_the_time(exchange, simulation)


async def test_a_clock_that_is_set_back_trusts_no_offset_that_was_measured_later_than_it_says(simulation: Simulation, made: Made) -> None:
    back = [0]
    exchange = made("okx", clock=lambda: time.time_ns() - back[0])
    await exchange.now()
    back[0] = 800_000_000_000
    await tells_the_time(exchange, simulation)


@pytest.mark.parametrize("set_by", [300, -300])
async def test_an_answer_under_which_the_clock_is_set_is_of_the_venues_time(simulation: Simulation, made: Made, set_by: int) -> None:
    """By the offset that was known it would be five minutes late, and what still moves by then be taken for final."""
    ahead = [0]
    exchange = made("okx", clock=lambda: time.time_ns() + ahead[0] * 1_000_000_000)
    one, _ = (await live(exchange))[0], await exchange.now()
    simulation.faults.add([Fault("latency", delay_ms=300)])
    before = simulation.now("okx")
    asked = asyncio.create_task(exchange.open_interest([one]))
    while not simulation.faults.report()[0]["hits"]:  # noqa: ASYNC110 (the simulator has no event for it)
        await asyncio.sleep(0.01)
    ahead[0] = set_by
    answer = await asked
    assert before - 1_000 <= answer.received <= simulation.now("okx") + 1_000, "a Date has whole seconds"


async def test_an_answer_without_an_origin_is_live() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response([])

    application = web.Application()
    application.router.add_get("/{any:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    exchange = connect("binance", Access(f"http://127.0.0.1:{runner.addresses[0][1]}"))
    try:
        assert exchange.origin is None
        assert (await exchange.funding_page(_named("X"), Interval(0, DAY))).origin == "live"
        assert exchange.origin == "live"
    finally:
        await exchange.close()
        await runner.cleanup()


async def test_many_symbols_are_asked_for_at_the_venues_pace_and_never_refused() -> None:
    """500 in 5 min on fundingRate, 25 times as fast: CCXT's own limiter paces 20 a second and is refused. A call's own work takes
    less than the 25 ms between two, on a slow machine too: so that the pace is what is measured."""
    async with Simulation(Market.standard(seed=3, symbols=3), Settings(venues=("binance",), compress=25)) as simulation:
        exchange = connect("binance", Access(simulation.endpoints["binance"], speed=25))
        try:
            instruments = await live(exchange)
            now = await exchange.now()
            began, held_up = time.monotonic(), waited()
            pages = [exchange.funding_page(instruments[n % 3], Interval(now - 3 * DAY, now)) for n in range(120)]
            await asyncio.gather(*pages)
            took = time.monotonic() - began - (waited() - held_up)
        finally:
            await exchange.close()
        calls = [call for call in simulation.truth.requests("binance") if call.path == "/fapi/v1/fundingRate"]
    assert len(calls) == 120
    assert not [call for call in calls if call.status != 200]
    least = (120 - 500 * BURST) / (500 * (1 - BURST) / 300 * 25)  # s: what the burst leaves, at the limit's steady rate
    assert least * 0.95 < calls[-1].at_mono - began  # the first may come late, after its turn
    assert took < least * 1.3 + 0.5


def open_below(folder: Path) -> list[Path]:
    """The files that this process has open there."""
    found = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return [path for path in found if path.is_relative_to(folder)]


async def test_what_is_closed_leaves_no_file_open(simulation: Simulation, tmp_path: Path) -> None:
    for _ in range(3):
        exchange = connect("okx", Access(simulation.endpoints["okx"], shared=str(tmp_path)))
        await exchange.now()
        assert open_below(tmp_path)
        await exchange.close()
    assert not open_below(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "nan", "negative"])
async def test_a_list_of_which_something_cannot_be_understood_is_told_apart_from_a_whole_one(
    simulation: Simulation, made: Made, kind: str
) -> None:
    exchange = made("okx")
    whole = await exchange.instruments()
    assert exchange.listed_whole
    simulation.faults.add([Fault(kind, venue="okx", path="public/instruments")])
    assert len(await exchange.instruments()) == len(whole) - 1
    assert not exchange.listed_whole
