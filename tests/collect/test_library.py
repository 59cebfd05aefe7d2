"""The holes of a tape as a program reads them."""

import warnings
from collections import Counter
from pathlib import Path

import pytest

import perptape
from perptape.collect.report import standings
from perptape.datasets import LIQUIDATIONS
from perptape.errors import Retry, UsageError
from perptape.interval import DAY, MINUTE
from perptape.store.catalog import Catalog
from perptape.store.log_place import logs_of
from perptape.store.log_record import Begun
from perptape.store.reading import Reading
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


def damaged(root, dataset):
    """Of every segment of a dataset nothing can be read; the path of the first."""
    found = sorted((root / "perptape/segments/binance" / dataset).iterdir())
    for path in found:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return str(found[0].relative_to(root))


@pytest.mark.parametrize(("venue", "dataset"), [("binance", "open_interest"), (None, None)])
async def test_what_cannot_be_read_of_the_claims_is_warned_of_where_the_holes_are_asked_for(world, venue, dataset):
    world.venue("binance", ["BTC"])
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP")
    path = damaged(Path(world.root), "open_interest")
    catalog = perptape.open(world.root)
    with pytest.warns(UserWarning, match="what it says of holes is left out: `perptape publish`") as told:
        found = catalog.gaps(venue, dataset, now=world.clock.ms)
    assert found.num_rows == 0
    assert [path in str(one.message) for one in told] == [True]
    assert [one.filename for one in told] == [__file__]
    with pytest.warns(UserWarning, match=path) as told:
        catalog.read("open_interest")
    assert [one.filename for one in told] == [__file__]


async def test_a_list_of_contracts_that_cannot_be_read_is_warned_of_too(world):
    world.venue("binance", ["BTC"])
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP")
    path = damaged(Path(world.root), "instruments")
    with pytest.warns(UserWarning, match=path) as told:
        assert perptape.open(world.root).gaps("binance", "open_interest", now=world.clock.ms).num_rows == 0
    assert [one.filename for one in told] == [__file__]


async def test_of_what_another_dataset_cannot_say_nobody_who_did_not_ask_is_told(world):
    world.venue("binance", ["BTC"])
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP")
    damaged(Path(world.root), "open_interest")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert perptape.open(world.root).gaps("binance", "funding", now=world.clock.ms).num_rows == 0


def begun(root):
    """The file of a dead process' log of bybit, which nobody has brought into a tape."""
    logs = logs_of(perptape.open(root), None)
    log = logs.create(Begun("a", "bybit", "liquidations", 0, {}, {}, LIQUIDATIONS.schema, logs.owner.store, logs.owner.origin), 2**16)
    log.release()
    return Path(logs.root, "a", "records")


@pytest.mark.parametrize("damaged", [False, True])
async def test_what_lies_in_a_log_is_warned_of_where_the_holes_are_asked_for(world, damaged):
    world.venue("binance", ["BTC"])
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP")
    records = begun(world.root)
    if damaged:
        records.write_bytes(b"\xff" * 2**14 + records.read_bytes()[2**14 :])
    catalog, now = perptape.open(world.root), world.clock.ms
    said = "the log a cannot be read" if damaged else "1 log of a stream whose process is dead .* may be in it"
    for asked in [(), ("bybit",), ("bybit", "liquidations")]:
        with pytest.warns(UserWarning, match=said) as told:
            assert catalog.gaps(*asked, now=now).num_rows == 0
        assert [one.filename for one in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        catalog.gaps("bybit", "funding", now=now)
        if not damaged:
            catalog.gaps("binance", now=now)


class Counted(Catalog):
    """A catalog that counts what is read of it."""

    def __init__(self, fs):
        super().__init__(fs)
        self.asked = Counter()

    def known(self, venue, dataset):
        self.asked["known", venue, dataset] += 1
        return super().known(venue, dataset)

    def instruments(self, venue, *, tell=None):
        self.asked["instruments", venue] += 1
        return super().instruments(venue, tell=tell)


async def test_each_thing_is_read_once_however_often_it_is_asked_for(world):
    world.venue("binance", ["BTC"])
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP")
    catalog = Counted.open(str(world.root))
    reading = Reading(catalog)
    first, again = (standings(reading, world.clock.ms, ["binance", "okx"], ["open_interest", "funding"]) for _ in range(2))
    assert first == again != []
    assert set(catalog.asked.values()) == {1}
    assert len(catalog.asked) == 2 * (1 + 2)
    assert reading.instruments("binance") == catalog.instruments("binance") != ()


async def test_of_a_collection_only_its_own_wants_are_read_and_all_that_is_claimed(world):
    world.venue("binance", ["BTC"])
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP")
    catalog = Catalog.open(str(world.root))
    every = Reading(catalog).coverage("binance", "open_interest")
    (spec,) = {want.spec for want in every.wants}
    assert Reading(catalog, spec).coverage("binance", "open_interest") == every
    other = Reading(catalog, "other").coverage("binance", "open_interest")
    assert (other.claims, list(other.wants)) == (every.claims, [])
