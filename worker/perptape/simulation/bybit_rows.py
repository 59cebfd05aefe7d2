"""Bybit's rows: one function per shape, every figure and time of REST a string.

Pure. Quantities are base coin. Marked: [D] the venue's documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract, Liquidation, Settlement
    from perptape.simulation.market import Market

DAY = 86_400_000


def instrument(contract: Contract, now: int) -> dict[str, Any]:
    """One entry of instruments-info."""
    tick, lot = format(contract.tick, "f"), format(contract.lot, "f")
    trades = contract.trades_at(now)
    return {
        "symbol": contract.id,
        "contractType": "LinearPerpetual",
        "status": "Trading" if trades else "Closed",
        "baseCoin": contract.base,
        "quoteCoin": contract.quote,
        "launchTime": str(contract.listed),
        "deliveryTime": "0" if trades else str(contract.delisted),
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
        "lotSizeFilter": {
            "maxOrderQty": "1190000.000",
            "minOrderQty": lot,
            "qtyStep": lot,
            "postOnlyMaxOrderQty": "1190000.000",
            "maxMktOrderQty": "500000.000",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": contract.funding_interval(now),
        "settleCoin": contract.settle,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
    }


def ticker(market: Market, contract: Contract, now: int) -> dict[str, str]:
    """One symbol's ticker, over REST as on the WebSocket."""
    last, before = market.price(contract.base, now), market.price(contract.base, now - DAY)
    mark, held = market.mark(contract.base, now), market.open_interest(contract, now)
    price, tick, traded = format(last, "f"), contract.tick, market.volume(contract, now)
    return {
        "symbol": contract.id,
        "lastPrice": price,
        "indexPrice": format(market.index(contract.base, now), "f"),
        "markPrice": format(mark, "f"),
        "prevPrice24h": format(before, "f"),
        "price24hPcnt": format(last / before - 1, ".6f"),
        "highPrice24h": format(max(last, before), "f"),
        "lowPrice24h": format(min(last, before), "f"),
        "prevPrice1h": format(market.price(contract.base, now - DAY // 24), "f"),
        "openInterest": format(held, "f"),
        "openInterestValue": format(held * mark, ".2f"),
        "turnover24h": format(traded * last, ".4f"),
        "volume24h": format(traded, ".4f"),
        "fundingRate": format(market.predicted(contract, now), "f"),
        "nextFundingTime": str(market.next_settlement(contract, now)),
        "fundingIntervalHour": str(contract.funding_interval(now) // 60),
        "bid1Price": format(last - tick, "f"),
        "bid1Size": format(contract.lot, "f"),
        "ask1Price": format(last + tick, "f"),
        "ask1Size": format(contract.lot, "f"),
    }


def bucket(market: Market, contract: Contract, stamp: int, seen: int) -> dict[str, str]:
    """One bucket of the open-interest history, with what was held at the moment `seen`: base coin only."""
    return {"openInterest": format(market.open_interest(contract, seen), ".8f"), "timestamp": str(stamp)}


def settlement(contract: Contract, settled: Settlement) -> dict[str, str]:
    """One settled rate."""
    return {"symbol": contract.id, "fundingRate": format(settled.rate, "f"), "fundingRateTimestamp": str(settled.time)}


def liquidation(event: Liquidation) -> dict[str, Any]:
    """One liquidation: S is the side of the position (Buy: a long was liquidated), p its bankruptcy price [D]."""
    return {
        "T": event.time,
        "s": event.contract,
        "S": "Buy" if event.side == "SELL" else "Sell",
        "v": format(event.base, "f"),
        "p": format(event.bankruptcy_price, "f"),
    }
