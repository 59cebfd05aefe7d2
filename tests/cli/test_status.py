"""How holes are shown."""

import pytest

from perptape.cli.left import things
from perptape.cli.status import holes
from perptape.collect.report import Standing
from perptape.interval import Interval
from perptape.standing import State


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (Interval(1_250, 1_280), ("1970-01-01T00:00:01.250Z", "1970-01-01T00:00:01.280Z", "30ms")),
        (Interval(1_250, 9_280), ("1970-01-01T00:00:01Z", "1970-01-01T00:00:09Z", "8s")),
    ],
)
def test_a_hole_below_a_second_is_shown_in_milliseconds(span: Interval, shown: tuple[str, str, str]) -> None:
    one = Standing("bybit", "liquidations", "X.BYBIT", "stream", (State(span, "lost", "disconnected"),), None)
    (row,) = holes([one], short=True).rows
    assert tuple(row[5:8]) == shown


def test_one_thing_is_one() -> None:
    assert [things(1), things(2)] == ["1 thing is not as it should be", "2 things are not as they should be"]
    assert things(1, "in the store ") == "1 thing in the store is not as it should be"
