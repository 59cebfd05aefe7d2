"""Whatever a venue sends becomes a row that a table can hold, or is refused alone: one bad value keeps no other out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.datasets import DATASETS, funding, funding_prediction, liquidations, open_interest
from perptape.datasets.base import Invalid
from perptape.exchanges.calls import read
from perptape.exchanges.registry import traits
from perptape.interval import DAY, EARLIEST, LATEST, MINUTE, NS
from perptape.raw import RawFunding, RawLiquidation, RawOpenInterest, RawPrediction
from support.fake_exchange import START, perpetual

ONE = perpetual(traits("okx"))
wild_times = st.sampled_from(
    [START, START // 1_000, EARLIEST - 1, EARLIEST, START * 1_000, START * 10**6, LATEST - 1, LATEST, 2**63, 0, -1, 1.5, True, "1", None]
)
wild_amounts = st.sampled_from(["1e400", "-1e400", "1e999999", "1e-999999", "NaN", "", None, 10**200, 1e300, True, [1], "0", "5", 5])
wild_ids = st.sampled_from([None, "7", 7, 1.5, ["7"]])


def kept(dataset: str, make: Callable[[], tuple[Any, ...]]) -> None:
    try:
        row = make()
    except Invalid:
        return
    table = DATASETS[dataset].table([row])
    table.validate(full=True)
    stamp = table["ts_event"][0].as_py()
    assert EARLIEST * NS <= stamp <= table["ts_init"][0].as_py()


@given(wild_times, wild_amounts, wild_amounts, st.sampled_from([0, 5, DAY // MINUTE]))
def test_open_interest_is_kept_or_refused(time: Any, held: Any, mark: Any, period: int) -> None:
    kept("open_interest", lambda: open_interest.row(RawOpenInterest(ONE, time, base=held, mark=mark), period, START))
    inverse = replace(ONE, linear=False)
    kept("open_interest", lambda: open_interest.row(RawOpenInterest(inverse, time, usd=held, mark=mark), period, START))


@given(wild_times, wild_times, wild_amounts, wild_amounts, st.sampled_from([None, 480, 0, -5, 2**70]))
def test_a_prediction_is_kept_or_refused(time: Any, coming: Any, rate: Any, mark: Any, minutes: Any) -> None:
    kept("funding_prediction", lambda: funding_prediction.row(RawPrediction(ONE, time, rate, coming, rate, minutes, mark, mark), START))


@given(st.lists(st.tuples(wild_times.filter(lambda time: type(time) is not str and time != 1.5), wild_amounts)))
def test_settlements_are_kept_or_dropped_one_by_one(sent: list[tuple[Any, Any]]) -> None:
    rows, dropped = funding.rows([RawFunding(ONE, time, rate) for time, rate in sent], START)
    DATASETS["funding"].table(rows).validate(full=True)
    assert len(rows) <= len(sent) - len(dropped)
    assert all(len(row[1]) < 300 for row in rows)


@given(wild_times, wild_amounts, wild_amounts, wild_amounts, wild_ids, st.sampled_from(["base", "contracts", "quote"]), st.booleans())
def test_a_liquidation_is_kept_or_refused(time: Any, price: Any, average: Any, size: Any, id: Any, unit: Any, linear: bool) -> None:
    event = RawLiquidation(replace(ONE, linear=linear), time, "BUY", price, average, size, id)
    kept("liquidations", lambda: liquidations.row(event, unit, 0, START * 1_000_000))


@pytest.mark.parametrize(
    "bad", [{"base": "\ud800"}, {"id": 7}, {"listed": 10**30}, {"delisted": LATEST}, {"funding_minutes": -1}, {"listed": START * 1_000}]
)
def test_a_contract_that_no_row_can_hold_is_left_out_of_the_list_and_the_others_are_in_it(bad: dict[str, Any]) -> None:
    rows, dropped = read([{}, bad, {}], lambda item: replace(ONE, **item))
    assert rows == [ONE, ONE]
    assert len(dropped) == 1


SECONDS = START // 1_000
"""What a venue sends that changes from milliseconds to seconds."""


@pytest.mark.parametrize(
    "make",
    [
        lambda time: open_interest.row(RawOpenInterest(ONE, time, base="5", mark="1"), 5, START),
        lambda time: funding_prediction.row(RawPrediction(ONE, time, "0.1", START + DAY), START),
        lambda time: funding_prediction.row(RawPrediction(ONE, START, "0.1", time + DAY), START),
        lambda time: liquidations.row(RawLiquidation(ONE, time, "BUY", "1", None, "1"), "base", 0, START * NS),
    ],
    ids=["open interest", "prediction", "coming", "liquidation"],
)
def test_seconds_that_are_taken_for_milliseconds_are_no_time(make: Callable[[int], tuple[Any, ...]]) -> None:
    assert make(START)
    with pytest.raises(Invalid, match="is none that can be kept"):
        make(SECONDS)


def test_a_settlement_in_seconds_is_dropped_by_itself() -> None:
    rows, dropped = funding.rows([RawFunding(ONE, SECONDS, "0.1"), RawFunding(ONE, START, "0.1")], START)
    assert [row[-1] for row in rows] == [START * NS]
    assert dropped == [f"{ONE.id}: time: '{SECONDS}' is none that can be kept"]
