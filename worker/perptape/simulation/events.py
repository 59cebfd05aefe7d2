"""What happens on a contract in one second: liquidations and trades, drawn from hashes of (seed, contract, second).

Pure. The place of an event in its second makes its id, so that ids ascend with time.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from perptape.simulation.chance import bits, poisson, uniform
from perptape.simulation.contract import Contract, Flag, Liquidation, Side, Trade

if TYPE_CHECKING:
    from perptape.simulation.market import Market

FILL_VENUES = frozenset({"deribit"})
"""Venues that tell of liquidations by flagging trades, so that one fill may liquidate both of its sides."""
_RATES = {"BTC": 0.5, "ETH": 0.4, "SOL": 0.2}
_OTHER_RATE = 0.03


def _moments(market: Market, contract: Contract, second: int, with_trades: bool) -> list[tuple[int, bool, int]]:
    """(time, whether a liquidation, its draw) of one second; the place in the list makes the id, so ids ascend with time."""
    key = (market.seed, contract.venue, contract.id)
    rate = market.liquidation_rates.get((contract.venue, contract.id), _RATES.get(contract.base, _OTHER_RATE))
    draws = [bits(*key, "event", second, number) for number in range(poisson(rate, uniform(*key, "liq", second)))]
    draws += [draw for draw in draws if draw % 16 == 0]  # a twin: equal in every sent value, in the same millisecond
    moments = [(second * 1000 + (draw >> 8) % 1000, True, draw) for draw in draws]
    if with_trades:
        draws = [bits(*key, "trade", second, number) for number in range(1 + second % 2)]
        moments += [(second * 1000 + (draw >> 8) % 1000, False, draw) for draw in draws]
    return sorted(moment for moment in moments if contract.trades_at(moment[0]))


def liquidated(market: Market, contract: Contract, second: int) -> list[Liquidation]:
    moments = _moments(market, contract, second, contract.venue in FILL_VENUES)
    numbered = ((second * 1000 + number, *moment) for number, moment in enumerate(moments))
    return [event for seq, time, liquidated, draw in numbered if liquidated for event in _event(market, contract, seq, time, draw)[0]]


def _event(market: Market, contract: Contract, seq: int, time: int, draw: int) -> tuple[list[Liquidation], Flag]:
    """A liquidation and the side of the fill that it was; two of one id where both sides were liquidated."""
    side: Side = "SELL" if draw >> 20 & 1 else "BUY"
    away = 1 if side == "BUY" else -1
    fair = market.mark(contract.base, time)
    average = market.on_tick(contract, fair)
    worth = 10 ** (2.5 + 3 * ((draw >> 24) % 4096) / 4096)
    unit = float(contract.contract_size * fair) if contract.linear else float(contract.contract_size)
    contracts = max(1, round(worth / unit / float(contract.lot))) * contract.lot
    fills = contract.venue in FILL_VENUES
    price = average if fills else market.on_tick(contract, fair * (1 + away * Decimal("0.003")))
    broke = market.on_tick(contract, fair * (1 + away * Decimal((draw >> 40) % 50 + 10) / 10_000))
    base = market.base_amount(contract, contracts, average)
    event = Liquidation(str(seq), seq, time, contract.id, side, price, average, broke, base, contracts)
    if not fills:
        return [event], "T"
    flag: Flag = ("T", "T", "T", "M", "T", "M", "T", "MT")[draw >> 50 & 7]
    other: Side = "BUY" if side == "SELL" else "SELL"
    return [event, replace(event, side=other)] if flag == "MT" else [event], flag


def traded(market: Market, contract: Contract, second: int) -> list[Trade]:
    moments = _moments(market, contract, second, with_trades=True)
    return [_trade(market, contract, second * 1000 + number, *moment) for number, moment in enumerate(moments)]


def _trade(market: Market, contract: Contract, seq: int, time: int, liquidated: bool, draw: int) -> Trade:
    if not liquidated:
        side: Side = "BUY" if draw >> 40 & 1 else "SELL"
        price = market.on_tick(contract, market.price(contract.base, time))
        return Trade(str(seq), seq, time, side, price, (1 + (draw >> 44) % 40) * contract.lot, None)
    (event, *_), flag = _event(market, contract, seq, time, draw)
    taker: Side = event.side if flag != "M" else "BUY" if event.side == "SELL" else "SELL"
    return Trade(event.id, seq, time, taker, event.average_price, event.contracts, flag)
