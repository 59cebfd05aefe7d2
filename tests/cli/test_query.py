"""`perptape query` says which of several periods it shows."""

import itertools
from pathlib import Path

import pyarrow as pa
import pytest

from perptape.cli.query import open_interest
from perptape.interval import DAY, HOUR, MINUTE, Interval
from perptape.store.tape import Tape
from support.tapes import START, name_of
from support.tapes import open_interest as rows_of

NAME = name_of("okx")


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    """Two days of an hour's buckets, and the last three hours of a quarter's."""
    found, count = Tape.open(str(tmp_path)), itertools.count()
    found.prepare("live", "nautilus1")
    hours = rows_of("okx", range(START, START + 2 * DAY, HOUR), START + 3 * DAY)
    quarters = rows_of("okx", range(START + 2 * DAY - 3 * HOUR, START + 2 * DAY, 15 * MINUTE), START + 3 * DAY)
    place = quarters.schema.get_field_index("period_minutes")
    field = quarters.schema.field(place)
    quarters = quarters.set_column(place, field, pa.array([15] * quarters.num_rows, field.type))
    for rows in (hours, quarters):
        found.commit("okx", "open_interest", rows, (), (), f"w{next(count)}", lambda: START)
    return found


@pytest.mark.parametrize(
    ("begin", "period", "shown", "said"),
    [
        (0, None, {60}, f"{NAME}: these are 1h; of 15m there are rows, too: --every chooses"),
        (2 * DAY - 3 * HOUR, None, {15}, f"{NAME}: these are 15m; of 1h there are rows, too: --every chooses"),
        (0, 7, set(), f"{NAME}: none of that period; the catalog has 15m, 1h"),
        (0, 60, {60}, None),
    ],
)
def test_the_period_that_is_shown_is_said_where_there_are_others(
    tape: Tape, begin: int, period: int | None, shown: set[int], said: str | None
) -> None:
    rows, notes = open_interest(tape, [NAME], Interval(START + begin, START + 3 * DAY), period)
    assert set(rows["period_minutes"].to_pylist()) == shown
    assert notes == ([] if said is None else [said])
