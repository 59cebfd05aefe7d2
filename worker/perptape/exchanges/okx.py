"""OKX, perpetual swaps.

Pure: what differs, as data, and how its answers read. Sources: [doc] okx.com/docs-v5, [seen] recorded payloads, [ccxt] CCXT's source.
"""

from __future__ import annotations

from perptape.exchanges.base import Feed, History, PageRule, Traits
from perptape.interval import DAY, HOUR, MINUTE

TRAITS = Traits(
    venue="okx",
    title="OKX swap",
    nautilus_venue="OKX",
    default_perpetual=lambda base: f"{base}/USDT:USDT",
    open_interest_history=History(
        # [doc] rubik/stat/contracts/open-interest-history: at most 100 rows, newest first, begin and end both exclusive
        page=PageRule(limit=100, order="backward"),
        periods=(5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY),
        # not documented; seen in September 2026: 3 days of 5m, 5 of 1H, 100 of 1D, those between by the finer neighbour
        retention=3 * DAY,
        retention_of={HOUR: 5 * DAY, 2 * HOUR: 5 * DAY, 4 * HOUR: 5 * DAY, 6 * HOUR: 100 * DAY, 12 * HOUR: 100 * DAY, DAY: 100 * DAY},
        stamp="start",  # the bucket that is still open is listed too, and moves until it ends
    ),
    # [doc] funding-rate-history: at most 100 (newest first), the last three months; before and after exclusive, before alone is ignored
    funding_history=History(page=PageRule(limit=100, order="backward"), retention=90 * DAY, stamp="instant"),
    feed=Feed(
        scope="market",  # [doc] liquidation-orders is subscribed by instType, so that it speaks often
        completeness="sampled",
        rule="at most one order per contract and second is pushed, which does not represent the total",  # [doc]
        push_interval=2_000,
        quiet_limit=5 * MINUTE,
        control="tickers:BTC-USDT-SWAP",  # [doc] pushed every 100 ms
        quantity_unit="contracts",
        repair="recent",
        repair_retention=7 * DAY,  # [doc] liquidation-orders by REST: "the recent 7 days"
    ),
    open_interest_sides="one",
    notes=(
        "liquidations: price is the bankruptcy price, not a fill; after a subscription old orders may be repeated",
        "funding: the realised rate is stored, not the last prediction",
    ),
)
