"""Which venues there are. Their traits are data: neither CCXT nor anything of the network is imported before `connect`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from perptape.errors import UsageError

if TYPE_CHECKING:
    from perptape.exchanges.base import Traits

VENUES: tuple[str, ...] = ("binance", "bybit", "hyperliquid", "okx", "deribit")


def traits(venue: str) -> Traits:
    """How the venue differs. Raises UsageError for one that is not known."""
    if venue not in VENUES:
        raise UsageError(f"{venue} is not a known exchange: use one of {', '.join(VENUES)}")
    return cast("Traits", import_module(f"perptape.exchanges.{venue}").TRAITS)
