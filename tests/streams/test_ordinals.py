"""Equal events of one subscription are counted; those of two replicas unite to the greater count."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from perptape.collect.ordinals import Ordinals
from perptape.collect.stream_batch import Counts, Intake
from perptape.collect.stream_sink import ConnectionSink
from perptape.datasets import LIQUIDATIONS
from perptape.datasets.base import join
from perptape.interval import DAY, NS
from support.fake_exchange import START

EVENTS = st.lists(st.integers(0, 5), max_size=40)


@given(EVENTS)
def test_equal_events_are_numbered_from_nought_in_the_order_of_their_receipt(events: list[int]) -> None:
    ordinals = Ordinals()
    numbered = sorted((event, ordinals.count(event)) for event in events)
    for _, group in groupby(numbered, lambda pair: pair[0]):
        numbers = [number for _, number in group]
        assert numbers == list(range(len(numbers)))


@given(EVENTS, EVENTS)
def test_the_union_over_two_connections_is_the_greater_of_their_counts(left: list[int], right: list[int]) -> None:
    union = set()
    for seen in (left, right):
        ordinals = Ordinals()
        union |= {(event, ordinals.count(event)) for event in seen}
    assert Counter(event for event, _ in union) == Counter(left) | Counter(right)


def test_the_same_holds_for_rows_joined_by_their_natural_key(kit) -> None:
    one, two = ([kit.liquidation(START, n) for n in range(count)] for count in (3, 2))
    tables = [LIQUIDATIONS.table(rows) for rows in (one, two)]
    assert join(LIQUIDATIONS, tables)["ordinal"].to_pylist() == [0, 1, 2]


def test_what_is_long_past_is_forgotten_so_that_a_month_of_events_fits_into_memory() -> None:
    ordinals = Ordinals(limit=10)
    for event in range(10_000):
        ordinals.count(event)
    assert len(ordinals._now) + len(ordinals._before) <= 20
    assert ordinals.count(9_999) == 1
    assert ordinals.count(0) == 0


def test_what_is_long_past_is_forgotten_in_a_quiet_market_too() -> None:
    ordinals = Ordinals(lasting=600)
    for event in range(10_000):
        assert ordinals.count(event, event) == 0
        assert ordinals.count(event, event) == 1
    assert len(ordinals._now) + len(ordinals._before) <= 1_300
    assert ordinals.count(9_500, 10_000) == 2, "what came within that time is known"
    assert ordinals.count(0, 10_000) == 0


def test_a_connection_counts_by_when_its_events_came(kit) -> None:
    """Weeks of one connection: what a quiet day brought is not kept until the next busy one."""
    sink = ConnectionSink(Intake(10_000, Counts()), "base", market=True, on_row=None, on_malformed=lambda *told: None, clock=lambda: 0.0)
    sink.acknowledged("c", START * NS)
    for day in range(100):
        sink.liquidation("c", kit.event(START, str(60_000 + day)), (START + day * DAY) * NS)
    assert len(sink._ordinals._now) + len(sink._ordinals._before) <= 2
