"""Binance's rows: one function per shape.

Pure. Figures are strings, times are numbers, quantities base coin. Marked: [R] a recorded payload.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract
    from perptape.simulation.market import Market

DAY = 86_400_000
_PERPETUAL_ENDS = 4_133_404_800_000  # the deliveryDate of every perpetual [R]


def symbol(contract: Contract, now: int) -> dict[str, Any]:
    """One entry of exchangeInfo; a delisted symbol stays in it, SETTLING."""
    tick, lot = format(contract.tick, "f"), format(contract.lot, "f")
    trades = contract.trades_at(now)
    extra = {} if contract.contract_size == 1 else {"contractSize": format(contract.contract_size, "f")}
    return {
        "symbol": contract.id,
        "pair": contract.id,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_ENDS if trades else contract.delisted,
        "onboardDate": contract.listed,
        "status": "TRADING" if trades else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "marginAsset": contract.settle,
        "pricePrecision": _decimals(contract.tick),
        "quantityPrecision": _decimals(contract.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "stepSize": lot, "maxQty": "10000000", "minQty": lot},
            {"filterType": "MARKET_LOT_SIZE", "stepSize": lot, "maxQty": "1000000", "minQty": lot},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        **extra,
    }


def _decimals(step: Decimal) -> int:
    exponent = step.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def bucket(market: Market, contract: Contract, stamp: int, seen: int) -> dict[str, Any]:
    """One bucket of the open-interest history, with what was held at the moment `seen`."""
    base = market.open_interest(contract, seen)
    return {
        "symbol": contract.id,
        "sumOpenInterest": format(base, ".8f"),
        "sumOpenInterestValue": format(base * market.mark(contract.base, seen), ".8f"),
        "CMCCirculatingSupply": "0.00000000",
        "timestamp": stamp,
    }


def premium(market: Market, contract: Contract, now: int) -> dict[str, Any]:
    """Mark price, index and the funding rate that accrues now."""
    index = format(market.index(contract.base, now), ".8f")
    return {
        "symbol": contract.id,
        "markPrice": format(market.mark(contract.base, now), ".8f"),
        "indexPrice": index,
        "estimatedSettlePrice": index,
        "lastFundingRate": format(market.predicted(contract, now), ".8f"),
        "interestRate": "0.00010000",
        "nextFundingTime": market.next_settlement(contract, now),
        "time": now,
    }


def day(market: Market, contract: Contract, now: int) -> dict[str, Any]:
    """One symbol of ticker/24hr."""
    last, before = market.price(contract.base, now), market.price(contract.base, now - DAY)
    volume = market.volume(contract, now)
    return {
        "symbol": contract.id,
        "priceChange": format(last - before, "f"),
        "priceChangePercent": format((last / before - 1) * 100, ".3f"),
        "weightedAvgPrice": format(last, "f"),
        "lastPrice": format(last, "f"),
        "lastQty": format(contract.lot, "f"),
        "openPrice": format(before, "f"),
        "highPrice": format(max(last, before), "f"),
        "lowPrice": format(min(last, before), "f"),
        "volume": format(volume, "f"),
        "quoteVolume": format(volume * last, ".2f"),
        "openTime": now - DAY,
        "closeTime": now,
        "firstId": 1,
        "lastId": now,
        "count": now // 1000 % 1_000_000,
    }
