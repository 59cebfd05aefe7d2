"""The tape is a join: rows and claims unite commutatively, associatively and idempotently, so that order and repeats change nothing."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perptape.claims import KINDS, Claim, Want, join, join_wants
from perptape.datasets import DATASETS, base, instruments
from perptape.store.coverage import Sayings

few = settings(deadline=None, derandomize=True, database=None)
NAMES = ("A-PERP.BINANCE", "B-PERP.BINANCE")
number = st.sampled_from([1.0, 2.0, 3.5])
maybe = st.one_of(st.none(), number)
time = st.integers(0, 3).map(lambda k: k * 300_000_000_000)
name = st.sampled_from(NAMES)


@st.composite
def row(draw: Any, dataset: str) -> tuple[Any, ...]:
    event, received = draw(time), draw(st.integers(0, 2))
    if dataset == "open_interest":
        period = draw(st.sampled_from([0, 5]))
        return draw(name), draw(maybe), draw(maybe), None, "base", period, received, event, event + period
    if dataset == "funding":
        rate, interval = draw(st.sampled_from(["0.1", "0.2"])), draw(st.sampled_from([None, 60, 480]))
        return draw(name), rate, interval, event, received, event, event
    if dataset == "funding_prediction":
        return (
            draw(name),
            draw(number),
            draw(maybe),
            event + 1,
            draw(st.sampled_from([None, 60])),
            draw(maybe),
            None,
            received,
            event,
            event,
        )
    identity = draw(st.sampled_from([None, "x"]))
    event = 0 if identity else event  # a venue's id is of one event
    side = draw(st.sampled_from([("BUY", "SHORT"), ("SELL", "LONG")]))
    return draw(name), *side, draw(number), draw(maybe), None, draw(number), None, identity, draw(st.integers(0, 1)), received, event, event


def tables(dataset: str) -> st.SearchStrategy[pa.Table]:
    return st.lists(row(dataset), max_size=8).map(DATASETS[dataset].table)


@pytest.mark.parametrize("dataset", DATASETS)
def test_joining_rows_is_commutative_associative_and_idempotent(dataset: str) -> None:
    kind = DATASETS[dataset]

    @few
    @given(tables(dataset), tables(dataset), tables(dataset))
    def holds(a: pa.Table, b: pa.Table, c: pa.Table) -> None:
        whole = base.join(kind, [a, b, c])
        assert base.join(kind, [c, a, b]).equals(whole)
        assert base.join(kind, [base.join(kind, [b, a]), c]).equals(whole)
        assert base.join(kind, [a, base.join(kind, [c, b])]).equals(whole)
        assert base.join(kind, [whole, b, whole]).equals(whole)

    holds()


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_winner_is_one_of_the_rows_whole(dataset: str) -> None:
    kind = DATASETS[dataset]

    @few
    @given(tables(dataset), tables(dataset))
    def holds(a: pa.Table, b: pa.Table) -> None:
        offered = [tuple(r.values()) for t in (a, b) for r in t.to_pylist()]
        for won in base.join(kind, [a, b]).to_pylist():
            assert tuple(won.values()) in offered

    holds()


@pytest.mark.parametrize("dataset", DATASETS)
def test_rows_survive_the_way_into_a_data_file_and_back(dataset: str) -> None:
    kind = DATASETS[dataset]

    @few
    @given(tables(dataset))
    def holds(rows: pa.Table) -> None:
        one = base.join(kind, [rows.filter(pa.compute.equal(rows["instrument_id"], NAMES[0]))])
        for form in base.FORMATS:
            assert kind.from_file(kind.to_file(one, form, NAMES[0]), NAMES[0]).equals(one)

    holds()


lifetimes = st.lists(
    st.tuples(name, st.sampled_from(["1", "2"]), st.sampled_from([None, "0.1"]), st.integers(0, 3), st.integers(0, 3)), max_size=6
).map(
    lambda rows: pa.table(
        [
            pa.array(column, field.type)
            for field, column in zip(
                instruments.SCHEMA,
                zip(*(_lifetime(*r) for r in rows), strict=True) if rows else [[] for _ in instruments.SCHEMA],
                strict=True,
            )
        ],
        schema=instruments.SCHEMA,
    )
)


def _lifetime(instrument: str, size: str, tick: str | None, first: int, more: int) -> tuple[Any, ...]:
    text = ("binance", "A/USDT:USDT", "A", "A", "USDT", "USDT")
    return (instrument, *text, True, size, "1", tick, None, 480, None, None, f"terms{size}", first, first + more)


@few
@given(lifetimes, lifetimes, lifetimes)
def test_joining_instruments_is_commutative_associative_and_idempotent(a: pa.Table, b: pa.Table, c: pa.Table) -> None:
    whole = instruments.join([a, b, c])
    assert instruments.join([c, b, a]).equals(whole)
    assert instruments.join([instruments.join([b, a]), c]).equals(whole)
    assert instruments.join([whole, c]).equals(whole)


@few
@given(lifetimes, lifetimes)
def test_a_lifetime_keeps_the_row_seen_last_and_the_time_it_was_seen_first(a: pa.Table, b: pa.Table) -> None:
    offered = [r for t in (a, b) for r in t.to_pylist()]
    for row in instruments.join([a, b]).to_pylist():
        same = [r for r in offered if (r["instrument_id"], r["terms"]) == (row["instrument_id"], row["terms"])]
        assert row["seen_from"] == min(r["seen_from"] for r in same)
        assert row["seen_to"] == max(r["seen_to"] for r in same)
        assert any({**r, "seen_from": 0} == {**row, "seen_from": 0} for r in same)


claim = st.builds(
    lambda instrument, grid, kind, start, length, basis, asked, connections: Claim(
        instrument, grid, kind, start, start + length, basis, asked, asked + 5, frozenset(connections)
    ),
    name,
    st.sampled_from(["5m", "stream"]),
    st.sampled_from(KINDS),
    st.integers(0, 10),
    st.integers(1, 6),
    st.sampled_from(["connection", "feed"]),
    st.integers(0, 2),
    st.sets(st.sampled_from("xyz"), max_size=2),
)
ended = st.one_of(st.none(), st.integers(0, 5))
want = st.builds(Want, st.just("s"), st.sampled_from("ab"), name, st.just("5m"), st.integers(0, 3), st.integers(0, 5), ended)
sayings = st.builds(lambda c, w: Sayings(tuple(c), tuple(w)), st.lists(claim, max_size=5), st.lists(want, max_size=4))


@few
@given(sayings, sayings, sayings)
def test_joining_what_is_said_is_commutative_associative_and_idempotent(a: Sayings, b: Sayings, c: Sayings) -> None:
    whole = a.joined([b, c])
    assert c.joined([a, b]) == whole
    assert a.joined([b]).joined([c]) == whole
    assert whole.joined([b, whole]) == whole
    assert whole.contains(b)
    assert join(whole.claims) == whole.claims
    assert join_wants(whole.wants) == whole.wants
