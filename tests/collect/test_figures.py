"""How far a collection is, as a run tells it: watermark, due edge, holes; and that the operator reads just that."""

import json

import pytest

from perptape.claims import STREAM, Claim, Want
from perptape.collect.figures import Figures, figures, mark
from perptape.collect.outcome import Outcome
from perptape.collect.report import Standing, of_coverage
from perptape.collect.summary import Summary
from perptape.coverage import Coverage
from perptape.errors import Retry
from perptape.exchanges.registry import traits
from perptape.interval import DAY, HOUR, MINUTE, Interval
from perptape.standing import State, watermark
from perptape_operator import report
from support.fake_exchange import FakeExchange

FIVE = 5 * MINUTE
POD = {"namespace": "trading", "session": "hash@since", "work_hash": "0123456789abcdef"}


class Busy(FakeExchange):
    """Answers no question about the past."""

    async def open_interest_page(self, instrument, period, window):
        raise Retry("busy " * 200)


def standing(*states, instrument="BTC", dataset="open_interest", grid="5m"):
    found = tuple(State(Interval(start, end), status, *reason) for start, end, status, *reason in states)
    return Standing("binance", dataset, instrument, grid, found, watermark(found))


def test_the_watermark_is_the_least_over_instruments_and_holes_are_counted():
    one = standing((0, 10, "complete"), (10, 20, "open"), (20, 50, "complete"), (50, 60, "pending"))
    other = standing((0, 40, "complete"), (40, 50, "open"), (50, 60, "pending"), instrument="ETH")
    assert figures([one, other], 60, since=0) == Figures(40, 50, open=2)


def test_what_was_lost_before_anybody_wanted_it_is_no_hole():
    one = standing((0, 10, "lost"), (10, 20, "complete"), (20, 25, "lost"), (25, 30, "complete"))
    assert figures([one], 30, since=15) == Figures(30, 30, lost=1, reach=10)
    assert figures([one], 30, since=0) == Figures(30, 30, lost=2)


def test_what_an_earlier_process_of_ours_was_to_keep_is_lost_with_its_reason_though_this_one_began_later():
    one = standing((0, 5, "lost", "retention"), (5, 10, "complete"), (10, 20, "lost", "process down"), (20, 30, "complete"))
    assert figures([one], 30, since=25) == Figures(30, 30, lost=1, reach=5, why=("process down",))


def test_a_hole_that_is_too_young_to_be_judged_is_pending_and_the_edge_is_not():
    one = standing((0, 10, "complete"), (10, 20, "pending"), (20, 50, "complete"), (50, 60, "pending"))
    other = standing((0, 50, "complete"), (50, 60, "pending"), instrument="ETH")
    assert figures([one, other], 60, since=0) == Figures(50, 10, pending=10)


def test_nothing_is_behind_where_nothing_is_due_yet():
    assert mark(standing((100, 160, "pending"))) == 100
    assert mark(standing((100, 160, "open"))) is None
    assert figures([standing((100, 160, "open"))], 160, since=0).watermark is None
    assert figures([], 160, since=0) is None


def test_a_stream_that_has_proved_nothing_is_complete_up_to_nowhere_and_all_of_it_is_pending():
    one = standing((100, 150, "pending"), (150, 160, "pending"), dataset="liquidations", grid=STREAM)
    assert mark(one) is None
    found = figures([one], 155, since=0)
    assert (found.watermark, found.pending, found.lost) == (None, 55, 0)


def test_a_watermark_is_never_in_the_future_and_a_delisted_contract_does_not_hold_it_back():
    sample = standing((0, 60, "complete"))
    assert figures([sample, standing((0, 10, "complete"), instrument="LUNA")], 45, since=0, over={"LUNA"}).watermark == 45


def test_a_samples_slot_reaches_into_the_future_and_its_watermark_does_not():
    claim = Claim("BTC-USD-PERP.HYPERLIQUID", "sample/5m", "complete", 0, FIVE)
    want = Want("s", "s", claim.instrument, claim.grid, 0, FIVE, FIVE)
    (found,) = of_coverage("hyperliquid", "open_interest", Coverage.of([claim], [want]), (), now=FIVE - 1)
    assert found.watermark == FIVE - 1


def read(summary):
    found = report.read(summary.as_json(), summary.run, summary.finished)
    assert isinstance(found, report.Report), found
    return found


async def test_a_run_says_up_to_when_it_is_complete_and_what_became_of_the_symbols(world):
    world.venue("binance")
    summary = await world.once(symbols="BTCUSDT-PERP, ETHUSDT-PERP", **POD, since=world.clock.ms)
    found = read(summary).collected("binance", "open_interest")
    edge = (world.clock.ms - 10 * MINUTE) // FIVE * FIVE
    assert (found.watermark, found.due) == (edge, edge)
    assert found.gaps == report.GapCounts()
    assert (found.symbols.wanted, found.symbols.collected, found.symbols.skipped) == (2, 2, 0)
    funding = read(summary).collected("binance", "funding")
    assert funding.watermark == funding.due == world.clock.ms // (8 * HOUR) * (8 * HOUR) or funding.gaps == report.GapCounts()
    assert world.tape.coverage("binance", "open_interest").wants[0].spec == "trading/test"


async def test_open_holes_are_told_and_the_next_run_tells_that_they_are_gone(world):
    since, dark = world.clock.ms, [True]
    world.venue("binance", ["BTC"], holes=lambda one, time: dark[0] and since <= time < since + HOUR)
    await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP", **POD, since=since)
    world.clock.forward(3 * HOUR)
    troubled = read(await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP", **POD, since=since))
    found = troubled.collected("binance", "open_interest")
    assert found.gaps.open == 1
    assert found.watermark == found.due > since + HOUR, "the newest run: older holes are counted"
    dark[0] = False
    world.clock.forward(HOUR)
    mended = read(await world.once("{openInterest: {backfill: 2d}}", "BTCUSDT-PERP", **POD, since=since)).collected(
        "binance", "open_interest"
    )
    assert mended.gaps == report.GapCounts()
    assert mended.watermark == mended.due > since


async def test_what_another_spec_wants_of_the_same_tape_is_no_hole_of_this_one(world):
    world.venue("binance", ["BTC", "ETH"])
    await world.once("{openInterest: {backfill: 2d}}", "ETHUSDT-PERP", **POD, since=world.clock.ms)
    world.clock.forward(2 * DAY)
    other = POD | {"namespace": "research"}
    found = read(await world.once("{openInterest: {backfill: 1d}}", "BTCUSDT-PERP", **other, since=world.clock.ms))
    assert found.collected("binance", "open_interest").gaps == report.GapCounts()


async def test_a_process_that_stays_tells_when_it_fetched_last(world):
    world.venue("okx", ["BTC"])
    began = world.clock.ms
    summary = await world.stay(3 * MINUTE, "{openInterest: {every: 1m, backfill: 0d}}", "BTCUSDT-PERP", **POD, since=began)
    (told,) = json.loads(summary.as_json())["collections"]
    assert began < told["last_success"] <= world.clock.ms
    assert began < told["last_run"] <= world.clock.ms
    found = read(summary).collected("okx", "open_interest")
    assert found.rows >= 2
    assert found.watermark >= began


@pytest.mark.parametrize("symbols", [1, 300])
async def test_a_report_of_many_failures_is_cut_and_still_says_whose_it_is(world, symbols):
    bases = [f"C{n}" for n in range(symbols)]
    listed = world.venue("binance", bases).listing
    world.exchanges["binance"] = Busy(traits("binance"), listed, world.clock)
    summary = await world.once(
        "{openInterest: {backfill: 1d}}", ", ".join(f"{base}USDT-PERP" for base in bases), **POD, since=world.clock.ms
    )
    text = summary.as_json()
    assert len(text.encode()) < 4000
    found = read(summary)
    assert found.started > 0
    assert found.work_hash == POD["work_hash"]
    assert found.collected("binance", "open_interest") is not None
    assert json.loads(text)["exit"] == summary.exit_code


def test_the_shortest_form_of_a_report_is_believed_too():
    long = Summary("n" * 5000, "pod-0", "hash", 1_800_000_000_000, 1_800_000_001_000, outcomes=[Outcome("v" * 5000, "funding")])
    text = long.as_json()
    assert "truncated" in json.loads(text)
    assert isinstance(report.read(text, "pod-0", 1_800_000_001_000), report.Report)
