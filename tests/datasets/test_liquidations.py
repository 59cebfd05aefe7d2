"""A liquidation's numbers: floats nearest to what was sent, sizes by exact arithmetic, and nothing that is no number."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.datasets.base import Invalid
from perptape.datasets.liquidations import Unit, row
from perptape.exchanges.registry import traits
from perptape.instruments import Instrument
from perptape.raw import RawLiquidation
from support.fake_exchange import START, perpetual

UNITS: tuple[Unit, ...] = ("base", "contracts", "quote")
amounts = st.decimals("0.00000001", "99999999", places=8)


def contract(*, linear: bool = True) -> Instrument:
    made = perpetual(traits("okx"))
    return Instrument(**{name: getattr(made, name) for name in made.__slots__} | {"linear": linear, "contract_size": Decimal("0.01")})


def sizes(unit: Unit, price: Any, average: Any, quantity: Any, *, linear: bool = True) -> tuple[Any, ...]:
    """(price, average price, quantity in base coin, quantity as the venue counts, value) of a row."""
    return row(RawLiquidation(contract(linear=linear), START, "BUY", price, average, quantity), unit, 0, 1)[3:8]


@given(amounts, st.none() | amounts, amounts, st.sampled_from(UNITS), st.booleans(), st.sampled_from((str, lambda value: value)))
def test_sizes_are_exact_until_they_are_floats(
    price: Decimal, average: Decimal | None, quantity: Decimal, unit: Unit, linear: bool, sent: Any
) -> None:
    found = sizes(unit, sent(price), None if average is None else sent(average), sent(quantity), linear=linear)
    paid = average or price
    if unit == "base":
        base, value = quantity, quantity * paid
    elif unit == "contracts" and linear:
        base = quantity * Decimal("0.01")
        value = base * paid
    else:
        value = quantity if unit == "quote" else quantity * Decimal("0.01")
        base = value / paid
    assert found == (float(price), None if average is None else float(average), float(base), float(quantity), float(value))


@pytest.mark.parametrize(
    "bad", ["NaN", "Infinity", "-1", "", None, "junk", float("nan"), float("inf"), -1, [1], pytest.param(10**400, id="10**400")]
)
def test_what_is_no_price_or_quantity_is_refused(bad: Any) -> None:
    with pytest.raises(Invalid, match="price"):
        sizes("base", bad, None, "1")
    with pytest.raises(Invalid, match="quantity"):
        sizes("base", "1", None, bad)
    if bad not in ("", None):
        with pytest.raises(Invalid, match="average price"):
            sizes("base", "1", bad, "1")


def test_a_price_of_nothing_is_none_and_an_average_of_nothing_leaves_the_price() -> None:
    with pytest.raises(Invalid, match="price"):
        sizes("base", "0", None, "1")
    assert sizes("base", "2", "0", "3") == (2.0, 0.0, 3.0, 3.0, 6.0)
    assert sizes("base", "2", "", "3") == (2.0, None, 3.0, 3.0, 6.0)
    assert sizes("base", 2, 2.5, 0) == (2.0, 2.5, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("bad", ["\ud800", "7\udfff", 7, ["7"]])
def test_an_id_that_is_no_text_is_refused(bad: Any) -> None:
    """JSON can write half of a character, which no file can hold."""
    with pytest.raises(Invalid, match=r"venue id: .* is no text"):
        row(RawLiquidation(contract(), START, "BUY", "1", None, "1", bad), "base", 0, 1)
    assert "7é" in row(RawLiquidation(contract(), START, "BUY", "1", None, "1", "7é"), "base", 0, 1)
