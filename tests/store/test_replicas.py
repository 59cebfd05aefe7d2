"""How often replicas of a stream had something else of a time that several of them claim to have heard whole."""

from dataclasses import replace
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from perptape.claims import Claim, join
from perptape.datasets import DATASETS
from perptape.interval import MINUTE, NS, Interval, intersection, total, union
from perptape.store.replicas import Agreement, agreement, grouped, several
from perptape.store.segment import Segment
from perptape.store.tape import Tape

LIQUIDATIONS = DATASETS["liquidations"]
START = 1_800_000_000_000
ONES = ("BTCUSDT-PERP.BINANCE", "ETHUSDT-PERP.BINANCE")


def row(one, time, price):
    return one, "SELL", "LONG", float(price), None, 1.0, 1.0, 10.0, None, 0, time * NS, time * NS, time * NS


def claim(one, start, end, connection, kind="sampled"):
    return Claim(one, "stream", kind, start, end, "rule", start, end, frozenset({connection} if connection else ()))


def segment(claims, rows, name="s"):
    return Segment("binance", "liquidations", name, LIQUIDATIONS.table(rows), join(claims), (), "live")


def at(ms):
    return START + ms


times = st.integers(0, 20_000)
events = st.lists(st.tuples(st.sampled_from(ONES), times, st.integers(1, 3)), unique=True, max_size=25)
spans = st.lists(st.tuples(times, times), max_size=3).map(
    lambda found: union(Interval(at(min(s)), at(max(s))) for s in found if s[0] != s[1])
)


@st.composite
def replica(draw, happened):
    """(its claims by instrument, what it heard, where it was cut into segments)."""
    heard = set(draw(st.lists(st.sampled_from(happened), unique=True))) if happened else set()
    return {one: draw(spans) for one in ONES}, heard, sorted(draw(st.sets(times, max_size=3)))


def segments_of(number, claims, heard, cuts):
    """A replica's segments: each with the rows that it claims and, late ones, of before. Neighbours share a connection."""
    edges, found = [at(0) - 1, *map(at, cuts), at(20_001)], []
    for n, (start, end) in enumerate(pairwise(edges)):
        said = [claim(one, s.start, s.end, f"{number}-{n}") for one in ONES for s in intersection(claims[one], [Interval(start, end)])]
        rows = [row(one, at(time), price) for one, time, price in sorted(heard) if at(time) < end]
        linked = claim("link", start, start + 1, f"{number}-{n}", "live"), claim("link", start, start + 1, f"{number}-{n + 1}", "live")
        found.append(segment([*said, *linked], rows))
    return found


@given(st.data())
def test_it_is_what_counting_event_by_event_gives_however_replicas_are_cut_into_segments(data):
    happened = data.draw(events)
    replicas = [data.draw(replica(happened)) for _ in range(data.draw(st.integers(0, 3)))]
    segments = [one for number, each in enumerate(replicas) for one in segments_of(number, *each)]
    found = agreement("binance", segments)
    seconds, differing, counted, alone = set(), set(), 0, 0
    for one, time, price in happened:
        claiming = [heard for claims, heard, _ in replicas if any(at(time) in s for s in claims[one])]
        had = [(one, time, price) in heard for heard in claiming]
        if len(had) > 1 and any(had):
            counted += 1
            seconds.add((one, at(time) // 1000))
            if not all(had):
                alone += 1
                differing.add((one, at(time) // 1000))
    claimed = [[claims[one] for claims, _, _ in replicas] for one in ONES]
    both = union(span for each in claimed for a, b in combinations(each, 2) for span in intersection(a, b))
    assert found == Agreement("binance", total(both), len(seconds), len(differing), counted, alone)
    assert several([replace(one, rows=one.rows.slice(0, 0)) for one in segments]) == bool(both)  # claims alone tell


def test_one_replica_alone_and_what_no_connection_heard_are_held_against_nothing():
    one, other = ONES[0], [row(ONES[0], at(5), 1)]
    whole = segment([claim(one, at(0), at(1000), "a")], [])
    assert not agreement("deribit", [whole, segment([claim(one, at(0), at(1000), "", "complete")], other)]).together  # out of REST
    assert not agreement("okx", [whole, segment([claim(one, at(0), at(1000), "b", "live")], other)]).together  # the feed did not speak
    late = segment([claim(one, at(1000), at(2000), "a")], other)
    assert [len(each) for each in grouped([whole, late])] == [2]
    assert not agreement("binance", [whole, late]).together


def test_how_it_is_said():
    assert str(Agreement("binance", 52 * MINUTE, 340, 12, 360, 14)) == (
        "binance liquidations: several replicas heard the same 52m; they differ in 12 of 340 seconds with an event (3.5%), 14 of 360 events"
    )
    assert str(Agreement("okx", MINUTE)) == "okx liquidations: several replicas heard the same 1m, in which nothing happened"


def test_a_tape_tells_it_of_segments_that_are_still_there(tmp_path):
    tape = Tape.open(str(tmp_path))
    tape.prepare("live", "nautilus1")
    for connection, prices in (("a", (1, 2)), ("b", (1,)), ("c", (1, 2))):
        rows = LIQUIDATIONS.table([row(ONES[0], at(price * 1000), price) for price in prices])
        tape.commit("binance", "liquidations", rows, [claim(ONES[0], at(0), at(9000), connection)], (), connection, lambda: START)
    assert tape.agreements() == [Agreement("binance", 9000, 2, 1, 2, 1)]
    tape.publish()
    assert tape.agreements() == [Agreement("binance", 9000, 2, 1, 2, 1)]  # segments stay for an hour
    assert tape.read("liquidations").num_rows == 2
