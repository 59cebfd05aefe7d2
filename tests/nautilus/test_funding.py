"""Funding of the tape is paid by a 2.x backtest as the venue paid it: each settled rate once, at the mark price of its time."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from support import nautilus_golden as golden
from support.nautilus_load import paid_funding

pytestmark = pytest.mark.nautilus


def settled(instrument: str) -> dict[int, Decimal]:
    """Time -> rate, of the rows that were written."""
    rows: dict[int, Decimal] = {}
    for kind, name, _, _, columns in golden.market():
        if (kind, name) == ("FundingRateUpdate", instrument):
            rows |= dict(zip(columns["ts_event"], map(Decimal, columns["rate"]), strict=True))
    return rows


@pytest.mark.parametrize("instrument", [golden.BTC, golden.HIP3], ids=["every 8 hours", "every hour"])
@pytest.mark.parametrize(("side", "sign"), [("long", -1), ("short", 1)])
def test_a_position_held_through_all_settlements_pays_exactly_their_sum(
    folder_of: Callable[[str], Path], instrument: str, side: str, sign: int
) -> None:
    rates = settled(instrument)
    marks = {at: Decimal("40000.5") + 100 * index for index, at in enumerate(sorted(rates))}
    owed = sum((rate * marks[at] for at, rate in rates.items()), Decimal(0))
    assert owed != 0
    backtest = paid_funding(folder_of("nautilus2"), instrument, marks, side)
    assert backtest["positions"] == 1
    assert [at for at, _ in backtest["seen"]] == sorted(rates)
    assert Decimal(backtest["gained"]) == sign * owed
