"""OKX's rows: one function per shape, every figure a string as the venue sends it.

Pure. Sizes are in contracts: `ctVal` base coins each on a linear swap, `ctVal` USD on an inverse one (recorded instruments list).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from perptape.simulation.contract import Contract, Liquidation, Settlement
    from perptape.simulation.market import Market

Row = dict[str, str]
_DAY = 86_400_000


def text(value: Decimal) -> str:
    """The figure without an exponent and without superfluous zeros."""
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def family(id: str) -> Row:
    """What names an instrument in a liquidation."""
    underlying = id.removesuffix("-SWAP")
    return {"instFamily": underlying, "instId": id, "instType": "SWAP", "uly": underlying}


def instrument(market: Market, contract: Contract, now: int) -> dict[str, object]:
    """A row of public/instruments (recorded shape); base and quote stand in `uly` only."""
    lot = text(contract.lot)
    empty = dict.fromkeys(
        ("alias", "auctionEndTime", "baseCcy", "contTdSwTime", "expTime", "maxMktAmt", "maxPlatOILmt", "openType", "optType",
         "posLmtAmt", "posLmtPct", "preMktSwTime", "quoteCcy", "stk"), ""
    )  # fmt: skip
    return {
        **empty,
        **family(contract.id),
        "category": "1",
        "ctMult": "1",
        "ctType": "linear" if contract.linear else "inverse",
        "ctVal": text(contract.contract_size),
        "ctValCcy": contract.base if contract.linear else contract.quote,
        "futureSettlement": False,
        "instIdCode": crc32(contract.id.encode()) % 100_000,
        "lever": "100",
        "listTime": str(contract.listed),
        "lotSz": lot,
        "maxIcebergSz": "100000000.0000000000000000",
        "maxLmtAmt": "20000000",
        "maxLmtSz": "100000000",
        "maxMktSz": "30000",
        "maxStopSz": "30000",
        "maxTriggerSz": "100000000.0000000000000000",
        "maxTwapSz": "100000000.0000000000000000",
        "minSz": lot,
        "ruleType": "normal",
        "settleCcy": contract.settle,
        "state": "live",
        "tickSz": text(contract.tick),
        "tradeQuoteCcyList": [],
    }


def _held(market: Market, contract: Contract, t: int) -> tuple[str, str, str]:
    """Open interest in contracts, base coin and USD (one-sided, as the venue counts it)."""
    base = market.open_interest(contract, t)
    worth = (base * market.mark(contract.base, t)).quantize(Decimal("1e-6"))
    return text(market.open_contracts(contract, t)), text(base), text(worth)


def open_interest(market: Market, contract: Contract, now: int) -> Row:
    """A row of public/open-interest, of one instrument as of all."""
    contracts, base, worth = _held(market, contract, now)
    return {"instId": contract.id, "instType": "SWAP", "oi": contracts, "oiCcy": base, "oiUsd": worth, "ts": str(now)}


def open_interest_bucket(market: Market, contract: Contract, seen: int, opened: int) -> list[str]:
    """A row of the history, [ts, oi, oiCcy, oiUsd], with the open interest of the moment `seen`: now while it is not final."""
    return [str(opened), *_held(market, contract, seen)]


def funding_rate(market: Market, contract: Contract, now: int) -> Row:
    """A row of public/funding-rate. `fundingRate` settles at `fundingTime`; `nextFundingRate` is empty (all 509 rows of a live answer)."""
    coming = market.next_settlement(contract, now)
    settled = market.settlements(contract, max(contract.listed, now - _DAY), now + 1)
    before = settled[-1] if settled else None
    return {
        "formulaType": "withRate",
        "fundingRate": text(market.predicted(contract, now)),
        "fundingTime": str(coming),
        "impactValue": "10000.0000000000000000",
        "instId": contract.id,
        "instType": "SWAP",
        "interestRate": "0.0001000000000000",
        "maxFundingRate": "0.00375",
        "method": "current_period",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": str(market.next_settlement(contract, coming)),
        "premium": text(market.mark(contract.base, now) / market.index(contract.base, now) - 1)[:18],
        "prevFundingTime": str(before.time) if before else "",
        "settFundingRate": text(before.rate) if before else "",
        "settState": "settled",
        "ts": str(now),
    }


def settlement(market: Market, contract: Contract, settled: Settlement) -> Row:
    """A row of the funding history. `fundingRate` was the last prediction; what was paid is `realizedRate`."""
    return {
        "formulaType": "withRate",
        "fundingRate": text(market.predicted(contract, settled.time - 60_000)),
        "fundingTime": str(settled.time),
        "instId": contract.id,
        "instType": "SWAP",
        "method": "current_period",
        "realizedRate": text(settled.rate),
    }


def mark_price(market: Market, contract: Contract, now: int) -> Row:
    """A row of public/mark-price and of its channel."""
    price = market.on_tick(contract, market.mark(contract.base, now))
    return {"instId": contract.id, "instType": "SWAP", "markPx": text(price), "ts": str(now)}


def ticker(market: Market, contract: Contract, now: int) -> Row:
    """A row of market/tickers and of its channel."""
    last = market.on_tick(contract, market.price(contract.base, now))
    ask, bid = last + contract.tick, max(last - contract.tick, contract.tick)
    day_ago = market.on_tick(contract, market.price(contract.base, now - _DAY))
    volume = market.traded_contracts(contract, now)
    return {
        "instType": "SWAP",
        "instId": contract.id,
        "last": text(last),
        "lastSz": text(contract.lot),
        "askPx": text(ask),
        "askSz": text(contract.lot * 40),
        "bidPx": text(bid),
        "bidSz": text(contract.lot * 55),
        "open24h": text(day_ago),
        "high24h": text(max(last, day_ago)),
        "low24h": text(min(last, day_ago)),
        "volCcy24h": text(market.base_amount(contract, volume, last)),
        "vol24h": text(volume),
        "ts": str(now),
        "sodUtc0": text(day_ago),
        "sodUtc8": text(day_ago),
    }


def liquidation_detail(event: Liquidation) -> Row:
    """One order of a liquidation. `side` is the order's, `bkPx` the bankruptcy price (never a fill), `sz` in contracts."""
    return {
        "bkLoss": "0",
        "bkPx": text(event.bankruptcy_price),
        "ccy": "",
        "posSide": "long" if event.side == "SELL" else "short",
        "side": event.side.lower(),
        "sz": text(event.contracts),
        "ts": str(event.time),
    }
