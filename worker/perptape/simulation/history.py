"""Windows over a ticker's history, across the lifetimes that it had.

Pure. What every venue's pages are cut from: the rows that are published by now, newest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract, Settlement
    from perptape.simulation.market import Market

LONGEST_INTERVAL = 8 * 3_600_000
"""No venue settles less often than every eight hours."""


def published_stamps(
    market: Market, lifetimes: Sequence[Contract], period: int, first: int, last: int, now: int, limit: int
) -> list[tuple[Contract, int]]:
    """The newest `limit` stamps of open interest in [first, last] that are published by `now`, newest first."""
    found: list[tuple[Contract, int]] = []
    for contract in reversed(lifetimes):
        latest = now - market.publication_jitter_ms - market.publication_delay(contract.venue) - 2 * period
        begin = max(first, contract.listed)
        end = min(last, now) if contract.delisted is None else min(last, now, contract.delisted - 1)
        for stamp in range(end // period * period, begin - 1, -period):
            if len(found) == limit:
                return found
            if stamp < latest or market.published(contract, stamp, period) <= now:
                found.append((contract, stamp))
    return found


def oldest_settled(market: Market, lifetimes: Sequence[Contract], start: int, end: int, limit: int) -> list[tuple[Contract, Settlement]]:
    """At least the oldest `limit` settlements in [start, end), ascending."""
    found: list[tuple[Contract, Settlement]] = []
    for contract in lifetimes:
        begin = max(start, contract.listed)
        until = min(end, begin + (limit - len(found) + 1) * LONGEST_INTERVAL)
        found += [(contract, one) for one in market.settlements(contract, begin, until)]
        if len(found) >= limit:
            break
    return found


def newest_settled(market: Market, lifetimes: Sequence[Contract], start: int, end: int, limit: int) -> list[tuple[Contract, Settlement]]:
    """At least the newest `limit` settlements in [start, end), ascending."""
    found: list[tuple[Contract, Settlement]] = []
    for contract in reversed(lifetimes):
        until = end if contract.delisted is None else min(end, contract.delisted)
        begin = max(start, until - (limit - len(found) + 1) * LONGEST_INTERVAL)
        found = [(contract, one) for one in market.settlements(contract, begin, until)] + found
        if len(found) >= limit:
            break
    return found
