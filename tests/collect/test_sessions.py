"""Who wants since when, over several runs: dropping, coming back, stopping, and a store or a venue that is away meanwhile."""

import asyncio
import os
import shutil

import pytest
from structlog.testing import capture_logs

from perptape.claims import STREAM, Claim, Want
from perptape.collect.mark_rules import Rules
from perptape.collect.report import standings
from perptape.collect.rhythm import Rhythm
from perptape.collect.stream_batch import Batch
from perptape.collect.stream_log import StreamLog
from perptape.collect.targets import CONNECTING
from perptape.datasets.liquidations import LIQUIDATIONS, row
from perptape.errors import Fatal, Retry, StoreError
from perptape.interval import DAY, HOUR, MINUTE, NS, SECOND
from perptape.raw import RawLiquidation
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_record import Mark, Owner
from perptape.store.log_space import HEAD, signature
from perptape.store.logs import Logs
from perptape.store.tape import Tape

FIVE = 5 * MINUTE
BOTH, BTC = "BTCUSDT-PERP, ETHUSDT-PERP", "BTCUSDT-PERP"


def standing(world, venue, dataset, instrument):
    found = [s for s in standings(world.tape, world.clock.ms, [venue], [dataset]) if s.instrument.startswith(instrument)]
    return max(found, key=lambda s: len(s.states))


async def test_a_symbol_that_was_dropped_and_comes_back_is_collected_again(world):
    world.venue("binance")
    await world.once(symbols=BOTH)
    await world.once(symbols=BTC)
    world.clock.forward(5 * DAY)
    summary = await world.once(symbols=BOTH)
    assert summary.exit_code == 0
    eth = standing(world, "binance", "open_interest", "ETH")
    assert eth.watermark is not None
    assert world.clock.ms - eth.watermark < HOUR
    assert eth.length("open", "lost") == 0


async def test_a_grid_that_was_changed_and_comes_back_is_collected_again(world):
    world.venue("binance", ["BTC"])
    for every in ("5m", "15m", "5m"):
        await world.once(f"{{openInterest: {{every: {every}, backfill: 1d}}}}", BTC)
    world.clock.forward(5 * DAY)
    await world.once("{openInterest: {every: 5m, backfill: 1d}}", BTC)
    fine = next(s for s in standings(world.tape, world.clock.ms, ["binance"], ["open_interest"]) if s.grid == "5m")
    assert fine.watermark is not None
    assert world.clock.ms - fine.watermark < HOUR


async def test_samples_of_runs_side_by_side_are_one_want(world):
    world.venue("hyperliquid", ["BTC"])
    for _ in range(6):
        await world.once("{openInterest: {every: 5m}}", BTC)
        world.clock.forward(FIVE)
    wants = world.tape.coverage("hyperliquid", "open_interest").wants
    assert len(wants) == 1
    assert wants[0].ended - wants[0].start == 6 * FIVE


async def test_a_sample_that_failed_is_asked_for_again_before_its_slot_is_over(world):
    exchange = world.venue("hyperliquid", ["BTC"])
    real, answers = exchange.open_interest_at, iter(["NaN", "NaN"])
    exchange.open_interest_at = lambda one, time: next(answers, None) or real(one, time)
    world.clock.forward(HOUR - world.clock.ms % HOUR + MINUTE)
    summary = await world.stay(30 * MINUTE, "{openInterest: {every: 1h}}", BTC)
    assert summary.exit_code == 0, summary.lines()
    assert world.tape.read("open_interest").num_rows == 1
    assert [call[0] for call in world.data_calls("hyperliquid")] == ["open_interest"] * 3


@pytest.mark.parametrize(("every", "asked"), [(HOUR, [0, 1, 3, 7, 15, 31, 60]), (FIVE, [0, 1, 3, 5]), (MINUTE, [0, 1])])
def test_what_fails_is_asked_for_ever_later_within_its_slot_and_anew_in_the_next(every, asked):
    late = 5 * SECOND
    rhythm, times = Rhythm(every, late), [DAY + late]
    while times[-1] < DAY + every:
        times.append(times[-1] + rhythm.wait(times[-1], failed=True))
    assert times == [DAY + late + minutes * MINUTE for minutes in asked]
    assert rhythm.wait(times[-1], failed=True) == MINUTE
    assert rhythm.wait(times[-1], failed=False) == every


async def test_a_clean_stop_leaves_nothing_wanted_behind_it(world):
    world.venue("hyperliquid", ["BTC"])
    await world.stay(20 * MINUTE, "{openInterest: {every: 5m}}", BTC)
    world.clock.forward(3 * HOUR)
    found = standing(world, "hyperliquid", "open_interest", "BTC")
    assert found.length("open", "lost") == 0
    assert found.length("complete") >= 20 * MINUTE


async def test_time_in_which_the_user_had_stopped_is_not_wanted_by_the_session_after(world):
    world.venue("hyperliquid", ["BTC"])
    collect = "{openInterest: {every: 5m}}"
    await world.stay(20 * MINUTE, collect, BTC)
    world.clock.forward(3 * DAY)
    await world.stay(20 * MINUTE, collect, BTC)
    assert standing(world, "hyperliquid", "open_interest", "BTC").length("lost") == 0


class Away:
    """A tape whose store refuses to take segments while `away` is set."""

    def __init__(self, tape, away):
        self._tape, self._away = tape, away

    def __getattr__(self, name):
        return getattr(self._tape, name)

    def commit(self, venue, dataset, *more, **named):
        if self._away(dataset):
            raise StoreError("the store is away")
        return self._tape.commit(venue, dataset, *more, **named)


@pytest.mark.parametrize(("collect", "passes"), [("{openInterest: {backfill: 1d}}", FIVE), ("{funding: {backfill: 9d}}", 8 * HOUR)])
async def test_what_falls_due_while_a_run_is_under_way_is_the_next_ones(world, collect, passes):
    """Told as a hole it would stand in the status until then, after each run that meets the end of a slot."""
    world.venue("binance", ["BTC"])
    writing = iter([0, passes])  # the list of contracts, and what was fetched
    world.opened = Away(Tape.open(str(world.root)), lambda dataset: world.clock.forward(next(writing, 0)))
    summary = await world.once(collect, BTC)
    (one,) = summary.outcomes
    assert standing(world, "binance", one.dataset, "BTC").length("open") > 0, "by now"
    assert (summary.exit_code, one.figures.open) == (0, 0), summary.lines()


async def test_samples_of_a_session_that_began_at_the_end_of_a_slot_lack_nothing(world):
    world.venue("hyperliquid", ["BTC"])
    world.clock.forward(FIVE - world.clock.ms % FIVE - 200)
    began = world.clock.ms
    world.clock.forward(3 * SECOND)  # a pod that starts
    for _ in range(2):  # it is ended, and another one follows
        await world.stay(6 * MINUTE, "{openInterest: {every: 5m}}", BTC, since=began, session="s", namespace="n")
    found = standing(world, "hyperliquid", "open_interest", "BTC")
    assert found.length("lost", "open") == 0
    assert found.length("complete") >= 10 * MINUTE


async def test_a_dead_ones_log_is_brought_in_within_a_minute_of_the_stores_return(world):
    venue, since = world.venue("binance", ["BTC"]), world.clock.ms
    world.tape.prepare("live", "nautilus1")
    owner = Owner(world.tape.fs.identity, "live")
    rules = Rules.of(venue.traits.feed, [venue.listing[0].id])
    dead = StreamLog(
        Logs(f"{world.root}/perptape/log", LocalLogDisk(), owner), LIQUIDATIONS, "binance", rules,
        opened=since - HOUR, since={}, new_id=lambda: "dead", limit=2**20,
    )  # fmt: skip
    event = RawLiquidation(venue.listing[0], since - HOUR + 5, "SELL", "60000", None, "1")
    dead.write(Batch([row(event, "base", 0, (since - HOUR + 90) * NS)], [Mark("control", "c", since - HOUR)]))
    dead._log.release()
    back = since + 5 * MINUTE
    world.opened = Away(world.tape, lambda dataset: dataset == "liquidations" and world.clock.ms < back)
    await world.stay(6 * MINUTE, "{liquidations: {}}", BTC)
    rows = world.tape.read("liquidations", [venue.listing[0].id])
    assert rows["ts_event"].to_pylist() == [event.time * NS]


@pytest.mark.slow
async def test_samples_that_the_store_did_not_take_are_kept_until_it_does(world):
    world.venue("hyperliquid", ["BTC"])
    since = world.clock.ms
    world.opened = Away(
        Tape.open(str(world.root)), lambda dataset: dataset != "instruments" and 10 * MINUTE < world.clock.ms - since < HOUR
    )
    await world.stay(2 * HOUR, "{openInterest: {every: 5m}}", BTC)
    world.opened = None
    found = standing(world, "hyperliquid", "open_interest", "BTC")
    assert found.length("lost", "open") == 0
    assert found.length("complete") >= 2 * HOUR


async def test_a_stream_knows_since_when_nobody_listened_though_another_run_brought_the_dead_ones_log_in(world):
    world.venue("binance", ["BTC"])
    one, died = "BTCUSDT-PERP.BINANCE", world.clock.ms - MINUTE
    world.tape.prepare("live", "nautilus1")
    tape, want = world.tape, Want("test.yaml:test", "dead", one, STREAM, died - HOUR, died)
    said = [Claim(one, STREAM, "live", died - HOUR, died, "connection", died - HOUR, died)]
    tape.commit("binance", "liquidations", None, said, [want], "dead", lambda: died)
    await world.stay(2 * MINUTE, "{liquidations: {}}", BTC)
    (hole,) = [claim for claim in world.tape.coverage("binance", "liquidations").of_grid(one, STREAM) if claim.kind == "hole"]
    assert (hole.start, hole.cause) == (died, "process down")
    assert hole.end >= died + MINUTE, "up to the new session's start, or on where its connection came to nothing"


class Deleted(Tape):
    """A store that is deleted just before it is looked at, once, when `when` says so."""

    when = staticmethod(lambda: False)

    def coverage(self, venue, dataset):
        if self.when():
            self.when = lambda: False
            os.rename(self.location, f"{self.location}.deleted")
        return super().coverage(venue, dataset)


async def test_a_store_that_was_deleted_at_the_end_is_told_as_it_is_and_said_once(world):
    world.venue("binance", ["BTC"])
    world.opened = Deleted.open(str(world.root))
    world.opened.when = lambda: world.stop.is_set()
    with capture_logs() as logged:
        summary = await world.stay(11 * MINUTE, "{openInterest: {every: 5m, backfill: 1d}}", BTC)
    (one,) = summary.outcomes
    assert standing(world, "binance", "open_interest", "BTC").length("open") > 23 * HOUR
    assert (one.figures.open, one.figures.watermark) == (1, None)
    assert summary.exit_code == 1
    assert "the store was deleted under this run" in one.failed[0]
    assert str(logged).count("the store was deleted under this run and is made again") == 1


async def test_a_store_that_was_deleted_under_a_run_that_goes_on_is_filled_again(world):
    world.venue("binance", ["BTC"])
    since = world.clock.ms
    world.opened = Deleted.open(str(world.root))
    world.opened.when = lambda: world.clock.ms - since > 6 * MINUTE
    summary = await world.stay(24 * MINUTE, "{openInterest: {every: 5m, backfill: 1d}}", BTC)
    assert (summary.exit_code, summary.outcomes[0].failed) == (0, [])
    assert standing(world, "binance", "open_interest", "BTC").length("open", "lost") == 0


async def test_a_venue_that_refuses_the_key_is_asked_once_per_slot(world):
    exchange = world.venue("binance", ["BTC"])
    exchange.will_raise([None] * 4 + [Fatal("key refused")] * 1000)
    summary = await world.stay(HOUR, "{openInterest: {every: 5m, backfill: 20d}}", BTC)
    assert summary.exit_code in (1, 3)
    assert len(world.data_calls("binance")) < 200


async def test_a_venue_that_never_answers_is_no_success_of_a_run_that_stays(world):
    exchange = world.venue("binance", ["BTC"])
    exchange.will_raise([None] * 4 + [Retry("no answer")] * 10_000)
    summary = await world.stay(HOUR, "{openInterest: {every: 5m, backfill: 1d}}", BTC)
    assert summary.exit_code == 3
    assert "no answer" in f"{summary.outcomes[0].failed} {summary.outcomes[0].error}"


async def test_a_run_that_is_told_to_stop_says_what_remains(world):
    world.venue("binance", ["BTC"])
    truth = world.exchanges["binance"].open_interest_page
    asked = asyncio.Event()

    async def hangs(*arguments):
        asked.set()
        await asyncio.sleep(3600)
        return await truth(*arguments)

    world.exchanges["binance"].open_interest_page = hangs
    run = asyncio.ensure_future(world.once("{openInterest: {backfill: 1d}}", BTC))
    await asked.wait()
    world.once_stop.set()
    summary = await asyncio.wait_for(run, 5)
    assert summary.exit_code == 1
    assert summary.outcomes[0].remaining >= 1


@pytest.mark.parametrize("collect", ["{openInterest: {backfill: 2d}}", "{funding: {backfill: 9d}}"])
async def test_a_session_that_stays_after_a_once_run_asks_for_nothing_twice(world, collect):
    world.clock.forward(2 * MINUTE + 17)
    world.venue("bybit")
    await world.once(collect)
    await world.stay(MINUTE, collect)
    assert [c for c in world.data_calls("bybit") if c[0] != "funding"] == []


async def test_what_a_killed_run_wanted_beyond_its_end_is_over_when_the_next_run_is_stopped(world):
    world.venue("hyperliquid", ["BTC"])
    collect, since = "{openInterest: {every: 5m}}", world.clock.ms
    world.opened = Away(Tape.open(str(world.root)), lambda dataset: world.clock.ms - since > 18 * MINUTE)  # as if killed then
    await world.stay(20 * MINUTE, collect, BTC)
    world.opened = None
    await world.stay(6 * MINUTE, collect, BTC)
    stopped = world.clock.ms
    assert sorted(want.ended is None for want in world.tape.coverage("hyperliquid", "open_interest").wants) == [False, True]
    world.clock.forward(3 * HOUR)
    found = standing(world, "hyperliquid", "open_interest", "BTC")
    assert found.length("open", "lost") == 0
    assert stopped <= found.wanted[-1].end < stopped + FIVE


@pytest.mark.parametrize(
    ("collect", "page", "dataset", "back"),
    [
        ("{openInterest: {every: 5m, backfill: 1d}}", "open_interest_page", "open_interest", DAY),
        ("{funding: {every: 5m, backfill: 9d}}", "funding_page", "funding_prediction", 0),
    ],
)
async def test_what_a_session_wants_is_known_to_the_store_before_the_venue_is_asked(world, collect, page, dataset, back):
    """Killed while a venue keeps it waiting, or in a quarter of an hour of a history beside which something is sampled, its successor
    wants from later: the time between would be nobody's."""
    exchange = world.venue("binance", ["BTC"])
    truth, since, wanted = getattr(exchange, page), world.clock.ms, []

    async def asked(*question):
        wanted.append(world.tape.coverage("binance", dataset).wants)
        return await truth(*question)

    setattr(exchange, page, asked)
    await world.stay(MINUTE, collect, BTC)
    assert [want.start for want in wanted[0]] == [since - back]


@pytest.mark.parametrize("more", [{}, {"namespace": "n", "session": "s"}], ids=["laptop", "pod"])
@pytest.mark.parametrize("gone", [False, True], ids=["its log is found", "its log is gone"])
async def test_a_stream_that_is_killed_before_its_venue_acknowledges_anything_is_missed(world, tmp_path, more, gone):
    """Killed the moment it dials, or once the store has what it wants, with the disk of its log."""
    exchange, since, killed = world.venue("binance", ["BTC"]), world.clock.ms, tmp_path / "killed"

    class Seen(Tape):
        def commit(self, venue, dataset, *rest, **named):
            name = super().commit(venue, dataset, *rest, **named)
            if gone and dataset == "liquidations":
                leave()
            return name

    def leave():
        if not killed.exists():
            shutil.copytree(world.root, killed, ignore=shutil.ignore_patterns("log") if gone else None)

    async def dialled(*asked, truth=exchange.liquidations):
        if not gone:
            leave()
        return await truth(*asked)

    exchange.liquidations, world.opened = dialled, Seen.open(str(world.root))
    more |= {"since": since} if more else {}
    await world.stay(MINUTE, "{liquidations: {}}", BTC, **more)
    world.root, world.opened = killed, None
    assert world.tape.coverage("binance", "liquidations").wants or not gone, "before anybody comes"
    world.clock.forward(3 * HOUR)
    began = world.clock.ms
    await world.stay(2 * MINUTE, "{liquidations: {}}", BTC, **more)
    world.clock.forward(HOUR)
    found = standing(world, "binance", "liquidations", "BTC")
    assert found.wanted[0].start <= since + CONNECTING
    (missed,) = [state for state in found.states if began - HOUR in state.span]
    assert (missed.status, missed.reason) == ("lost", "process down")
    assert missed.span.end >= began


async def test_an_old_log_that_cannot_be_read_keeps_nothing_from_being_collected_and_is_told(world):
    venue = world.venue("binance", ["BTC"])
    await world.once("{openInterest: {every: 5m, backfill: 1d}}", BTC)
    bad = world.root / "perptape" / "log" / "bad"
    bad.mkdir(parents=True)
    rust = signature().ljust(HEAD, b"\0") + b"\1" * 8192
    (bad / "records").write_bytes(rust)
    summary = await world.stay(6 * MINUTE, "{openInterest: {every: 5m, backfill: 1d}, liquidations: {}}", BTC)
    history, stream = summary.outcomes
    assert (history.failed, history.remaining, history.rows > 0) == ([], 0, True)
    assert [line.startswith("the log bad cannot be read: ") for line in summary.notes] == [True]
    assert stream.live.counts.connections
    assert (stream.failed, summary.exit_code) == ([], 0), "it is no failure of what goes on"
    assert ("liquidations", (venue.listing[0].id,)) in venue.calls
    assert (bad / "records").read_bytes() == rust
