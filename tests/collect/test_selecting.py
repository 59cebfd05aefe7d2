"""Runs of a spec that chooses its instruments: what is collected, what is remembered, and what is asked for it."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from perptape.errors import Retry
from perptape.interval import DAY, HOUR, MINUTE
from support.fake_exchange import perpetual

OI = "{openInterest: {backfill: 1d}}"
SIZES = {"BTC": 9_000, "ETH": 5_000, "SOL": 4_000, "XRP": 3_000}


@pytest.fixture
def binance(world):
    """A venue of four coins of these sizes."""
    sizes = dict(SIZES)
    venue = world.venue("binance", list(sizes), open_interest_at=lambda one, time: str(sizes[one.base]))
    venue.sizes = sizes
    return venue


def wanted(world, dataset="open_interest"):
    """The coins that are wanted and have not ended."""
    coverage = world.tape.coverage("binance", dataset)
    return sorted({w.instrument.partition("USDT")[0] for w in coverage.wants if w.ended is None})


def collected(world):
    rows = world.tape.read("open_interest")
    return sorted({one.partition("USDT")[0] for one in rows["instrument_id"].to_pylist()})


async def test_the_top_by_open_interest_are_collected(world, binance):
    summary = await world.once(OI, "{select: {quote: USDT, top: 2}}")
    assert summary.exit_code == 0, summary.lines()
    assert collected(world) == ["BTC", "ETH"]
    assert summary.outcomes[0].instruments == 2


async def test_what_is_selected_is_said_in_one_line(world):
    many = [f"C{number}" for number in range(8)]
    world.venue("binance", many)
    with capture_logs() as said:
        await world.once(OI, "{select: {quote: USDT}}")
    (line,) = [one for one in said if one["event"] == "selected"]
    named = ", ".join(f"{coin}USDT-PERP.BINANCE" for coin in many[:5])
    assert (line["count"], line["instruments"], line["more"]) == (8, named, 3)


async def test_the_top_by_volume_are_collected_and_stay(world, binance):
    """XRP is the smallest and traded most; a day later ETH is traded most, and what was selected stays."""
    traded = {"BTC": 1_000, "ETH": 2_000, "SOL": 3_000, "XRP": 9_000}
    binance.volume_at = lambda one, time: str(traded[one.base])
    top = "{select: {quote: USDT, top: 2, by: volume}}"
    summary = await world.once(OI, top)
    assert summary.exit_code == 0, summary.lines()
    assert collected(world) == wanted(world) == ["SOL", "XRP"]
    assert [call[0] for call in binance.calls].count("volume") == 1
    assert not [call for call in binance.calls if call[0] == "open_interest"], "its size is not asked"
    traded["ETH"] = 99_000
    world.clock.forward(30 * MINUTE)
    await world.once(OI, top)
    assert wanted(world) == ["SOL", "XRP"], "a ranking holds for an hour"
    world.clock.forward(DAY)
    await world.once(OI, top)
    assert wanted(world) == ["ETH", "SOL", "XRP"]


async def test_a_volume_that_is_no_amount_comes_last(world, binance):
    odd = {"BTC": "NaN", "ETH": None, "SOL": "-5", "XRP": "0.1"}
    binance.volume_at = lambda one, time: odd[one.base]
    await world.once(OI, "{select: {quote: USDT, top: 1, by: volume}}")
    assert wanted(world) == ["XRP"]


async def test_without_top_no_size_is_asked(world, binance):
    await world.once(OI, "{select: {match: '^(BTC|SOL)'}}")
    assert collected(world) == ["BTC", "SOL"]
    assert not [call for call in binance.calls if call[0] == "open_interest"]


async def test_a_ranking_holds_for_an_hour(world, binance):
    top = "{select: {quote: USDT, top: 2}}"
    await world.once(OI, top)
    binance.sizes["XRP"] = 99_000
    world.clock.forward(30 * MINUTE)
    await world.once(OI, top)
    assert [call[0] for call in binance.calls].count("open_interest") == 0
    assert collected(world) == ["BTC", "ETH"]
    world.clock.forward(31 * MINUTE)
    await world.once(OI, top)
    assert collected(world) == ["BTC", "ETH", "XRP"], "what is selected comes to what was"


async def test_what_left_the_selection_is_given_up_after_seven_days(world, binance):
    top = "{select: {quote: USDT, top: 2}}"
    await world.once(OI, top)
    binance.sizes["XRP"] = 99_000
    for _ in range(6):
        world.clock.forward(DAY)
        await world.once(OI, top)
        assert wanted(world) == ["BTC", "ETH", "XRP"]
    for _ in range(2):
        world.clock.forward(DAY)
        await world.once(OI, top)
    assert wanted(world) == ["BTC", "XRP"]


async def test_pods_of_another_dataset_choose_what_the_first_chose(world, binance):
    """Each is a run of its own over the same tape, a minute apart, and the sizes have changed meanwhile."""
    both = "{openInterest: {backfill: 1d}, funding: {backfill: 9d}}"
    top = "{select: {quote: USDT, top: 2}}"
    await world.once(both, top, datasets=("open_interest",))
    binance.sizes["XRP"] = 99_000
    world.clock.forward(MINUTE)
    await world.once(both, top, datasets=("funding",))
    assert wanted(world, "funding") == wanted(world) == ["BTC", "ETH"]


async def test_a_new_listing_is_followed_and_a_delisting_is_told(world, binance):
    choice = "{select: {quote: USDT}}"
    await world.once(OI, choice)
    world.clock.forward(DAY)
    binance.sizes["DOGE"] = 1
    gone = replace(binance.listing[3], delisted=world.clock.ms - HOUR)
    new = perpetual(binance.traits, "DOGE", listed=world.clock.ms - HOUR)
    binance.listing = [*binance.listing[:3], gone, new]
    summary = await world.once(OI, choice)
    assert summary.exit_code == 0, summary.lines()
    assert "DOGE" in collected(world)
    assert any("has delisted XRPUSDT-PERP.BINANCE" in line for line in summary.outcomes[0].skipped)
    world.clock.forward(DAY)
    summary = await world.once(OI, choice)
    assert any("has delisted XRPUSDT-PERP.BINANCE" in line for line in summary.outcomes[0].skipped), "and goes on being told"


async def test_a_venue_that_tells_no_size_leaves_the_choice_as_it_was(world, binance):
    top = "{select: {quote: USDT, top: 2}}"
    await world.once(OI, top)
    world.clock.forward(2 * HOUR)
    binance.will_raise([None, None, *[Retry("busy", after=0)] * 5])
    summary = await world.once(OI, top)
    assert summary.outcomes[0].instruments == 2
    assert wanted(world) == ["BTC", "ETH"]


async def test_a_choice_that_means_nothing_says_so(world, binance):
    summary = await world.once(OI, "{select: {quote: EUR}}")
    assert "binance lists nothing that spec.symbols.select asks for" in summary.notes
    assert summary.outcomes[0].instruments == 0


@pytest.mark.slow
async def test_a_run_that_stays_follows_the_selection(world, binance):
    """Samples of what comes later are wanted from then on: nothing of the time before is missed."""
    summary = await world.stay(30 * MINUTE, "{funding: {every: 5m, backfill: 1d}}", "{select: {quote: USDT, top: 2}}")
    assert summary.outcomes[0].instruments == 2
    binance.sizes["XRP"] = 99_000
    before = world.clock.ms
    summary = await world.stay(150 * MINUTE, "{funding: {every: 5m, backfill: 1d}}", "{select: {quote: USDT, top: 2}}")
    assert summary.outcomes[0].instruments == 3
    wants = [w for w in world.tape.coverage("binance", "funding_prediction").wants if w.instrument.startswith("XRP")]
    assert wants
    assert min(w.start for w in wants) > before
