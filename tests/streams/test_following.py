"""A stream whose choice of instruments changes: nothing is missed, nothing doubled, and what cannot begin replaces nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from perptape.claims import Want
from perptape.collect.following import Following
from perptape.collect.grids import stream_grid
from perptape.collect.live import LiveStream
from perptape.collect.outcome import Outcome
from perptape.collect.plan import judged
from perptape.collect.targets import Session
from perptape.coverage import Coverage
from perptape.datasets import LIQUIDATIONS
from perptape.datasets.base import join
from perptape.errors import Retry
from perptape.exchanges.registry import traits
from perptape.instruments import Resolution
from perptape.interval import DAY
from perptape.raw import RawLiquidation
from perptape.store.logs import Logs
from support.fake_exchange import START, FakeExchange, perpetual

pytestmark = pytest.mark.looptime


class LoopClock:
    """The wall clock follows the loop's time."""

    @property
    def ms(self) -> int:
        return START + round(asyncio.get_running_loop().time() * 1000)

    def __call__(self) -> int:
        return self.ms * 1_000_000


async def inline(call: Any) -> Any:
    return call()


@dataclass
class Stage:
    """A venue of two coins, of which those in `chosen` are streamed."""

    exchange: FakeExchange
    disk: Any
    store: Any
    chosen: list[str] = field(default_factory=lambda: ["BTC"])
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    outcome: Outcome = field(default_factory=lambda: Outcome("binance", "liquidations"))
    since: dict[str, int] = field(default_factory=dict)
    """Coin -> since when it is chosen, as the selection says it."""
    sent: int = 0
    begun: list[frozenset[str]] = field(default_factory=list)

    def ids(self) -> frozenset[str]:
        return frozenset(one.id for one in self.exchange.listing if one.base in self.chosen)

    async def begin(self, outcome: Outcome, stop: asyncio.Event, handed_over: Any, *, first: bool) -> None:
        listing = [one for one in self.exchange.listing if one.base in self.chosen]
        self.begun.append(frozenset(one.id for one in listing))
        outcome.instruments = len(listing)
        if not listing:
            return
        grid, session = stream_grid(self.exchange.traits), Session("file", "session", START)
        targets = [Resolution(one.base, "binance", one, since=self.since.get(one.base, 0)) for one in listing]
        known = Coverage.of(self.store.claims, self.store.wants)

        def wants(now: int, first: int | None) -> tuple[Want, ...]:
            return tuple(session.want_stream(grid, target, now, known, first) for target in targets)

        def before(now: int) -> tuple[Want, ...]:
            return tuple(session.want_before(grid, target, now, known) for target in targets)

        stream = LiveStream(
            self.exchange, listing, logs=Logs("/state/log", self.disk), segments=self.store, wants=wants, before=before,
            clock=lambda: LoopClock().ms, random=Random(len(self.begun)),
            on_disk=inline, on_store=inline, goes_on=handed_over, log_limit=2**20,
        )  # fmt: skip
        outcome.live = stream.report
        await stream.run(stop)

    async def beat(self, seconds: float) -> None:
        """The venue lives: its control topic speaks, and every coin is liquidated once a second."""
        for _ in range(round(seconds)):
            self.exchange.tick()
            self.sent += 1
            for one in self.exchange.listing:
                self.exchange.push(RawLiquidation(one, self.exchange.clock.ms - 50, "SELL", str(50_000 + self.sent), None, "0.5"))
            await asyncio.sleep(1)

    async def run(self, play: Any) -> None:
        following = Following(self.begin, self.ids, self.outcome, self.stop, self.changed, self.replaced, asyncio.sleep, 2_000)
        task = asyncio.create_task(following.carry_out())
        await asyncio.sleep(0.1)
        await play()
        self.stop.set()
        await task
        self.outcome.listened()

    def replaced(self, old: Outcome, new: Outcome) -> None:
        assert self.outcome is old
        self.outcome = new

    def choose(self, *coins: str) -> None:
        now = self.exchange.clock.ms
        self.since |= {coin: now for coin in coins if coin not in self.chosen}
        self.chosen = list(coins)
        self.changed.set()

    def standing(self, coin: str) -> list[tuple[str, float, float]]:
        grid = stream_grid(self.exchange.traits)
        name = next(one.id for one in self.exchange.listing if one.base == coin)
        known = Coverage.of(self.store.claims, self.store.wants)
        mine = [want for want in known.wants if want.instrument == name]
        found = judged(grid, name, known, mine, START + DAY, self.exchange.listing[0].life)
        return [(one.status, (one.span.start - START) / 1000, (one.span.end - START) / 1000) for one in found]

    def prices(self, coin: str) -> list[float]:
        """Of the events on the tape, joined as a reader sees them."""
        table = join(LIQUIDATIONS, [segment[2] for segment in self.store.segments.values()])
        rows = zip(table["instrument_id"].to_pylist(), table["price"].to_pylist(), strict=True)
        return sorted(price for one, price in rows if one.startswith(coin))


@pytest.fixture
def stage(kit: Any) -> Stage:
    own = traits("binance")
    exchange = FakeExchange(own, [perpetual(own, "BTC"), perpetual(own, "ETH")], clock=LoopClock())  # type: ignore[arg-type]
    return Stage(exchange, kit.Disk(), kit.Store())


async def test_the_old_stream_goes_once_the_new_one_is_proven(stage: Stage) -> None:
    async def play() -> None:
        await stage.beat(90)
        stage.choose("BTC", "ETH")
        await asyncio.sleep(0.2)
        assert len(stage.exchange.connections) == 2, "the old one still listens"
        await stage.beat(40)
        assert len(stage.exchange.connections) == 1
        await stage.beat(20)

    await stage.run(play)
    assert [one[0] for one in stage.standing("BTC")] == ["sampled"], stage.standing("BTC")
    assert stage.prices("BTC") == [50_000 + n for n in range(1, 151)]
    assert stage.outcome.instruments == 2


async def test_what_comes_later_is_missed_nowhere(stage: Stage) -> None:
    async def play() -> None:
        await stage.beat(90)
        stage.choose("BTC", "ETH")
        await stage.beat(60)

    await stage.run(play)
    (status, start, _), *more = stage.standing("ETH")
    assert (status, more) == ("sampled", []), stage.standing("ETH")
    assert 90 <= start < 92
    assert len(stage.prices("ETH")) >= 59


async def test_a_new_stream_that_does_not_begin_replaces_nothing(stage: Stage) -> None:
    async def play() -> None:
        await stage.beat(90)
        stage.exchange.will_raise([Retry("refused")] * 400)
        stage.choose("BTC", "ETH")
        await stage.beat(30)
        assert len(stage.exchange.connections) == 1

    await stage.run(play)
    assert [one[0] for one in stage.standing("BTC")] == ["sampled"], stage.standing("BTC")
    assert stage.prices("BTC") == [50_000 + n for n in range(1, 121)]


async def test_the_same_choice_again_begins_nothing(stage: Stage) -> None:
    async def play() -> None:
        await stage.beat(10)
        stage.changed.set()
        await stage.beat(10)

    await stage.run(play)
    assert len(stage.begun) == 1


async def test_a_choice_of_nothing_waits_for_something(stage: Stage) -> None:
    async def play() -> None:
        await stage.beat(5)
        stage.choose("ETH")
        await stage.beat(30)

    stage.chosen = []
    await stage.run(play)
    assert len(stage.prices("ETH")) >= 29
    assert stage.outcome.instruments == 1


async def test_counts_go_on_over_a_change(stage: Stage) -> None:
    async def play() -> None:
        await stage.beat(90)
        stage.choose("BTC", "ETH")
        await stage.beat(60)

    await stage.run(play)
    assert stage.outcome.rows >= 150 + 59
    assert stage.outcome.windows == 2


async def test_a_log_that_cannot_be_read_is_still_named_after_a_change(stage: Stage) -> None:
    async def play() -> None:
        await stage.beat(30)
        stage.choose("BTC", "ETH")
        await asyncio.sleep(0.2)
        stage.outcome.failed.append("the log b cannot be read")  # found while both listen
        await stage.beat(30)

    first = stage.outcome
    first.failed.append("the log a cannot be read")
    await stage.run(play)
    assert stage.outcome is not first
    assert stage.outcome.failed == ["the log a cannot be read", "the log b cannot be read"]


async def test_a_stop_amid_a_change_ends_both(stage: Stage) -> None:
    async def play() -> None:
        await stage.beat(90)
        stage.exchange.will_raise([Retry("refused")] * 400)
        stage.choose("BTC", "ETH")
        await stage.beat(5)

    await stage.run(play)
    assert stage.exchange.connections == ()
    assert [one[0] for one in stage.standing("BTC")] == ["sampled"], stage.standing("BTC")
