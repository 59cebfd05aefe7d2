"""What a stream's summary counts."""

import pytest

from perptape.collect.figures import Figures
from perptape.collect.outcome import Outcome
from perptape.collect.stream_figures import Followed
from perptape.coverage import Coverage
from perptape.datasets import DATASETS
from perptape.interval import NS


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


@pytest.mark.parametrize("alone", [False, True])
def test_one_that_is_alone_tells_the_holes_of_its_latest_segment(alone: bool):
    outcome, judged = Outcome("bybit", "liquidations"), iter([Figures(1, 1), Figures(2, 2, lost=1, why=("disconnected",))])
    followed = followed_by(outcome, judge=lambda coverage: next(judged), alone=alone)
    for name in ("a", "b"):
        followed.put(name, "okx", "liquidations", rows(), (), ())
    assert outcome.figures == (Figures(2, 2, lost=1, why=("disconnected",)) if alone else Figures(2, 2))
