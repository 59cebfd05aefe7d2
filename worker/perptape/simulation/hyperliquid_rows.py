"""Hyperliquid's rows: one function per shape, every figure a string with a decimal point.

Pure. Sizes are in base coin; a context has no time in it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract, Trade
    from perptape.simulation.market import Market

_DAY = 86_400_000


def text(value: Decimal) -> str:
    plain = format(value, "f")
    if "." not in plain:
        return plain + ".0"
    plain = plain.rstrip("0")
    return plain + "0" if plain.endswith(".") else plain


def listed(market: Market, now: int) -> list[Contract]:
    """Every coin that was ever listed, one row each: the delisted stay in the universe, because a coin's place is its asset number."""
    newest = {each.id: each for each in market.contracts("hyperliquid") if each.listed <= now}
    return list(newest.values())


def premium(market: Market, base: str, t: int) -> str:
    return text((market.mark(base, t) / market.index(base, t) - 1).quantize(Decimal("1e-8")))


def context(market: Market, contract: Contract, now: int) -> dict[str, Any]:
    """What is known of a coin now. `openInterest` is in base coin; there is no time in it."""
    if not contract.trades_at(now):
        price = text(market.on_tick(contract, market.mark(contract.base, contract.delisted or now)))
        return {"funding": "0.0", "openInterest": "0.0", "prevDayPx": price, "dayNtlVlm": "0.0", "premium": None, "oraclePx": price,
                "markPx": price, "midPx": None, "impactPxs": None, "dayBaseVlm": "0.0"}  # fmt: skip
    oracle, mark, middle, day_ago = (
        market.on_tick(contract, price)
        for price in (
            market.index(contract.base, now),
            market.mark(contract.base, now),
            market.price(contract.base, now),
            market.price(contract.base, now - _DAY),
        )
    )
    volume = market.volume(contract, now)
    return {
        "funding": text(market.predicted(contract, now)),
        "openInterest": text(market.open_interest(contract, now)),
        "prevDayPx": text(day_ago),
        "dayNtlVlm": text((volume * mark).quantize(Decimal("1e-6"))),
        "premium": premium(market, contract.base, now),
        "oraclePx": text(oracle),
        "markPx": text(mark),
        "midPx": text(middle),
        "impactPxs": [text(middle - contract.tick), text(middle + contract.tick)],
        "dayBaseVlm": text(volume),
    }


def coin(contract: Contract, now: int) -> dict[str, Any]:
    decimals = max(0, -int(contract.lot.normalize().as_tuple().exponent))
    row = {"szDecimals": decimals, "name": contract.id, "maxLeverage": 40 if contract.id == "BTC" else 25, "marginTableId": 50}
    return row if contract.trades_at(now) else {**row, "isDelisted": True}


def universe(market: Market, now: int) -> dict[str, Any]:
    return {"universe": [coin(each, now) for each in listed(market, now)], "marginTables": [], "collateralToken": 0}


def mids(market: Market, now: int) -> dict[str, str]:
    return {each.id: text(market.on_tick(each, market.price(each.base, now))) for each in market.contracts("hyperliquid", now)}


def public_trade(coin: str, trade: Trade) -> dict[str, Any]:
    """A public trade; `side` is the taker's, B or A (ask), and nothing says whether it liquidated anybody."""
    return {
        "coin": coin,
        "side": "B" if trade.side == "BUY" else "A",
        "px": text(trade.price),
        "sz": text(trade.contracts),
        "time": trade.time,
        "hash": f"0x{trade.seq:064x}",
        "tid": trade.seq,
        "users": [f"0x{1:040x}", f"0x{2:040x}"],
    }
