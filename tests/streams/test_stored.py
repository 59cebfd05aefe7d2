"""What a stream's summary counts, and how it judges how far it is."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.clockwork import VirtualLoop
from perptape.collect.asking import Asking, Environment
from perptape.collect.circuit import Circuit
from perptape.collect.figures import Figures
from perptape.collect.outcome import Outcome
from perptape.collect.stream_figures import READ_AGAIN_S, ROWS, Followed
from perptape.collect.streams import stream
from perptape.collect.targets import Session
from perptape.collect.venue import Venue
from perptape.coverage import Coverage
from perptape.datasets import DATASETS
from perptape.errors import Retry, StoreError
from perptape.instruments import Resolution
from perptape.interval import NS
from perptape.store.tape import Tape
from support.fake_exchange import START


class Kept:
    """Takes every segment."""

    def put(self, *segment: object) -> None:
        pass


def heard(*events: tuple[int, int]):
    """Of each event: its time and when it was received, in s."""
    table = DATASETS["liquidations"]
    return table.table([("X.OKX", "SELL", "LONG", 10.0, None, 1.0, 1.0, 10.0, None, 0, at * NS, ts * NS, ts * NS) for ts, at in events])


def rows(*received: int):
    return heard(*((at, at) for at in received))


def followed_by(outcome: Outcome, **more):
    return Followed(Kept(), outcome, Coverage(), Coverage, more.pop("judge", lambda coverage: None), lambda: 0.0, **more)


def test_rows_that_a_segment_repeats_are_stored_once():
    outcome = Outcome("okx", "liquidations")
    followed = followed_by(outcome)
    for name, received in (("a", (1, 2, 3)), ("b", ()), ("c", (2, 3, 4)), ("d", (3, 4)), ("e", (5, 6))):
        followed.put(name, "okx", "liquidations", rows(*received), (), ())
    assert outcome.stored == 6


def test_an_event_that_two_connections_heard_is_stored_once_also_where_a_segment_ended_between_them():
    outcome = Outcome("okx", "liquidations")
    followed = followed_by(outcome)
    for name, received in (("a", [(1, 1), (1, 2), (2, 3)]), ("b", [(2, 3), (2, 4), (3, 5), (3, 6)]), ("c", [(4, 8)])):
        followed.put(name, "okx", "liquidations", heard(*received), (), ())
    assert outcome.stored == 4, "what the tape has"


@pytest.mark.parametrize(
    "second",
    [
        [(4, 700), (5, 701), (6, 702)],  # our clock was set back by 5 min
        [(3, 1003), (4, 1003), (5, 1003), (6, 1004)],  # received in the same ms as the last one of the segment before
    ],
)
def test_an_event_counts_by_what_it_is_and_not_by_when_it_was_received(second: list[tuple[int, int]]):
    outcome = Outcome("okx", "liquidations")
    followed = followed_by(outcome)
    followed.put("a", "okx", "liquidations", heard((1, 1001), (2, 1002), (3, 1003)), (), ())
    followed.put("b", "okx", "liquidations", heard(*second), (), ())
    assert outcome.stored == 6


def test_what_a_segment_repeats_of_one_that_was_put_long_before_the_last_is_stored_once():
    """As where one connection proves its time at once and another's feed was silent for minutes."""
    outcome = Outcome("bybit", "liquidations")
    followed = followed_by(outcome)
    for at in range(6):
        followed.put(f"{at}", "bybit", "liquidations", rows(*range(10 * at, 10 * at + 10)), (), ())
    followed.put("last", "bybit", "liquidations", rows(*range(5, 62)), (), ())
    assert outcome.stored == 62


def test_the_events_of_the_last_segment_are_remembered_and_of_others_as_many_as_there_may_be():
    outcome, counts = Outcome("okx", "liquidations"), []
    followed = followed_by(outcome, remembered=4)
    for received in (range(4), (4, 5), (1,), range(10, 20), range(10, 20), (3,)):
        followed.put("a", "okx", "liquidations", rows(*received), (), ())
        counts.append(outcome.stored)
    assert counts == [4, 6, 6, 16, 16, 17]


@given(
    segments=st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60)), max_size=12), max_size=12),
    remembered=st.integers(1, 40),
)
def test_no_event_counts_twice_before_so_many_others_came_and_each_counts_once_at_least(segments, remembered):
    outcome = Outcome("okx", "liquidations")
    followed = followed_by(outcome, remembered=remembered)
    before: list[int] = []  # events in the order in which their segments were put
    least = most = 0
    for name, received in enumerate(segments):
        followed.put(f"{name}", "okx", "liquidations", heard(*received), (), ())
        came = {event for event, _ in received}
        lately = set[int]()
        for event in reversed(before):
            if len(lately) == remembered:
                break
            lately.add(event)
        least += len(came - set(before))
        most += len(came - lately)
        before += sorted(came)
    assert least <= outcome.stored <= most


def test_a_segment_of_more_rows_than_are_looked_at_in_one_go_counts_each_event_once():
    outcome = Outcome("okx", "liquidations")
    followed = followed_by(outcome)
    received = [(event, event + heard_again) for heard_again in (0, 1) for event in range(ROWS)]
    followed.put("a", "okx", "liquidations", heard(*received), (), ())
    assert outcome.stored == ROWS


def test_memory_is_given_back_after_a_large_segment_once_all_is_done_with_it():
    calls: list[str] = []
    followed = followed_by(
        Outcome("okx", "liquidations"), judge=lambda coverage: calls.append("judged"), give_back=lambda: calls.append("given")
    )
    followed.put("a", "okx", "liquidations", rows(1, 2), (), ())
    followed.put("b", "okx", "liquidations", heard(*((at, at) for at in range(ROWS))), (), ())
    assert calls == ["judged", "judged", "given"]


@pytest.mark.parametrize("alone", [False, True])
def test_one_that_is_alone_tells_the_holes_of_its_latest_segment(alone: bool):
    outcome, judged = Outcome("bybit", "liquidations"), iter([Figures(1, 1), Figures(2, 2, lost=1, why=("disconnected",))])
    followed = followed_by(outcome, judge=lambda coverage: next(judged), alone=alone)
    for name in ("a", "b"):
        followed.put(name, "okx", "liquidations", rows(), (), ())
    assert outcome.figures == (Figures(2, 2, lost=1, why=("disconnected",)) if alone else Figures(2, 2))


def test_at_its_end_a_stream_that_is_not_alone_tells_what_the_tape_says_then():
    outcome, judged = Outcome("okx", "liquidations"), iter([Figures(1, 1), Figures(2, 2, unproven=2), Figures(3, 3, unproven=4)])
    reads: list[None] = []
    followed = followed_by(outcome, judge=lambda coverage: next(judged))
    followed.read = lambda: reads.append(None) or Coverage()
    for name in ("a", "b"):
        followed.put(name, "okx", "liquidations", rows(), (), ())
    assert (outcome.figures, len(reads)) == (Figures(2, 2), 1)
    followed.look_again()
    assert (outcome.figures, len(reads)) == (Figures(3, 3, unproven=4), 2)


def test_holes_are_as_of_the_last_reading_also_where_the_store_is_away_at_the_end():
    """Another replica may have put since what this one missed."""
    outcome, judged = Outcome("okx", "liquidations"), iter([Figures(1, 1), Figures(2, 2, lost=1, why=("disconnected",))])
    followed = followed_by(outcome, judge=lambda coverage: next(judged))
    followed.put("a", "okx", "liquidations", rows(), (), ())

    def away():
        raise StoreError("away")

    followed.read = away
    followed.look_again()
    assert outcome.figures == Figures(2, 2)


class Judged(Venue):
    """Remembers as of when it was judged, and what the venue's clock showed then."""

    def __init__(self, *more):
        super().__init__(*more)
        self.judged = []

    def figures(self, session, found, now):
        self.judged.append((now, self.exchange.clock.ms))
        return super().figures(session, found, now)


async def streamed(kit, staged, folder, outcome, play, *, shared=False):
    """What is played while a stream runs as it does in a run, its segments on a tape; its venue."""
    exchange, loop, stop = staged.exchange, asyncio.get_running_loop(), asyncio.Event()
    tape = Tape.open(str(folder))
    tape.prepare("live", "nautilus1")
    environment = Environment(lambda: exchange.clock.ms, loop.time, asyncio.sleep, lambda: 0.5, lanes=kit.Inline, random=Random(1))
    venue = Judged(exchange, Asking(outcome.venue, environment, Circuit()), tape, "w")
    await venue.list_instruments()
    venue.targets = [Resolution("BTC", outcome.venue, one) for one in exchange.listing]
    session = Session("file", "session", START, shared=shared)
    task = asyncio.create_task(stream(venue, session, 1, outcome, state=None, since=None, stop=stop, reserve=2**21))
    await asyncio.sleep(0.1)
    await play()
    stop.set()
    await task
    return venue


@pytest.fixture
def loop():
    made = VirtualLoop()
    yield made
    made.close()


@pytest.mark.parametrize(("name", "shared", "soon"), [("binance", False, True), ("binance", True, False), ("okx", False, False)])
def test_a_hole_is_told_with_the_next_segment_where_nobody_else_may_have_what_was_missed(kit, stage, loop, tmp_path, name, shared, soon):
    """A replica may have it, or it is asked for where the venue serves it: then it is told by what the tape says minutes later."""
    one, outcome, told = stage(name), Outcome(name, "liquidations"), []

    async def play():
        await one.beat(20)
        one.exchange.will_raise([Retry("refused")] * 4)
        one.exchange.drop()
        for _ in range(400):
            await one.beat(1)
            if outcome.figures is not None and outcome.figures.lost + outcome.figures.open:
                told.append(loop.seconds)

    loop.run_until_complete(streamed(kit, one, tmp_path, outcome, play, shared=shared))
    assert (told[0] < READ_AGAIN_S) == soon, told[0]


def test_a_stream_is_judged_by_the_venues_own_word_where_its_clock_was_measured_while_it_was_wrong(kit, stage, loop, tmp_path):
    one, outcome = stage("binance"), Outcome("binance", "liquidations")

    async def play():
        await one.beat(70)
        one.exchange.offset = 600_000
        await one.beat(70)
        one.exchange.offset = 0

    venue = loop.run_until_complete(streamed(kit, one, tmp_path, outcome, play))
    assert len(venue.judged) >= 3
    assert {abs(now - clock) < 1_000 for now, clock in venue.judged} == {True}, venue.judged
