"""A contract is delisted, or listed again: nothing stays open for ever, and each life stands for itself."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from perptape.collect.report import standings
from perptape.errors import Skip
from perptape.interval import DAY, HOUR, MINUTE
from support.fake_exchange import open_interest_of, perpetual

FIVE = 5 * MINUTE
BOTH = "BTCUSDT-PERP, ETHUSDT-PERP"
BTC = "BTCUSDT-PERP"


def relist(exchange, **changes):
    """Replaces the first contract in the venue's list."""
    exchange.listing = [replace(exchange.listing[0], **changes), *exchange.listing[1:]]


def standing(world, dataset="open_interest", venue="binance", instrument=BTC):
    (one,) = [s for s in standings(world.tape, world.clock.ms, [venue], [dataset]) if s.instrument.startswith(instrument)]
    return one


async def test_what_was_missed_before_the_delisting_is_fetched_and_the_want_ends_there(world):
    exchange = world.venue("binance")
    await world.once()
    world.clock.forward(3 * HOUR)
    end = world.clock.ms - HOUR - MINUTE
    relist(exchange, delisted=end)
    summary = await world.once()
    assert summary.exit_code == 0, summary.lines()
    assert any("has delisted BTCUSDT-PERP" in line for line in summary.lines())
    assert summary.outcomes[0].instruments == 2, "the delisted one's history came, too"
    found = standing(world)
    assert found.length("open", "lost", "pending", "unproven") == 0
    assert found.watermark == end - end % FIVE == found.wanted[-1].end
    rows = world.tape.read("open_interest", [found.instrument])
    assert max(rows["ts_event"].to_pylist()) == (end - end % FIVE - FIVE) * 1_000_000
    assert standing(world, "funding").length("open", "lost") == 0
    assert standing(world, "funding").wanted[-1].end == end
    world.clock.forward(3 * DAY)
    assert (await world.once()).exit_code == 0
    assert standing(world, "funding").length("open", "lost", "pending") == 0
    assert (await world.once()).exit_code == 0
    last = await world.once()
    assert last.outcomes[0].instruments == 1, "the delisted one had nothing new"
    assert [call for call in world.data_calls("binance") if BTC in str(call)] == []
    assert (standing(world).wanted, standing(world).length("open", "lost")) == (found.wanted, 0)


async def test_an_end_without_a_date_does_not_creep(world):
    exchange = world.venue("binance")
    await world.once()
    world.clock.forward(HOUR)
    first = world.clock.ms
    for _ in range(3):
        relist(exchange, delisted=world.clock.ms)
        assert (await world.once()).exit_code == 0
        world.clock.forward(HOUR)
    (btc,) = [seen.instrument for seen in world.tape.instruments("binance") if seen.instrument.id.startswith(BTC)]
    assert btc.delisted == first
    assert standing(world).wanted[-1].end == first - first % FIVE


@pytest.mark.parametrize("venue", ["okx", "binance"])
async def test_what_a_venue_refuses_of_a_contract_that_it_no_longer_lists_is_lost_in_the_end_and_never_open_for_ever(world, venue):
    exchange = world.venue(venue)
    await world.once()
    world.clock.forward(3 * HOUR)
    last = exchange.listing[1:]
    exchange.listing = last
    await world.once()
    missing = world.clock.ms
    world.clock.forward(DAY)  # the second list without it: now it is believed
    for _ in range(2):
        summary = await world.once()
        assert summary.exit_code == 0, summary.lines()
        assert standing(world, venue=venue).length("open") > 0
        world.clock.forward(30 * MINUTE)
    world.clock.forward(DAY)
    assert (await world.once()).exit_code == 0
    for dataset in ("open_interest", "funding"):
        found = standing(world, dataset, venue)
        assert found.length("open", "pending") == 0, found.states
        assert {reason for _, reason in found.holes("lost")} == {"retention"}
        assert missing - FIVE < found.wanted[-1].end <= missing
    world.clock.forward(DAY)
    await world.once()
    assert [call for call in world.data_calls(venue) if BTC in str(call)] == []


async def test_a_list_that_is_short_for_a_while_ends_nothing(world):
    exchange = world.venue("binance")
    await world.once()
    world.clock.forward(HOUR)
    whole, exchange.listing = exchange.listing, exchange.listing[1:]
    await world.once()
    world.clock.forward(HOUR)
    exchange.listing = whole
    summary = await world.once()
    assert summary.exit_code == 0, summary.lines()
    assert [seen.instrument.delisted for seen in world.tape.instruments("binance")] == [None, None]
    assert standing(world).length("open", "lost") == 0
    assert standing(world).wanted[-1].end > world.clock.ms - FIVE


async def test_a_list_that_cannot_be_understood_whole_ends_nothing(world):
    exchange = world.venue("binance")
    await world.once()
    exchange.listing, exchange.listed_whole = exchange.listing[1:], False
    for _ in range(3):
        world.clock.forward(DAY)
        await world.once()
    assert [seen.instrument.delisted for seen in world.tape.instruments("binance")] == [None, None]
    assert standing(world).wanted[-1].end > world.clock.ms - FIVE


async def test_a_ticker_listed_again_has_two_lives_each_with_its_units_and_its_standing(world):
    exchange = world.venue("binance")
    await world.once()
    world.clock.forward(3 * HOUR)
    end, again = world.clock.ms - 2 * HOUR, world.clock.ms - HOUR
    old = exchange.listing[0]
    new = replace(old, contract_size=Decimal(10), listed=again)
    exchange.listing = [replace(old, delisted=end), new, *exchange.listing[1:]]
    summary = await world.once()
    assert summary.exit_code == 0, summary.lines()
    found = standing(world)
    assert found.length("open", "lost") == 0
    assert found.wanted[0].end == end
    assert found.wanted[-1].start == again
    rows = world.tape.read("open_interest", [old.id]).to_pylist()
    units = {row["ts_event"] // 1_000_000: (row["oi_contracts"], row["oi_base"]) for row in rows}
    assert all(contracts == base for time, (contracts, base) in units.items() if time < end)
    assert all(contracts is None for time, (contracts, _) in units.items() if time >= again), "a size that may have changed derives nothing"
    assert {time for time in units if end - HOUR <= time} == {
        *range(end - HOUR, end, FIVE),
        *range(again, world.clock.ms - exchange.published_after, FIVE),
    }
    assert all(row["oi_base"] == float(open_interest_of(old, row["ts_event"] // 1_000_000)) for row in rows)


async def test_a_contract_delisted_before_anybody_wanted_it_gives_its_past(world):
    exchange = world.venue("binance")
    relist(exchange, delisted=world.clock.ms - DAY)
    summary = await world.once()
    assert summary.exit_code == 0, summary.lines()
    assert standing(world).length("complete") == DAY
    assert standing(world).length("open", "lost", "pending") == 0


async def meanwhile(world, change, collect):
    """A run that stays for an hour and a half, in which the venue's list changes after forty minutes."""

    async def turn():
        await world.sleep(40 * 60)
        change()

    task = asyncio.ensure_future(world.stay(90 * MINUTE, collect, BOTH))
    await asyncio.sleep(0)  # from here on waiting takes the fake clock's time
    summary, _ = await asyncio.gather(task, turn())
    return summary


async def test_a_run_that_stays_takes_note_of_a_delisting(world):
    exchange = world.venue("binance")
    end = world.clock.ms + 40 * MINUTE
    summary = await meanwhile(world, lambda: relist(exchange, delisted=end), "{openInterest: {every: 15m, backfill: 1h}}")
    assert summary.exit_code == 0
    assert any("has delisted BTCUSDT-PERP" in line for line in summary.notes)
    (btc,) = [seen.instrument for seen in world.tape.instruments("binance") if seen.instrument.id.startswith(BTC)]
    assert btc.delisted == end
    assert standing(world).wanted[-1].end == end - end % (15 * MINUTE)


async def test_a_run_that_stays_collects_what_is_listed_meanwhile(world):
    world.venue("binance")  # where both are known
    exchange = world.venue("hyperliquid", ["BTC"])
    came = perpetual(exchange.traits, "ETH", listed=None)
    since = world.clock.ms
    await meanwhile(world, lambda: setattr(exchange, "listing", [*exchange.listing, came]), "{openInterest: {every: 5m, backfill: 1h}}")
    found = standing(world, venue="hyperliquid", instrument="ETH")
    assert found.length("complete") >= 20 * MINUTE
    assert found.length("lost", "open") == 0, "nobody could have it before"
    assert found.wanted[0].start >= since + 55 * MINUTE


async def test_a_list_that_cannot_be_had_is_asked_for_again_soon_and_not_an_hour_later(world):
    """Campaign, seed 930000000325: what was listed anew while the store was away was listened to two hours later."""
    exchange = world.venue("binance")
    since = world.clock.ms
    refused: list[int] = []
    listed = exchange.instruments

    async def instruments():
        late = world.clock.ms - since
        if 50 * MINUTE < late < 75 * MINUTE:
            refused.append(late)
            raise Skip("down for maintenance")
        return await listed()

    exchange.instruments = instruments
    end = since + 40 * MINUTE
    summary = await meanwhile(world, lambda: relist(exchange, delisted=end), "{openInterest: {every: 15m, backfill: 1h}}")
    assert 10 <= len(refused) <= 25
    assert any("has delisted BTCUSDT-PERP" in line for line in summary.notes)


async def test_what_never_had_a_row_at_the_end_of_a_life_is_empty_though_a_silent_venue_was_not_believed_in_between(world):
    """Neither is the next life's row looked for in an answer of this one, nor does what was not believed take honest answers away."""
    exchange = world.venue("binance")
    await world.once()
    world.clock.forward(3 * HOUR)
    end = world.clock.ms - world.clock.ms % FIVE - 2 * HOUR
    old = exchange.listing[0]
    never = lambda one, time: end - 2 * FIVE <= time < end  # noqa: E731
    exchange.holes = never
    new = replace(old, contract_size=Decimal(10), listed=end + HOUR)
    exchange.listing = [replace(old, delisted=end), new, *exchange.listing[1:]]
    await world.once()
    world.clock.forward(2 * HOUR)
    exchange.holes = lambda one, time: True
    await world.once()
    exchange.holes = never
    for wait in (2 * HOUR, DAY, HOUR):
        assert {reason for _, reason in standing(world).holes("lost")} == set()
        world.clock.forward(wait)
        await world.once()
    assert [state.status for state in standing(world).states if state.span.end == end] == ["empty"]


async def test_time_of_a_delisted_contract_of_which_the_venue_says_nothing_any_more_is_lost_and_not_empty(world):
    exchange = world.venue("binance")
    await world.once()
    world.clock.forward(3 * HOUR)
    end = world.clock.ms - world.clock.ms % FIVE
    relist(exchange, delisted=end)
    exchange.holes = lambda one, time: True
    for wait in (DAY, DAY, HOUR):
        await world.once()
        world.clock.forward(wait)
    found = standing(world)
    assert (found.length("empty", "open"), found.length("lost")) == (0, 3 * HOUR + 2 * FIVE), found.states
