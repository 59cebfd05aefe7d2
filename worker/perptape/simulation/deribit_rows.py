"""Deribit's rows: one function per recorded shape, numbers as numbers.

Pure. `open_interest` and a trade's `amount` are USD on inverse perpetuals and base coin on linear ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from perptape.simulation.contract import Contract, Settlement, Trade
    from perptape.simulation.market import Market

HOUR, DAY = 3_600_000, 86_400_000
_NEVER = 32_503_708_800_000  # expiration of a perpetual (recorded)


def instrument(contract: Contract, now: int) -> dict[str, Any]:
    """A row of get_instruments (recorded shape)."""
    return {
        "price_index": f"{contract.base}_{contract.quote}".lower(),
        "kind": "future",
        "instrument_name": contract.id,
        "max_leverage": 50,
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "instrument_type": "linear" if contract.linear else "reversed",
        "expiration_timestamp": contract.delisted or _NEVER,
        "creation_timestamp": contract.listed,
        "is_active": contract.trades_at(now),
        "state": "open" if contract.trades_at(now) else "closed",
        "tick_size": float(contract.tick),
        "contract_size": float(contract.contract_size),
        "instrument_id": crc32(contract.id.encode()) % 1_000_000,
        "min_trade_amount": float(contract.lot * contract.contract_size),
        "future_type": "linear" if contract.linear else "reversed",
        "max_liquidation_commission": 0.0075,
        "block_trade_commission": 0.00025,
        "block_trade_min_trade_amount": 200_000,
        "block_trade_tick_size": 0.01,
        "settlement_currency": contract.settle,
        "settlement_period": "perpetual",
        "base_currency": contract.base,
        "counter_currency": contract.quote,
        "quote_currency": contract.quote,
        "tick_size_steps": [],
    }


def held(market: Market, contract: Contract, now: int) -> float:
    """Open interest in the venue's unit: USD when inverse, base coin when linear."""
    return float(market.open_contracts(contract, now) * contract.contract_size)


def _prices(market: Market, contract: Contract, now: int) -> dict[str, float]:
    last = market.on_tick(contract, market.price(contract.base, now))
    figures: dict[str, Decimal] = {
        "last": last,
        "bid": last - contract.tick,
        "ask": last + contract.tick,
        "mark": market.mark(contract.base, now),
        "index": market.index(contract.base, now),
        "day_ago": market.on_tick(contract, market.price(contract.base, now - DAY)),
    }
    return {name: float(round(figure, 8)) for name, figure in figures.items()}


def _funding(market: Market, contract: Contract, now: int) -> dict[str, float]:
    """`current_funding` is the rate that accrues now, per 8 hours; `funding_8h` what the last 8 hours came to."""
    settled = market.settlements(contract, now - 8 * HOUR + 1, now + 1)
    return {"current_funding": float(market.predicted(contract, now) * 8), "funding_8h": float(sum(each.rate for each in settled))}


def summary(market: Market, contract: Contract, now: int) -> dict[str, Any]:
    """A row of the book summaries (recorded shape)."""
    prices, open_interest = _prices(market, contract, now), held(market, contract, now)
    volume = market.volume(contract, now)
    notional = float(round(volume * market.price(contract.base, now), 2))
    return {
        "high": max(prices["last"], prices["day_ago"]),
        "low": min(prices["last"], prices["day_ago"]),
        "last": prices["last"],
        "instrument_name": contract.id,
        "bid_price": prices["bid"],
        "ask_price": prices["ask"],
        "open_interest": open_interest,
        "mark_price": prices["mark"],
        "creation_timestamp": now,
        "price_change": round(100 * (prices["last"] / prices["day_ago"] - 1), 4),
        "volume": float(volume),
        "estimated_delivery_price": prices["index"],
        "base_currency": contract.base,
        "quote_currency": contract.quote,
        "volume_usd": notional,
        "volume_notional": notional,
        **_funding(market, contract, now),
        "mid_price": prices["last"],
    }


def ticker(market: Market, contract: Contract, now: int) -> dict[str, Any]:
    """The answer of public/ticker and the data of its channel (recorded shape)."""
    row, prices = summary(market, contract, now), _prices(market, contract, now)
    stats = ("high", "low", "price_change", "volume", "volume_usd", "volume_notional")
    return {
        "timestamp": now,
        "state": "open",
        "stats": {name: row[name] for name in stats},
        "index_price": prices["index"],
        "instrument_name": contract.id,
        "last_price": prices["last"],
        "settlement_price": prices["day_ago"],
        "min_price": round(prices["mark"] * 0.985, 4),
        "max_price": round(prices["mark"] * 1.015, 4),
        "open_interest": row["open_interest"],
        "mark_price": prices["mark"],
        "interest_value": round(row["current_funding"] * 100, 12),
        "best_ask_price": prices["ask"],
        "best_bid_price": prices["bid"],
        "estimated_delivery_price": prices["index"],
        "best_ask_amount": float(contract.lot * contract.contract_size * 40),
        "best_bid_amount": float(contract.lot * contract.contract_size * 55),
        "current_funding": row["current_funding"],
        "funding_8h": row["funding_8h"],
    }


def trade(market: Market, contract: Contract, fill: Trade) -> dict[str, Any]:
    """A trade; `direction` is the taker's, and `liquidation` is there on liquidations only (recorded rows)."""
    row = {
        "trade_seq": fill.seq,
        "trade_id": fill.id if contract.settle == "BTC" else f"{contract.settle}-{fill.id}",  # "66460463", "ETH-284830839" (recorded)
        "timestamp": fill.time,
        "tick_direction": fill.seq % 4,
        "price": float(fill.price),
        "mark_price": float(round(market.mark(contract.base, fill.time), 4)),
        "instrument_name": contract.id,
        "index_price": float(round(market.index(contract.base, fill.time), 4)),
        "direction": fill.side.lower(),
        "contracts": float(fill.contracts),
        "amount": float(fill.contracts * contract.contract_size),
    }
    return row if fill.liquidation is None else {**row, "liquidation": fill.liquidation}


def funding(market: Market, contract: Contract, last_eight: Sequence[Settlement]) -> dict[str, Any]:
    """An hour's row: `interest_1h` is what was paid at it, `interest_8h` what the 8 hours up to it came to."""
    settled = last_eight[-1]
    return {
        "timestamp": settled.time,
        "index_price": float(round(market.index(contract.base, settled.time), 2)),
        "prev_index_price": float(round(market.index(contract.base, settled.time - HOUR), 2)),
        "interest_8h": float(sum(each.rate for each in last_eight)),
        "interest_1h": float(settled.rate),
    }
