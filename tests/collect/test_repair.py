"""What damage took from the store is asked for again by the next run, and then believed."""

import pytest

from perptape.collect.report import standings
from perptape.interval import DAY, MINUTE, NS
from perptape.store import layout, quarantine
from perptape.store.landing import landing

FIVE = 5 * MINUTE


def damaged(world, venue, dataset, time):
    """Writes down that the data file of `time` was found damaged just now."""
    (name,) = {one.instrument for one in standings(world.tape, world.clock.ms, [venue], [dataset])}
    files = landing(venue, dataset, "nautilus1")
    span = layout.span_of(time * NS, files.kind.span)
    place = files.place(f"{files.folder}/{name}/{span.name}.parquet")
    quarantine.record(world.tape.fs, venue, dataset, place, b"broken", world.clock.ms)


def standing(world, venue, dataset):
    (one,) = standings(world.tape, world.clock.ms, [venue], [dataset])
    return one


@pytest.mark.parametrize("published", [False, True])
async def test_history_that_was_damaged_is_fetched_again_the_same_day_and_counts(world, published):
    world.venue("binance", ["BTC"])
    only = "{openInterest: {backfill: 3d}}"
    await world.once(only, "BTCUSDT-PERP")
    world.clock.forward(MINUTE)
    damaged(world, "binance", "open_interest", world.clock.ms - 2 * DAY)
    assert standing(world, "binance", "open_interest").length("open") >= DAY
    world.clock.forward(MINUTE)
    assert (await world.once(only, "BTCUSDT-PERP")).exit_code == 0
    if published:
        assert [report.error for report in world.tape.publish() if report.error] == []
    assert standing(world, "binance", "open_interest").length("open", "lost") == 0


async def test_settlements_that_were_damaged_are_fetched_again_the_same_day_and_count(world):
    world.venue("binance", ["BTC"])
    only = "{funding: {backfill: 9d}}"
    await world.once(only, "BTCUSDT-PERP")
    world.clock.forward(MINUTE)
    damaged(world, "binance", "funding", world.clock.ms)
    assert standing(world, "binance", "funding").length("open") > 8 * DAY
    assert (await world.once(only, "BTCUSDT-PERP")).exit_code == 0
    assert standing(world, "binance", "funding").length("open", "lost") == 0


async def test_a_sample_that_was_damaged_is_taken_again_while_its_slot_lasts_and_is_lost_afterwards(world):
    world.venue("hyperliquid", ["BTC"])
    only = "{openInterest: {every: 5m}}"
    await world.once(only, "BTCUSDT-PERP")
    world.clock.forward(2 * MINUTE)
    damaged(world, "hyperliquid", "open_interest", world.clock.ms)
    await world.once(only, "BTCUSDT-PERP")
    assert [call[0] for call in world.data_calls("hyperliquid")] == ["open_interest"]
    found = standing(world, "hyperliquid", "open_interest")
    assert (found.length("lost"), found.length("complete")) == (0, FIVE)
    world.clock.forward(4 * MINUTE)
    damaged(world, "hyperliquid", "open_interest", world.clock.ms)
    await world.once(only, "BTCUSDT-PERP")
    found = standing(world, "hyperliquid", "open_interest")
    assert (found.length("lost"), found.length("complete")) == (FIVE, FIVE)
