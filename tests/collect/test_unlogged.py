"""A stream for which no log can be made: that its time is wanted is known all the same, and why nobody listened."""

from random import Random

import pytest

from perptape.claims import Want
from perptape.collect.report import standings
from perptape.collect.unlogged import Unlogged, missed
from perptape.errors import StoreError
from perptape.interval import DAY, HOUR, MINUTE, SECOND

STREAM, BTC = "{liquidations: {}}", "BTCUSDT-PERP"
ID = "BTCUSDT-PERP.BINANCE"


@pytest.fixture
def unlogged(world):
    """A store that takes segments, in whose folder of logs nothing can be made."""
    world.venue("binance", ["BTC"])
    place = world.root / "perptape" / "log"
    place.parent.mkdir(parents=True)
    place.symlink_to("nowhere")
    return world


async def test_a_stream_without_a_log_says_what_it_wants_and_what_it_misses(unlogged):
    since = unlogged.clock.ms
    summary = await unlogged.stay(5 * MINUTE, STREAM, BTC)
    stopped = unlogged.clock.ms
    assert summary.exit_code == 3
    assert "no log can be made" in summary.outcomes[0].error
    (want,) = unlogged.tape.coverage("binance", "liquidations").wants
    assert (want.start, want.ended) == (since, stopped)
    (found,) = standings(unlogged.tape, stopped + DAY, ["binance"], ["liquidations"])
    assert [(s.span.start, s.span.end, s.status, s.reason) for s in found.states] == [(since, stopped, "lost", "log unwritable")]


class Store:
    """The claims and wants of every segment, of those put while it is not away."""

    def __init__(self):
        self.away, self.claims, self.wants = False, [], []

    def put(self, name, venue, dataset, rows, claims, wants):
        if self.away:
            raise StoreError("the store is away")
        assert rows.num_rows == 0
        self.claims.append([(c.start, c.end, c.cause) for c in claims])
        self.wants.append([(want.start, want.ended) for want in wants])


async def test_it_says_so_once_a_minute_and_once_more_at_its_end_and_tells_no_time_twice():
    store, time = Store(), [DAY]
    unlogged = Unlogged("binance", lambda: time[0], lambda: time[0] / SECOND, DAY, {ID: DAY - HOUR}, Random(1))
    want = Want("f", "s", ID, "stream", DAY, DAY)
    await unlogged.end()
    assert store.wants == [], "nothing was said yet"
    for _ in range(13):
        store.away = time[0] == DAY + MINUTE
        await unlogged.say(store, (want,), "disk full")
        time[0] += 10 * SECOND
    await unlogged.end()
    assert store.claims == [
        [(DAY - HOUR, DAY, "process down")],
        [(DAY, DAY + 2 * MINUTE, "disk full")],
        [(DAY + 2 * MINUTE, DAY + 130 * SECOND, "disk full")],
    ]
    assert store.wants == [[(DAY, None)], [(DAY, None)], [(DAY, DAY + 130 * SECOND)]]
    assert unlogged.since == {}, "the stream that begins at last need not say it again"


async def test_of_several_pods_none_ends_what_all_want(unlogged):
    await unlogged.stay(5 * MINUTE, STREAM, BTC, namespace="n", session="s", since=unlogged.clock.ms)
    (want,) = unlogged.tape.coverage("binance", "liquidations").wants
    assert want.ended is None


def test_before_the_stream_began_no_process_was_there():
    now, began = DAY, DAY - MINUTE
    want = Want("f", "s", ID, "stream", began - HOUR, now)
    spans = [(c.start, c.end, c.cause) for c in missed([want], {ID: began - HOUR}, began, now, "disk full")]
    assert spans == [(began - HOUR, began, "process down"), (began, now, "disk full")]
    assert [(c.start, c.cause) for c in missed([want], {}, now - SECOND, now, "disk full")] == [(now - SECOND, "disk full")]
