"""What a stream's summary counts."""

from perptape.collect.outcome import Outcome
from perptape.collect.stream_figures import Followed
from perptape.coverage import Coverage
from perptape.datasets import DATASETS
from perptape.interval import NS


class Kept:
    """Takes every segment."""

    def put(self, *segment: object) -> None:
        pass


def rows(*received: int):
    table = DATASETS["liquidations"]
    return table.table([("X.OKX", "SELL", "LONG", 10.0, None, 1.0, 1.0, 10.0, None, 0, at * NS, at * NS, at * NS) for at in received])


def test_rows_that_a_segment_repeats_are_stored_once():
    outcome = Outcome("okx", "liquidations")
    followed = Followed(Kept(), outcome, Coverage(), Coverage, lambda coverage: None, lambda: 0.0)
    for name, received in (("a", (1, 2, 3)), ("b", ()), ("c", (2, 3, 4)), ("d", (3, 4)), ("e", (5, 5))):
        followed.put(name, "okx", "liquidations", rows(*received), (), ())
    assert outcome.stored == 6
