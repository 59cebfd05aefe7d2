"""The standard list of contracts: the same bases on all five venues, under ids and terms that look like each venue's.

Pure. Well-known bases come first, made-up ones fill up to the number asked for; one contract per venue has been delisted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal

from perptape.simulation.chance import uniform
from perptape.simulation.contract import Contract

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
VENUES = ("binance", "bybit", "okx", "hyperliquid", "deribit")

_KNOWN = {
    "BTC": 64000.0, "ETH": 3200.0, "SOL": 160.0, "XRP": 0.62, "DOGE": 0.14, "ADA": 0.45, "AVAX": 31.0, "LINK": 14.5,
    "LTC": 82.0, "DOT": 6.4, "BNB": 580.0, "TRX": 0.12, "BCH": 410.0, "NEAR": 5.2, "UNI": 9.1, "APT": 8.7,
}  # fmt: skip
DELISTED_BASE = "LUNA"
_LISTED_FROM = 1_577_836_800_000  # 2020-01-01
_DELISTED_AT = 1_717_200_000_000  # 2024-06-01
_SYLLABLES = tuple(c + v for c in "BDFGKLMNPRSTVZ" for v in "AEIOU")


def bases(count: int) -> list[str]:
    """The first `count` bases: the well-known ones, then made-up ones."""
    made_up = (f"{first}{second}X" for first in _SYLLABLES for second in _SYLLABLES)
    known = list(_KNOWN)[:count]
    return known + [next(made_up) for _ in range(count - len(known))]


def anchor_price(seed: int, base: str) -> float:
    """The price that a base wanders about."""
    known = _KNOWN.get(base)
    return known if known is not None else 10 ** (5 * uniform(seed, "anchor", base) - 2.5)


def standard(seed: int, symbols: int) -> dict[str, tuple[Contract, ...]]:
    """All five venues' contracts."""
    return {venue: tuple(_venue(seed, venue, symbols)) for venue in VENUES}


def _venue(seed: int, venue: str, symbols: int) -> Iterator[Contract]:
    for index, base in enumerate(bases(symbols)):
        listed = _LISTED_FROM + (index % 365) * DAY
        yield from _LISTERS[venue](seed, base, listed, None, _funding(venue, index, listed))
    yield from _LISTERS[venue](seed, DELISTED_BASE, _LISTED_FROM, _DELISTED_AT, _funding(venue, 0, _LISTED_FROM))


def _funding(venue: str, index: int, listed: int) -> tuple[tuple[int, int], ...]:
    if venue in ("hyperliquid", "deribit"):
        return ((listed, 60),)
    if index == 3:  # every March to 4 h, every September back to 8 h: a year of history always holds both
        changes = [(_month(year, month), hours * 60) for year in range(2021, 2040) for month, hours in ((3, 4), (9, 8))]
        return ((listed, 480), *changes)
    return ((listed, 240 if index in (4, 5) or index % 17 == 16 else 480),)


def _month(year: int, month: int) -> int:
    days = (year - 1970) * 365 + (year - 1969) // 4 + (0, 31, 59, 90, 120, 151, 181, 212, 243)[month - 1]
    return (days + (1 if month > 2 and year % 4 == 0 else 0)) * DAY


def _power(exponent: int) -> Decimal:
    return Decimal(1).scaleb(exponent)


def _magnitude(seed: int, base: str) -> int:
    return math.floor(math.log10(anchor_price(seed, base)))


Funding = tuple[tuple[int, int], ...]


def _usdt(venue: str) -> Callable[[int, str, int, int | None, Funding], Iterator[Contract]]:
    def contracts(seed: int, base: str, listed: int, delisted: int | None, funding: Funding) -> Iterator[Contract]:
        size = _magnitude(seed, base)
        tick, lot = _power(size - 5), _power(min(0, 1 - size))
        yield Contract(venue, f"{base}USDT", base, "USDT", "USDT", Decimal(1), True, tick, lot, listed, delisted, funding)

    return contracts


def _okx(seed: int, base: str, listed: int, delisted: int | None, funding: Funding) -> Iterator[Contract]:
    size = _magnitude(seed, base)
    tick, lot = _power(size - 5), Decimal("0.01") if base in ("BTC", "ETH", "SOL") else Decimal(1)
    yield Contract("okx", f"{base}-USDT-SWAP", base, "USDT", "USDT", _power(2 - size), True, tick, lot, listed, delisted, funding)
    if base in ("BTC", "ETH"):
        worth = Decimal(100 if base == "BTC" else 10)
        yield Contract("okx", f"{base}-USD-SWAP", base, "USD", base, worth, False, tick, Decimal(1), listed, delisted, funding)


def _hyperliquid(seed: int, base: str, listed: int, delisted: int | None, funding: Funding) -> Iterator[Contract]:
    size = _magnitude(seed, base)
    tick, lot = _power(size - 4), _power(min(0, -size))
    yield Contract("hyperliquid", base, base, "USDC", "USDC", Decimal(1), True, tick, lot, listed, delisted, funding)


def _deribit(seed: int, base: str, listed: int, delisted: int | None, funding: Funding) -> Iterator[Contract]:
    size = _magnitude(seed, base)
    if base in ("BTC", "ETH"):
        worth = Decimal(10 if base == "BTC" else 1)
        tick = Decimal("0.5") if base == "BTC" else Decimal("0.05")
        yield Contract("deribit", f"{base}-PERPETUAL", base, "USD", base, worth, False, tick, Decimal(1), listed, delisted, funding)
        return
    unit = _power(min(0, 1 - size))
    name = f"{base}_USDC-PERPETUAL"
    yield Contract("deribit", name, base, "USDC", "USDC", unit, True, _power(size - 4), Decimal(1), listed, delisted, funding)


_LISTERS = {
    "binance": _usdt("binance"),
    "bybit": _usdt("bybit"),
    "okx": _okx,
    "hyperliquid": _hyperliquid,
    "deribit": _deribit,
}
