"""By what a venue stamps its history, told by samples: of simulated markets whose truth is known."""

import random
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perptape.collect.audit import Audited
from perptape.collect.stamps import Measured, measured, told
from perptape.datasets import DATASETS
from perptape.interval import DAY, HOUR, MINUTE, NS

OI = DATASETS["open_interest"]
P = 5 * MINUTE
SHIFTS = {"start": P, "instant": 0, "end": -P}
START = 1_800_000_000_000 // HOUR * HOUR
SECONDS = 10
"""Between two steps of a market."""


class Walk:
    """A market that goes where chance takes it: what is held, by ms."""

    def __init__(self, seed, hours, step=1.0):
        chance = random.Random(seed)
        self.held = [1e6]
        for _ in range(hours * 360):
            self.held.append(self.held[-1] + chance.gauss(0, step))

    def __call__(self, time):
        return self.held[(time - START) // (SECONDS * 1000)]


def history(market, by, hours):
    """What a venue lists of a market, by the stamps that it gives."""
    return {time - SHIFTS[by]: market(time) for time in range(START, START + hours * HOUR, P)}


def sampled(market, seed, hours, each=1, noise=0.0):
    """So many samples in each bucket."""
    chance = random.Random(seed)
    times = [start + chance.randrange(P) for start in range(START, START + hours * HOUR - P, P) for _ in range(each)]
    return {time: market(time) + chance.gauss(0, noise) for time in times}


def said(found, assumed="instant"):
    return Measured("okx", assumed, found)


SEEDS, WAYS = st.integers(0, 2**32), st.sampled_from(list(SHIFTS))


@settings(max_examples=30)
@given(SEEDS, WAYS, st.sampled_from([(72, 1), (24, 5)]))
def test_of_enough_samples_the_true_convention_is_told(seed, by, much):
    """One in each bucket of three days, at any time of it; or five in each of a day."""
    hours, each = much
    market = Walk(seed, hours)
    found = told(history(market, by, hours), sampled(market, seed + 1, hours, each), P)
    assert said(found).stamps == by


@given(SEEDS, WAYS, st.integers(0, 60), st.floats(0, 40))
def test_never_is_another_convention_told_however_few_samples_there_are_and_however_wrong_they_are(seed, by, count, noise):
    market = Walk(seed, 24)
    chance = random.Random(seed)
    samples = sampled(market, seed + 1, 24, noise=noise)
    few = {time: samples[time] for time in chance.sample(sorted(samples), count)}
    assert said(told(history(market, by, 24), few, P)).stamps in (by, "unknown")


@given(SEEDS, SEEDS, WAYS)
def test_samples_of_something_else_tell_nothing(seed, other, by):
    market, stranger = Walk(seed, 24), Walk(f"other {other}", 24)
    assert said(told(history(market, by, 24), sampled(stranger, seed, 24), P)).stamps == "unknown"


@given(WAYS, st.floats(0, 1e12))
@example("start", 0.1)
def test_where_nothing_moves_no_bucket_tells(by, held):
    assert not told(history(lambda _: held, by, 24), sampled(lambda _: held, 1, 24), P)


def test_a_sample_on_a_figure_s_own_moment_tells_and_one_beside_the_history_does_not():
    figures = {START + n * P: float(n * n) for n in range(4)}
    assert told(figures, {START + P: 1.0}, P) == {"instant": 1}
    assert told(figures, {START + P: 0.0}, P) == {"start": 1}
    assert told(figures, {START + P: 4.0}, P) == {"end": 1}
    assert not told(figures, {START: 0.0, START + 2 * P: 4.0, START - DAY: 0.0}, P)


def test_many_samples_of_one_bucket_are_one_bucket():
    figures = {START + n * P: float(n * n) for n in range(4)}
    assert told(figures, {START + P + n * MINUTE: 1 + 3 * n / 5 for n in range(5)}, P) == {"instant": 1}


@pytest.mark.parametrize(
    ("counts", "stamps", "text"),
    [
        ({}, "unknown", "what it is stamped by cannot be told yet (no bucket told)"),
        ({"start": 15}, "unknown", "what it is stamped by cannot be told yet (15 start)"),
        ({"start": 16}, "start", "stamped by start (16 of 16 buckets)"),
        ({"instant": 30, "end": 1}, "instant", "stamped by instant (30 of 31 buckets)"),
        ({"start": 30, "instant": 20, "end": 1}, "unknown", "what it is stamped by cannot be told yet (30 start, 20 instant, 1 end)"),
    ],
)
def test_how_many_buckets_it_takes_and_how_it_is_said(counts, stamps, text):
    one = said(Counter(counts))
    assert (one.stamps, str(one)) == (stamps, text)
    assert one.fields() == {"stamps": stamps, "assumed": "instant", "buckets": counts}
    assert str(Audited(planned=1, rows=2, measured=one)) == f"2 rows asked again: all the same; {text}"


def test_a_warning_says_what_differs_and_what_to_do_and_only_of_what_is_sure():
    assert not said({"start": 15}).warning
    assert not said({"start": 16}, assumed="start").warning
    text = said({"start": 16}).warning
    assert "okx stamps open interest by `start`, perptape takes it for `instant`" in text
    assert "ts_init" in text
    assert len(text) < 200  # it must fit a line of a pod's report


def rows(values, period, one="BTC-USDT-SWAP.OKX", unit="oi_base"):
    empty = dict.fromkeys(("oi_contracts", "oi_base", "oi_usd"))
    return OI.table([(one, *(empty | {unit: value}).values(), "base", period, 1, time * NS, time * NS) for time, value in values.items()])


def test_of_a_tape_s_rows_samples_are_held_against_the_history_of_their_own_contract_and_unit():
    market = Walk(1, 24)
    listed, now = history(market, "start", 24), sampled(market, 2, 24)
    jitter = {time + 7: value for time, value in listed.items()}  # stamps are some milliseconds off
    other = {time: value * 3 for time, value in listed.items()}
    tape = pa.concat_tables([rows(jitter, 5), rows(other, 15), rows(other, 5, "ETH-USDT-SWAP.OKX"), rows(other, 5, unit="oi_contracts")])
    found = measured("okx", "instant", [tape, rows(now, 0)], P)
    assert found.contradicts
    assert found == Measured("okx", "instant", told(listed, now, P))
    assert not measured("okx", "instant", [tape, rows(now, 0, "XRP-USDT-SWAP.OKX")], P).buckets
    assert not measured("okx", "instant", [tape, rows(now, 0, unit="oi_usd")], P).buckets
    assert not replace(found, assumed="start").contradicts
