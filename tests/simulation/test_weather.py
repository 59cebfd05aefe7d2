"""A campaign of a simulated venue: what a schedule says goes wrong by itself, each in its time, and nothing stays behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest

from campaign.clockwork import VirtualLoop
from perptape.interval import HOUR
from perptape.simulation.history import published_stamps
from perptape.simulation.market import SLOT, Market
from perptape.simulation.schedule import LASTING, LEAST, STORM, Fault, Schedule, schedule
from perptape.simulation.server import Simulation
from perptape.simulation.settings import Settings
from perptape.simulation.weather import FEED, LATE_MS, SAID, carry_out, concerning, faults_of
from perptape.simulation.wires import WIRES

VENUES = tuple(WIRES)


def befallen(one: Schedule, ended: Sequence[str] = ()) -> tuple[list[tuple[float, str]], Simulation]:
    """What was told when, and the simulation afterwards; nobody waits. `ended`: contracts that are delisted before."""
    simulation = Simulation(Market.standard(1, 2), Settings(venues=(one.venue,), ticking=False))
    for id in ended:
        simulation.delist(one.venue, id, simulation.now(one.venue) - 1)
    told: list[tuple[float, str]] = []
    loop = VirtualLoop()
    try:
        loop.run_until_complete(carry_out(simulation, [one], lambda text: told.append((loop.time(), text))))
    finally:
        loop.close()
    return told, simulation


@pytest.mark.parametrize("seed", range(12))
def test_each_of_the_venues_faults_is_told_when_it_begins_and_is_over_in_the_end(seed: int) -> None:
    one = schedule(seed)
    planned = concerning(one)
    told, simulation = befallen(one)
    assert [at for at, _ in told] == pytest.approx([fault.start for fault in planned])
    assert all(f"{one.venue}: {fault.kind}: {SAID[fault.kind]}" in text for fault, (_, text) in zip(planned, told, strict=True))
    assert simulation.faults.report() == []
    assert simulation.market.publication_delay(one.venue) == Market.standard(1).publication_delay(one.venue)
    assert sorted(record["kind"] for record in simulation.weathered) == sorted(fault.kind for fault in planned)


def test_the_kinds_of_a_schedule_that_are_not_the_venues_are_those_of_processes_and_of_stores() -> None:
    kinds = {kind for seed in range(200) for kind in schedule(seed).kinds}
    assert kinds - set(SAID) == {"kill", "kill in a write", "power loss", "disk full", "store away", "clock skew", "two publishers"}


def test_a_relisting_ends_a_contract_and_brings_it_back_with_other_terms_once() -> None:
    fault = Fault(1.0, 0.0, "relisting", 0.5)
    one = Schedule(1, "bybit", "folder", True, True, 1, 2, 1000, 60, (fault, Fault(2.0, 0.0, "relisting", 0.5)))
    _, simulation = befallen(one)
    assert [record["hits"] for record in simulation.weathered] == [1, 0]
    first, second = simulation.market.lifetimes("bybit", "ETHUSDT")
    assert first.delisted is not None
    assert second.listed - first.delisted == 25_000
    assert second.contract_size == 10 * first.contract_size


def test_where_all_contracts_have_ended_none_comes_back() -> None:
    one = Schedule(1, "bybit", "folder", True, True, 1, 2, 1000, 60, (Fault(1.0, 0.0, "relisting", 0.5),))
    _, simulation = befallen(one, ["BTCUSDT", "ETHUSDT"])
    assert [record["hits"] for record in simulation.weathered] == [0]
    assert len(simulation.market.lifetimes("bybit", "ETHUSDT")) == 1


def test_a_late_publication_is_of_one_venue_alone() -> None:
    simulation = Simulation(Market.standard(1, 2), Settings(venues=("bybit", "okx"), ticking=False))
    simulation.publish_later("bybit", HOUR)
    market, usual = simulation.market, Market.standard(1, 2)
    for venue, later in (("bybit", HOUR), ("okx", 0)):
        now = simulation.now(venue)
        (contract, *_) = market.contracts(venue, now)
        assert market.published(contract, now) - usual.published(contract, now) == later
        since = now // SLOT * SLOT - 3 * HOUR
        shown = {stamp for _, stamp in published_stamps(market, [contract], SLOT, since, now, now, 100)}
        assert shown == {stamp for stamp in range(since, now, SLOT) if market.published(contract, stamp) <= now}


def test_history_is_published_no_later_by_two_faults_at_once_than_by_one() -> None:
    delays: list[int] = []
    one = Schedule(
        1, "okx", "folder", True, True, 1, 1, 1000, 60, (Fault(1.0, 4.0, "late publication"), Fault(2.0, 4.0, "late publication"))
    )
    simulation = Simulation(Market.standard(1, 2), Settings(venues=("okx",), ticking=False))

    async def looked() -> None:
        work = asyncio.ensure_future(carry_out(simulation, [one]))
        for _ in range(8):
            await asyncio.sleep(1)
            contract = simulation.market.contracts("okx")[0]
            delays.append((simulation.market.published(contract, 0) - Market.standard(1, 2).published(contract, 0)) // LATE_MS)
        await work

    loop = VirtualLoop()
    loop.run_until_complete(looked())
    loop.close()
    assert delays[1:] == [1, 1, 1, 1, 0, 0, 0]


def test_a_burst_happens_on_the_market_so_that_its_past_can_be_asked_for() -> None:
    one = Schedule(1, "okx", "folder", True, True, 1, 1, 1000, 60, (Fault(1.0, 3.0, "burst", 0.5),))
    _, simulation = befallen(one)
    ((_, id), events), *others = simulation.market.injected.items()
    assert (id, len(events), others) == ("BTC-USDT-SWAP", 120, [])


def test_a_short_storm_holds_the_same_faults_and_what_only_callers_meet_lasts_long_enough_to_be_met() -> None:
    for seed in range(50):
        short, one = schedule(seed).within(45), schedule(seed)
        assert sorted(fault.kind for fault in short.faults) == sorted(fault.kind for fault in one.faults)
        assert all(0 <= fault.start <= fault.end <= 45.001 for fault in short.faults)
        assert all(fault.seconds >= LEAST for fault in short.faults if fault.kind in LASTING)
        assert one.within(STORM) == one or any(fault.seconds < LEAST for fault in one.faults)


def test_a_pause_that_is_demanded_counts_in_the_time_that_clients_live_by() -> None:
    (ban,) = faults_of("binance", Fault(0.0, 3.0, "418", 1.0), 20.0)
    assert (ban.status, ban.retry_after, ban.share) == (418, 60, 1.0)
    (slow,) = faults_of("binance", Fault(0.0, 3.0, "latency", 0.5), 20.0)
    assert slow.delay_ms == 300


@pytest.mark.parametrize("venue", VENUES)
def test_every_venue_has_schedules_of_its_own(venue: str) -> None:
    assert schedule(3, venue).venue == venue
    assert schedule(3, venue) == schedule(3, venue)


def test_the_topics_of_liquidations_are_known_by_their_names() -> None:

    feeds = ("!forceOrder@arr", "btcusdt@forceOrder", "allLiquidation.BTCUSDT", "liquidation-orders:SWAP", "trades.BTC-PERPETUAL.100ms")
    controls = ("btcusdt@markPrice@1s", "tickers.BTCUSDT", "tickers:BTC-USDT-SWAP", "ticker.BTC-PERPETUAL.100ms")
    assert all(re.search(FEED, name) for name in feeds)
    assert not any(re.search(FEED, name) for name in controls)
