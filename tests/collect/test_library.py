"""The holes of a tape as a program reads them."""

import pytest

import perptape
from perptape.errors import Retry, UsageError
from perptape.interval import DAY, MINUTE
from support.fake_exchange import FakeExchange


class Busy(FakeExchange):
    """Answers no question about the past."""

    async def open_interest_page(self, instrument, period, window):
        raise Retry("busy")


async def test_gaps_are_the_holes_that_the_command_prints(world):
    exchange = world.venue("binance", ["BTC"])
    world.exchanges["binance"] = Busy(exchange.traits, await exchange.instruments(), world.clock)
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP")
    catalog, now = perptape.open(world.root), world.clock.ms
    found = catalog.gaps(now=now)
    (row,) = found.to_pylist()
    assert (row["venue"], row["dataset"], row["grid"], row["kind"]) == ("binance", "open_interest", "5m", "open")
    assert row["instrument_id"] == "BTCUSDT-PERP.BINANCE"
    assert 2 * DAY - 20 * MINUTE <= row["end"] - row["start"] <= 2 * DAY
    assert row["end"] <= now
    assert catalog.gaps("okx", now=now).num_rows == catalog.gaps(dataset="funding", now=now).num_rows == 0
    assert catalog.gaps("okx", now=now).schema == found.schema
    with pytest.raises(ValueError, match="there is no venue 'binanec': one of binance, bybit"):
        catalog.gaps("binanec")


@pytest.mark.parametrize("ask", [lambda catalog: catalog.gaps("okx"), lambda catalog: catalog.read("funding")])
def test_of_no_tape_nobody_says_that_it_has_no_gaps(tmp_path, ask):
    with pytest.raises(UsageError, match=r"there is no tape at .*nothere"):
        ask(perptape.open(tmp_path / "nothere"))


async def test_a_complete_tape_has_no_gaps(world):
    world.venue("binance", ["BTC"])
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP")
    assert perptape.open(world.root).gaps(now=world.clock.ms).num_rows == 0
