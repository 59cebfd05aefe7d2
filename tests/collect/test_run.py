"""A whole run over fake venues: what was obtainable is there, what is claimed is true, failures stay where they are."""

import asyncio
import json
import shutil
from dataclasses import dataclass, replace

import pyarrow.compute as pc
import pytest
from structlog.testing import capture_logs

from perptape.collect.figures import Figures
from perptape.collect.outcome import Outcome
from perptape.collect.report import standings
from perptape.collect.stream_batch import Counts
from perptape.collect.stream_report import LiveReport
from perptape.collect.summary import Summary
from perptape.errors import OriginConflict, Retry, Skip, StoreError
from perptape.exchanges.registry import traits
from perptape.interval import DAY, HOUR, MINUTE, NS, SECOND
from perptape.store.repair import repair
from perptape.store.tape import Tape
from support.fake_exchange import FakeExchange, open_interest_of, perpetual, rate_of, settlements_every

FIVE = 5 * MINUTE


def standing(world, venue, dataset, instrument="BTCUSDT-PERP", grid=None):
    (one,) = [
        s
        for s in standings(world.tape, world.clock.ms, [venue], [dataset])
        if s.instrument.startswith(instrument) and (grid is None or s.grid == grid)
    ]
    return one


async def test_a_first_run_obtains_all_history_and_says_so(world):
    world.venue("binance")
    summary = await world.once()
    assert summary.exit_code == 0, summary.lines()
    rows = world.tape.read("open_interest", ["BTCUSDT-PERP.BINANCE"])
    one = world.exchanges["binance"].listing[0]
    truth = {
        t: float(open_interest_of(one, t)) for t in range(world.clock.ms - 2 * DAY, world.clock.ms - 8 * MINUTE, FIVE) if t % FIVE == 0
    }
    got = dict(zip((t // 1_000_000 for t in rows["ts_event"].to_pylist()), rows["oi_base"].to_pylist(), strict=True))
    assert {t: got.get(t) for t in truth} == truth
    found = standing(world, "binance", "open_interest")
    assert found.length("open", "lost", "unproven") == 0
    assert found.length("complete") >= 2 * DAY - 20 * MINUTE


async def test_settled_rates_have_their_intervals_and_predictions_their_sample(world):
    world.venue("binance")
    await world.once()
    rows = world.tape.read("funding", ["BTCUSDT-PERP.BINANCE"])
    assert rows.num_rows >= 27
    assert set(rows["interval"].to_pylist()[1:]) == {480}
    one = world.exchanges["binance"].listing[0]
    assert all(
        float(r) == float(rate_of(one, t // 1_000_000)) for r, t in zip(rows["rate"].to_pylist(), rows["ts_event"].to_pylist(), strict=True)
    )
    assert world.tape.read("funding_prediction").num_rows == 2
    assert standing(world, "binance", "funding").length("open", "lost") == 0


async def test_a_second_run_in_the_same_slot_makes_no_data_call(world):
    world.clock.forward(2 * MINUTE + 17)  # no slot's edge
    for name in ("binance", "bybit", "hyperliquid", "okx", "deribit"):
        world.venue(name)
    wide = "{openInterest: {backfill: 30d}, funding: {backfill: 40d}}"
    assert (await world.once(wide)).exit_code == 0
    assert (await world.once(wide)).exit_code == 0
    assert {name: world.data_calls(name) for name in world.exchanges} == {name: [] for name in world.exchanges}


async def test_a_later_run_asks_only_for_what_is_new(world):
    world.venue("binance", ["BTC"])
    await world.once(symbols="BTCUSDT-PERP")
    world.clock.forward(HOUR)
    summary = await world.once(symbols="BTCUSDT-PERP")
    assert len([c for c in world.data_calls("binance") if c[0] == "open_interest_page"]) == 1
    assert summary.exit_code == 0
    assert standing(world, "binance", "open_interest").length("open", "lost") == 0


async def test_an_outage_is_caught_up_by_the_next_run(world):
    world.venue("bybit", ["BTC"])
    await world.once(symbols="BTCUSDT-PERP")
    world.clock.forward(3 * DAY)
    await world.once(symbols="BTCUSDT-PERP")
    assert standing(world, "bybit", "open_interest").length("open", "lost") == 0
    assert standing(world, "bybit", "funding").length("open", "lost") == 0


async def test_one_venue_down_fails_alone(world):
    world.venue("binance")
    world.venue("bybit").will_raise([Retry("connection refused")] * 1000)
    summary = await world.once()
    assert summary.exit_code == 1
    assert {o.venue for o in summary.outcomes if o.error} == {"bybit"}
    assert world.tape.read("open_interest").num_rows > 1000


async def test_a_venue_that_is_late_joins_alone_and_is_not_waited_for(world):
    world.venue("binance")
    world.venue("bybit").will_raise([Retry("connection refused")] * 9)
    summary = await world.once()
    assert summary.exit_code == 0, summary.lines()
    assert {o.venue for o in summary.outcomes if o.rows} == {"binance", "bybit"}
    assert world.seconds < 300


async def test_every_venue_down_is_exit_3(world):
    world.venue("binance").will_raise([Retry("connection refused")] * 1000)
    assert (await world.once()).exit_code == 3


async def test_a_failing_symbol_does_not_stop_the_others(world):
    def delisted(one, time):
        if one.base == "BTC":
            raise Skip("delisted meanwhile")
        return open_interest_of(one, time)

    world.venue("binance", open_interest_at=delisted)
    summary = await world.once(collect="{openInterest: {backfill: 1d}}")
    assert set(world.tape.read("open_interest")["instrument_id"].to_pylist()) == {"ETHUSDT-PERP.BINANCE"}
    assert standing(world, "binance", "open_interest", "ETHUSDT-PERP").length("open", "lost") == 0
    assert summary.outcomes[0].skipped == ["BTCUSDT-PERP.BINANCE: delisted meanwhile"]
    assert summary.exit_code == 0


async def test_a_refused_start_is_shrunk_and_not_skipped(world):
    world.venue("binance", ["BTC"], keeps=30 * DAY - 4 * HOUR)
    summary = await world.once(collect="{openInterest: {backfill: 60d}}", symbols="BTCUSDT-PERP")
    assert summary.exit_code == 0, summary.lines()
    assert not summary.outcomes[0].skipped
    oldest = min(world.tape.read("open_interest")["ts_event"].to_pylist()) // 1_000_000
    assert oldest - (world.clock.ms - 30 * DAY) < 7 * HOUR
    (refused, *again) = [call for call in world.data_calls("binance") if call[3].start < world.clock.ms - 30 * DAY + 12 * HOUR]
    assert refused[3].start < world.clock.ms - 30 * DAY + 4 * HOUR
    assert len(again) == 3  # 5 min, 1 h and 6 h later


async def test_what_passed_out_of_retention_is_lost_and_the_rest_complete(world):
    world.venue("binance", ["BTC"])
    summary = await world.once(collect="{openInterest: {backfill: 60d}}", symbols="BTCUSDT-PERP")
    found = standing(world, "binance", "open_interest")
    assert summary.exit_code == 0
    assert found.length("complete") > 29.9 * DAY
    assert {reason for _, reason in found.holes("lost")} == {"retention"}


async def test_slots_that_the_venue_never_has_become_empty_only_after_two_late_answers(world):
    hole = world.clock.ms - 30 * HOUR
    world.venue("binance", ["BTC"], holes=lambda one, time: hole <= time < hole + HOUR)
    await world.once(symbols="BTCUSDT-PERP")
    assert standing(world, "binance", "open_interest").length("open") == HOUR
    world.clock.forward(2 * HOUR)
    summary = await world.once(symbols="BTCUSDT-PERP")
    found = standing(world, "binance", "open_interest")
    assert (found.length("open"), found.length("empty")) == (0, HOUR)
    assert summary.exit_code == 0


async def test_a_value_that_cannot_be_is_dropped_counted_and_asked_again(world):
    bad = {"until": world.clock.ms + HOUR}
    at = (world.clock.ms - 30 * HOUR) // FIVE * FIVE

    def lying(one, time):
        return "NaN" if time == at and world.clock.ms < bad["until"] else open_interest_of(one, time)

    world.venue("binance", ["BTC"], open_interest_at=lying)
    first = await world.once(symbols="BTCUSDT-PERP")
    assert sum(o.dropped for o in first.outcomes) >= 1
    assert standing(world, "binance", "open_interest").length("open") == FIVE
    said = "BTCUSDT-PERP.BINANCE: 5m of the grid 5m stay open, for values that cannot be used: the next run asks again"
    assert (first.exit_code, first.outcomes[0].failed) == (1, [said]), "a later run may obtain it"
    world.clock.forward(HOUR)
    second = await world.once(symbols="BTCUSDT-PERP")
    assert standing(world, "binance", "open_interest").length("open") == 0
    assert second.exit_code == 0


@pytest.mark.parametrize("dataset", ["open_interest", "funding"])
async def test_a_value_that_cannot_be_in_one_answer_is_asked_for_once_more_by_the_same_run(world, dataset):
    at, asked = world.clock.ms // (8 * HOUR) * 8 * HOUR - 16 * HOUR, []

    def lying(truth):
        def told(one, time):
            asked.extend([time] if time == at else [])
            return "NaN" if time == at and len(asked) == 1 else truth(one, time)

        return told

    world.venue("binance", ["BTC"], open_interest_at=lying(open_interest_of) if dataset == "open_interest" else open_interest_of)
    world.exchanges["binance"].rate_at = lying(rate_of) if dataset == "funding" else rate_of
    summary = await world.once(symbols="BTCUSDT-PERP")
    assert len(asked) == 2
    assert standing(world, "binance", dataset).length("open") == 0
    assert summary.exit_code == 0, summary.lines()


async def test_a_value_that_cannot_be_beside_what_is_asked_for_fails_nothing(world):
    world.venue("binance", ["BTC"])
    await world.once(symbols="BTCUSDT-PERP")
    known = world.clock.ms // (8 * HOUR) * 8 * HOUR - 8 * HOUR
    world.exchanges["binance"].rate_at = lambda one, time: "NaN" if time == known else rate_of(one, time)
    world.clock.forward(9 * HOUR)
    summary = await world.once(symbols="BTCUSDT-PERP")
    assert summary.outcomes[1].dropped == 1
    assert standing(world, "binance", "funding").length("open") == 0
    assert summary.exit_code == 0, summary.lines()


async def test_funding_that_answers_nothing_is_not_believed(world):
    exchange = world.venue("binance", ["BTC"])
    truth, exchange.settlements = exchange.settlements, lambda one, window: []
    summary = await world.once(collect="{funding: {backfill: 9d}}", symbols="BTCUSDT-PERP")
    assert summary.exit_code == 3
    assert "not believed" in summary.outcomes[0].failed[0]
    assert standing(world, "binance", "funding").length("complete") == 0
    exchange.settlements = truth
    assert (await world.once(collect="{funding: {backfill: 9d}}", symbols="BTCUSDT-PERP")).exit_code == 0


async def test_after_damage_the_sample_of_the_slot_in_progress_is_taken_once_more_and_counts(world):
    world.venue("hyperliquid", ["BTC"])
    each = "{openInterest: {every: 5m}, funding: {every: 1h}}"
    await world.once(each, "BTCUSDT-PERP")
    world.tape.publish()
    shutil.rmtree(world.root / "perptape/segments")
    for kind in ("open_interest", "funding_prediction"):
        (path,) = (world.root / "data" / f"custom_{kind}").rglob("*.parquet")
        path.write_bytes(b"garbage")
    found = world.tape.verify()
    assert {one.kind for one in found} == {"unreadable"}
    repair(world.tape, found, "r")
    for calls in (2, 0):
        await world.once(each, "BTCUSDT-PERP")
        assert len([call for call in world.data_calls("hyperliquid") if call[0] in ("open_interest", "funding")]) == calls
    for dataset in ("open_interest", "funding_prediction"):
        assert standing(world, "hyperliquid", dataset).length("open", "lost") == 0


OPEN_INTEREST = "{openInterest: {every: 1d, backfill: 9d}}"


async def test_one_answer_of_history_without_a_row_is_asked_for_again_in_the_same_run(world):
    said_at = world.clock.ms
    world.venue("binance", ["BTC"], holes=lambda one, time: world.clock.ms == said_at)
    summary = await world.once(OPEN_INTEREST, "BTCUSDT-PERP")
    assert (summary.exit_code, summary.outcomes[0].failed) == (0, [])
    found = standing(world, "binance", "open_interest")
    assert (found.length("complete"), found.length("open")) == (8 * DAY, 0)


async def test_history_that_answers_nothing_is_not_believed_and_asked_for_by_the_next_run(world):
    exchange = world.venue("binance", holes=lambda one, time: one.base == "BTC")
    summary = await world.once(OPEN_INTEREST)
    assert summary.exit_code == 1
    (line,) = summary.outcomes[0].failed
    assert line.startswith("BTCUSDT-PERP.BINANCE: no row from ")
    assert line.endswith("; not believed")
    exchange.holes = lambda one, time: False
    again = await world.once(OPEN_INTEREST)
    assert (again.exit_code, again.outcomes[0].rows) == (0, 9)
    assert standing(world, "binance", "open_interest").length("open", "lost") == 0


async def test_a_hole_far_from_the_edge_is_believed_where_the_rows_beside_it_are_shown(world):
    hole = world.clock.ms - 8 * DAY
    world.venue("binance", ["BTC"], holes=lambda one, time: hole <= time < hole + HOUR)
    each = "{openInterest: {backfill: 9d}}"
    assert (await world.once(each, "BTCUSDT-PERP")).exit_code == 0
    world.clock.forward(2 * HOUR)
    again = await world.once(each, "BTCUSDT-PERP")
    assert (again.exit_code, again.outcomes[0].failed, again.outcomes[0].calls) == (0, [], 2)
    found = standing(world, "binance", "open_interest")
    assert (found.length("open"), found.length("empty")) == (0, HOUR)


async def test_a_venue_that_keeps_less_than_it_says_fails_once_and_then_no_more(world):
    world.venue("binance", ["BTC"], holes=lambda one, time: time < world.clock.ms - 29 * DAY)
    each = "{openInterest: {backfill: 60d}}"
    first = await world.once(each, "BTCUSDT-PERP")
    assert first.exit_code == 1
    assert all("not believed" in line for line in first.outcomes[0].failed)
    for _ in range(3):
        world.clock.forward(9 * HOUR)
        assert (await world.once(each, "BTCUSDT-PERP")).exit_code == 0
    found = standing(world, "binance", "open_interest")
    assert found.length("open") == 0
    assert {reason for _, reason in found.holes("lost")} == {"retention"}
    assert found.length("complete") > 29 * DAY


@pytest.mark.parametrize(("late", "said"), [(5 * SECOND, False), (7 * SECOND, True)])
async def test_settlements_off_their_minute_are_kept_as_sent_and_said(world, late, said):
    world.venue("binance", ["BTC"]).jitter = lambda time: late
    with capture_logs() as logged:
        await world.once(collect="{funding: {backfill: 9d}}", symbols="BTCUSDT-PERP")
    times = [time // NS % MINUTE for time in world.tape.read("funding")["ts_event"].to_pylist()]
    assert set(times) == {late if said else 0}
    assert any("kept as sent" in str(line) for line in logged) is said


async def test_simulated_and_live_data_never_share_a_catalog(world):
    world.venue("binance")
    await world.once()
    world.exchanges["binance"].origin = "simulated:7"
    before = sorted(p.name for p in world.root.rglob("*") if p.is_file())
    with pytest.raises(OriginConflict, match="simulated:7"):
        await world.once()
    assert sorted(p.name for p in world.root.rglob("*") if p.is_file()) == before


async def test_a_catalog_of_simulated_data_is_refused_also_where_no_real_exchange_answers(world):
    exchange = world.venue("binance")
    exchange.origin = "simulated:7"
    await world.once()
    before = sorted(p.name for p in world.root.rglob("*") if p.is_file())
    exchange.will_raise(Retry("no answer") for _ in range(1000))
    with pytest.raises(OriginConflict, match=r"simulated:7.*live"):
        await world.once()
    assert sorted(p.name for p in world.root.rglob("*") if p.is_file()) == before


async def test_publishing_changes_nothing_that_is_read(world):
    world.venue("binance")
    await world.once()
    tables = {name: world.tape.read(name) for name in ("open_interest", "funding", "funding_prediction")}
    before = {s.instrument: s.states for s in standings(world.tape, world.clock.ms)}
    assert all(report.error is None for report in world.tape.publish())
    assert {name: world.tape.read(name) for name in tables} == tables
    assert {s.instrument: s.states for s in standings(world.tape, world.clock.ms)} == before
    assert world.tape.verify() == []


async def test_the_time_budget_of_a_schedule_ends_a_run_with_what_remains(world):
    exchange = world.venue("binance", ["BTC"])
    truth = exchange.open_interest_at

    def slow(one, time):
        world.clock.forward(1)
        return truth(one, time)

    exchange.open_interest_at = slow
    summary = await world.once(collect="{openInterest: {backfill: 20d}}", symbols="BTCUSDT-PERP", deadline_s=3.0, scheduled=True)
    assert summary.exit_code == 0
    assert sum(o.remaining for o in summary.outcomes) > 0
    assert world.tape.read("open_interest").num_rows > 0
    exchange.open_interest_at = truth
    await world.once(collect="{openInterest: {backfill: 20d}}", symbols="BTCUSDT-PERP")
    assert standing(world, "binance", "open_interest").length("open", "lost") == 0


async def test_of_a_deadline_every_dataset_has_its_share_and_what_one_leaves_the_other_uses(world):
    exchange = world.venue("binance", ["BTC"])
    truth = exchange.open_interest_at

    def slow(one, time):
        world.clock.forward(1)
        return truth(one, time)

    exchange.open_interest_at = slow
    summary = await world.once(symbols="BTCUSDT-PERP", collect="{openInterest: {backfill: 20d}, funding: {backfill: 9d}}", deadline_s=4.0)
    oi, funding = summary.outcomes
    assert (funding.remaining, funding.rows) == (0, 31)
    assert oi.remaining > 0
    assert oi.rows > 3000, "half of the time is 2000 buckets"
    assert summary.exit_code == 1


@pytest.mark.slow
async def test_a_call_under_way_ends_at_the_deadline_and_its_window_remains(world):
    class Hanging(FakeExchange):
        async def open_interest_page(self, instrument, period, window):
            if instrument.base == "ETH":
                await asyncio.Event().wait()
            return await super().open_interest_page(instrument, period, window)

    own = traits("binance")
    world.exchanges["binance"] = Hanging(own, [perpetual(own, base) for base in ("BTC", "ETH")], world.clock)
    summary = await world.once(collect="{openInterest: {backfill: 1d}}", deadline_s=1.0, scheduled=True)
    (outcome,) = summary.outcomes
    assert (outcome.rows, outcome.remaining, outcome.error) == (288, 1, "")
    assert summary.exit_code == 0, "as a budget ends"


async def test_a_sample_that_the_budget_of_a_schedule_has_no_time_for_is_no_failure(world):
    exchange = world.venue("binance", ["BTC"])
    truth = exchange.rate_at

    def slow(one, time):
        world.clock.forward(SECOND)
        return truth(one, time)

    exchange.rate_at = slow
    summary = await world.once("{funding: {backfill: 9d}}", symbols="BTCUSDT-PERP", deadline_s=10.0, scheduled=True)
    (outcome,) = summary.outcomes
    assert (outcome.rows, outcome.remaining, outcome.error) == (30, 1, "")
    assert summary.exit_code == 0
    assert not [call for call in exchange.calls if call[0] == "funding"]


async def test_a_venue_that_fails_until_the_budget_ends_has_failed(world):
    def down(one, time):
        raise Retry("connection refused")

    world.venue("binance", ["BTC"], open_interest_at=down)
    summary = await world.once("{openInterest: {backfill: 1d}}", symbols="BTCUSDT-PERP", deadline_s=10.0, scheduled=True)
    assert "connection refused" in summary.outcomes[0].error
    assert summary.exit_code == 3


async def test_the_summary_stays_one_json_object_below_4000_bytes(world):
    world.venue("binance").will_raise([Retry("x" * 500)] * 1000)
    text = (await world.once()).as_json()
    assert len(text.encode()) < 4000
    assert json.loads(text)["exit"] == 3


async def test_calls_are_counted_for_the_dataset_that_made_them_though_two_of_a_venue_run_at_once(world):
    world.venue("binance")
    summary = await world.stay(11 * MINUTE)
    made = [call[0] for call in world.data_calls("binance")]
    counted = {one.dataset: one.calls for one in summary.outcomes}
    assert counted == {
        "open_interest": made.count("open_interest_page"),
        "funding": made.count("funding_page") + made.count("funding"),
    }
    assert min(counted.values()) >= 2


async def test_a_call_that_was_refused_counts_too(world):
    refusals = [Retry("busy")] * 2

    def busy(one, time):
        if refusals:
            raise refusals.pop()
        return open_interest_of(one, time)

    world.venue("binance", ["BTC"], open_interest_at=busy)
    summary = await world.once(collect="{openInterest: {backfill: 1d}}", symbols="BTCUSDT-PERP")
    assert summary.exit_code == 0, summary.lines()
    assert summary.outcomes[0].calls == len(world.data_calls("binance")) == 3


async def test_samples_carry_no_period_and_are_claimed_slot_by_slot(world):
    world.venue("hyperliquid")
    await world.once(collect="{openInterest: {every: 5m}}")
    rows = world.tape.read("open_interest")
    assert pc.unique(rows["period_minutes"]).to_pylist() == [0]
    assert standing(world, "hyperliquid", "open_interest").length("complete") == FIVE


@dataclass
class Microseconds(FakeExchange):
    """Stamps what is held of one coin by microseconds."""

    async def open_interest(self, instruments):
        answer = await super().open_interest(instruments)
        return replace(answer, rows=[replace(r, time=r.time * 1000) if r.instrument.base == "BTC" else r for r in answer.rows])


async def test_a_time_in_microseconds_is_dropped_and_counted_and_the_rest_is_stored(world):
    own = traits("hyperliquid")
    world.exchanges["hyperliquid"] = Microseconds(own, [perpetual(own, base) for base in ("BTC", "ETH")], world.clock)
    summary = await world.once(collect="{openInterest: {every: 5m}}")
    assert pc.unique(world.tape.read("open_interest")["instrument_id"]).to_pylist() == ["ETHUSDT-PERP.HYPERLIQUID"]
    assert [outcome.dropped for outcome in summary.outcomes] == [1]
    assert world.tape.coverage("hyperliquid", "open_interest").grids("BTCUSDT-PERP.HYPERLIQUID") == ()


class ClockThatFails(FakeExchange):
    """Tells no time any more once it has told its settlements."""

    async def now(self) -> int:
        if any(call[0] == "funding_page" for call in self.calls):
            raise Retry("no time")
        return await super().now()


async def test_settlements_that_were_obtained_are_stored_though_the_venues_clock_fails_then(world):
    own = traits("binance")
    world.exchanges["binance"] = ClockThatFails(own, [perpetual(own)], world.clock)
    await world.once(collect="{funding: {backfill: 9d}}", symbols="BTCUSDT-PERP")
    assert world.tape.read("funding").num_rows >= 27


def test_of_a_stream_events_over_its_connections_are_told_and_no_calls():
    one = Outcome("okx", "liquidations", instruments=3, live=LiveReport("okx", "liquidations", 3, Counts(events=14, connections=2)))
    one.listened()
    one.stored = 7
    assert Summary("a", "b", outcomes=[one]).lines() == ["okx liquidations: 14 events of 3 instruments over 2 connections, 7 rows stored"]
    assert one.fields().items() >= {"events": 14, "connections": 2, "stored": 7}.items()


def test_of_a_stream_that_never_came_about_nothing_is_said_to_be_there():
    """Its tape has nothing of the time since it was told to listen: what its coverage says is of before."""
    live = LiveReport("okx", "liquidations", 3, Counts())
    one = Outcome("okx", "liquidations", instruments=3, live=live, figures=Figures(40, 50))
    one.listened()
    (line,) = Summary("a", "b", outcomes=[one]).lines()
    assert line == "okx liquidations: 0 events of 3 instruments over 0 connections, 0 rows stored; nothing was heard"


async def test_rows_that_the_store_refuses_are_told_apart_from_those_that_it_has(world):
    class Full(Tape):
        def commit(self, venue, dataset, *rest, **more):
            if dataset == "open_interest":
                raise StoreError("no space left")
            return super().commit(venue, dataset, *rest, **more)

    world.venue("binance", ["BTC"])
    world.opened = Full.open(str(world.root))
    summary = await world.once("{openInterest: {backfill: 1d}, funding: {backfill: 1d}}", symbols="BTCUSDT-PERP")
    assert summary.exit_code == 3
    told = {one.dataset: one for one in summary.outcomes}
    assert told["open_interest"].unstored == told["open_interest"].rows > 200
    assert f", {told['open_interest'].rows} not stored" in "\n".join(summary.lines())


async def test_a_run_that_the_store_ends_names_what_had_not_begun(world):
    class Full(Tape):
        def commit(self, venue, dataset, *rest, **more):
            if dataset == "open_interest":
                raise StoreError("no space left")
            return super().commit(venue, dataset, *rest, **more)

    names = ["binance", "okx"]
    for name in names:
        world.venue(name, ["BTC"])
    world.opened = Full.open(str(world.root))
    summary = await world.once("{openInterest: {backfill: 1d}, funding: {backfill: 1d}}", symbols="BTCUSDT-PERP")
    assert summary.exit_code == 3
    told = {(one.venue, one.dataset): one.remaining for one in summary.outcomes}
    assert len(told) == len(summary.outcomes)
    assert set(told) == {(name, dataset) for name in names for dataset in ("open_interest", "funding")}
    assert [told[name, "funding"] for name in names] == [1, 1]
    lines = summary.lines()
    assert {"binance funding: not begun", "okx funding: not begun", "the store cannot be used: no space left"} <= set(lines)


async def test_a_note_that_the_log_has_is_not_said_again(world):
    world.venue("binance", ["BTC"])
    world.venue("bybit", ["ETH"])
    summary = await world.once(symbols="ETHUSDT-PERP")
    (note,) = summary.logged
    assert note.startswith("binance has no ETHUSDT-PERP")
    assert summary.lines()[-1] == note
    assert note not in summary.lines(summary.logged)


async def test_a_settlement_eight_hours_away_is_not_asked_for_every_hour(world):
    world.venue("binance", ["BTC"])
    only = "{funding: {backfill: 9d}}"
    await world.once(only, symbols="BTCUSDT-PERP")
    asked, settled = [], 0
    for _ in range(16):
        world.clock.forward(HOUR)
        assert (await world.once(only, symbols="BTCUSDT-PERP")).exit_code == 0
        asked.append(sum(1 for call in world.data_calls("binance") if call[0] == "funding_page"))
        settled += standing(world, "binance", "funding").length("open") == 0
    assert (sum(asked), settled) == (2, 16), asked
    newest = max(world.tape.read("funding")["ts_event"].to_pylist()) // 1_000_000
    assert newest == world.clock.ms // (8 * HOUR) * (8 * HOUR)


async def test_an_interval_that_shortens_is_asked_for_by_the_next_run(world):
    exchange = world.venue("binance", ["BTC"])
    only = "{funding: {backfill: 9d}}"
    await world.once(only, symbols="BTCUSDT-PERP")
    exchange.listing = [replace(exchange.listing[0], funding_minutes=60)]
    exchange.settlements = settlements_every(HOUR)
    world.clock.forward(HOUR + 15 * MINUTE)
    await world.once(only, symbols="BTCUSDT-PERP")
    assert [call[0] for call in world.data_calls("binance") if call[0] == "funding_page"] == ["funding_page"]
    assert standing(world, "binance", "funding").watermark > world.clock.ms - HOUR


class AwayAtFirst(Tape):
    """A store that does not say at first what it knows of liquidations."""

    asked = 0

    def looked(self, venue, dataset):
        self.asked += 1
        if self.asked == 1:
            raise StoreError("the store is away")
        return super().looked(venue, dataset)


async def test_a_stream_that_cannot_begin_because_the_store_is_away_tries_again(world):
    world.venue("binance")
    world.opened = AwayAtFirst.open(str(world.root))
    summary = await world.stay(MINUTE, "{liquidations: {}}")
    assert world.opened.asked > 1, "it asked again"
    assert (summary.store_error, [one.error for one in summary.outcomes]) == ("", [""])
