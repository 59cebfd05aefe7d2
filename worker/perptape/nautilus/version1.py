"""NautilusTrader 1.x: how a class becomes a type of its catalog."""

from typing import Any, TypeVar

from nautilus_trader.core.data import Data
from nautilus_trader.core.nautilus_pyo3.model import register_custom_data_class
from nautilus_trader.model.custom import customdataclass_pyo3
from nautilus_trader.model.identifiers import InstrumentId

__all__ = ["Data", "InstrumentId", "custom"]

T = TypeVar("T", bound=type[Any])


def custom(declared: T) -> T:
    """Registers with both of 1.x's catalogs, the Python one and the Rust one; the latter is what streams with `chunk_size`."""
    registered: T = customdataclass_pyo3()(declared)
    register_custom_data_class(registered)
    return registered
