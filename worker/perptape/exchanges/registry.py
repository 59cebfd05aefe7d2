"""Which venues there are. Their traits are data: neither CCXT nor anything of the network is imported before `connect`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from perptape.errors import UsageError

if TYPE_CHECKING:
    from perptape.exchanges.base import Access, Exchange, Traits
    from perptape.exchanges.calls import Venue

VENUES: tuple[str, ...] = ("binance", "bybit", "hyperliquid", "okx", "deribit")


def unknown(venue: str) -> str:
    """What to say of a venue that there is not."""
    return f"{venue} is not a known exchange: use one of {', '.join(VENUES)}"


def connection_id() -> str:
    """A name that no other subscription has."""
    return secrets.token_hex(8)


def traits(venue: str) -> Traits:
    """How the venue differs. Raises UsageError for one that is not known."""
    if venue not in VENUES:
        raise UsageError(unknown(venue))
    return cast("Traits", import_module(f"perptape.exchanges.{venue}").TRAITS)


def connect(
    venue: str,
    access: Access,
    clock: Callable[[], int] = time.time_ns,
    ids: Callable[[], str] = connection_id,
    *,
    ahead: bool = False,
) -> Exchange:
    """The venue, reached through CCXT (imported here). `clock`: the local wall clock in ns. Close it when done.

    ahead: its list of contracts is asked for at once, inside the running loop; the first call of `instruments` has that answer.
    """
    if venue not in VENUES:
        raise UsageError(unknown(venue))
    from perptape.exchanges._ccxt import CcxtExchange

    exchange = CcxtExchange(cast("Venue", import_module(f"perptape.exchanges.{venue}")), access, clock, ids)
    if ahead:
        exchange.ask_ahead()
    return exchange
