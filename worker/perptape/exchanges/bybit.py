"""Bybit, linear perpetuals.

Pure: what differs, as data, and how its answers read. Sources: [doc] bybit-exchange.github.io/docs/v5, [seen] recorded payloads,
[ccxt] CCXT's source and threads.
"""

from __future__ import annotations

from perptape.exchanges.base import Feed, History, PageRule, Traits
from perptape.interval import DAY, HOUR, MINUTE

TRAITS = Traits(
    venue="bybit",
    title="Bybit linear",
    nautilus_venue="BYBIT",
    default_perpetual=lambda base: f"{base}/USDT:USDT",
    open_interest_history=History(
        # [doc] open-interest: limit 50, at most 200; newest first and end-anchored, a lone startTime is ignored (CCXT PR #30016)
        page=PageRule(limit=200, order="backward"),
        periods=(5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, DAY),
        stamp="start",  # CCXT: the newest bucket is stamped up to an interval ago
    ),
    # [doc] funding/history: limit 200, newest first; startTime alone is an error
    funding_history=History(page=PageRule(limit=200, order="backward"), stamp="instant"),
    feed=Feed(
        scope="symbol",  # [doc] allLiquidation.{symbol}: there is no topic for all
        completeness="complete",  # [doc] "pushes all liquidations that occur"
        rule="all liquidations, pushed every 500 ms",
        push_interval=2_000,
        quiet_limit=5 * MINUTE,
        control="tickers.BTCUSDT",  # [doc] pushed every 100 ms
        quantity_unit="base",
    ),
    open_interest_sides="unknown",  # [doc] v5 says "the sum of both sides", v3 said "single side"
    notes=(
        "open interest now is taken from the tickers: the history's newest bucket is up to its period old",
        "liquidations: price is the bankruptcy price, not a fill",
    ),
)
