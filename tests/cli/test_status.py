"""How holes are shown."""

import pytest

from perptape.claims import STREAM, Claim, Want
from perptape.cli.left import things
from perptape.cli.status import holes
from perptape.collect.report import Standing, standings
from perptape.coverage import Coverage
from perptape.datasets.instruments import SeenInstrument
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


class Catalog:
    """Liquidations of two contracts, one of which nobody wants."""

    def coverage(self, venue: str, dataset: str) -> Coverage:
        claims = [Claim(f"{one}.BYBIT", STREAM, "live", 0, 60_000) for one in ("A", "B")]
        return Coverage.of(claims, [Want("spec.yaml:spec", "", "A.BYBIT", STREAM, 0, 60_000, 60_000)], ())

    def instruments(self, venue: str) -> tuple[SeenInstrument, ...]:
        return ()


@pytest.mark.parametrize(("unwanted", "shown"), [(True, ["A.BYBIT", "B.BYBIT"]), (False, ["A.BYBIT"])])
def test_of_a_spec_nothing_is_shown_that_it_does_not_want(unwanted: bool, shown: list[str]) -> None:
    found = standings(Catalog(), 3_600_000, ["bybit"], ["liquidations"], unwanted=unwanted)
    assert [one.instrument for one in found] == shown
