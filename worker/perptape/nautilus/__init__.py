"""The classes with which NautilusTrader reads the tape, in 1.x and in 2.x alike.

Funding needs none: it is Nautilus' own `FundingRateUpdate`. Importing this module registers the three classes, so import it before you
query a catalog. Their names and the order of their fields are those of the data files. Neither version takes `float | None` for a field,
so the annotations do not say that a value may be missing; the docstrings do, and it is None then.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

try:
    from nautilus_trader import __version__ as _version
except ImportError as error:
    raise ImportError(
        "perptape.nautilus needs NautilusTrader: pip install 'nautilus_trader==1.231.0' (Python 3.12 and newer) "
        "or pip install --pre 'nautilus_trader>=2.0.0rc7' (Python 3.13 and newer)"
    ) from error

if TYPE_CHECKING:
    from perptape.nautilus.version2 import Data, InstrumentId, custom
elif _version.startswith("1."):
    from perptape.nautilus.version1 import Data, InstrumentId, custom
else:
    from perptape.nautilus.version2 import Data, InstrumentId, custom

__all__ = ["FundingPrediction", "Liquidation", "OpenInterest", "of_period", "unwrapped"]


@custom
class OpenInterest(Data):
    """How much of a contract is held open, in each unit that the venue gives."""

    instrument_id: InstrumentId
    oi_contracts: float
    """In contracts; may be None."""
    oi_base: float
    """In the base coin; may be None."""
    oi_usd: float
    """In US dollars, USDT or USDC; may be None."""
    source_unit: str
    """What the venue sent, such as `base,usd`; the rest is derived."""
    period_minutes: int
    """The period of the venue's history that the row is of; 0 for a sample that we took. One instrument may have several."""
    ts_received: int


@custom
class FundingPrediction(Data):
    """What a venue said that the next funding would be. It is no settlement: never add these up."""

    instrument_id: InstrumentId
    rate: float
    """Of the settlement at `next_funding_ns`, as predicted."""
    next_rate: float
    """Of the settlement after that one; may be None."""
    next_funding_ns: int
    interval_minutes: int
    """Between two settlements; may be None."""
    mark_price: float
    """May be None."""
    index_price: float
    """May be None."""
    ts_received: int


@custom
class Liquidation(Data):
    """A position that was closed by force, as the venue reported it."""

    instrument_id: InstrumentId
    side: str
    """BUY or SELL: of the liquidation order."""
    position_side: str
    """LONG or SHORT: who was liquidated; always the opposite of the order."""
    price: float
    average_price: float
    """Of the fills; may be None."""
    quantity: float
    """In the base coin; may be None."""
    quantity_venue: float
    """As the venue sent it."""
    value_usd: float
    """By the average price, else by the price; may be None."""
    venue_id: str
    """The venue's own id of the event; None where it has none."""
    ordinal: int
    """Tells apart events that are equal in all that the venue sent."""
    ts_received: int


def unwrapped(rows: Iterable[Any]) -> Iterator[Any]:
    """The rows themselves, out of the `CustomData` in which a catalog hands them over and an engine wants them."""
    return (getattr(row, "data", row) for row in rows)


def of_period(rows: Iterable[Any], minutes: int) -> Iterator[Any]:
    """The open interest of one period, wrapped or not as it came: a file holds all the periods that were collected of its instrument."""
    return (row for row in rows if getattr(row, "data", row).period_minutes == minutes)
