"""NautilusTrader 2.x: how a class becomes a type of its catalog."""

from typing import Any, TypeVar

from nautilus_trader.model import InstrumentId, register_custom_data_class
from nautilus_trader.model.custom import customdataclass

__all__ = ["Data", "InstrumentId", "custom"]

T = TypeVar("T", bound=type[Any])


class Data:
    """2.x asks for no base class; 1.x does."""

    ts_event: int
    ts_init: int


def custom(declared: T) -> T:
    """Registers with the catalog, which is in Rust alone."""
    registered: T = customdataclass(declared)
    register_custom_data_class(registered)
    return registered
