"""Deribit, perpetuals (inverse BTC and ETH, linear in USDC and USDT).

Pure: what differs, as data, and how its answers read. Sources: [doc] docs.deribit.com, [seen] recorded payloads, [ccxt] CCXT's source.
"""

from __future__ import annotations

from perptape.exchanges.base import Feed, History, PageRule, Traits
from perptape.interval import DAY, MINUTE

TRAITS = Traits(
    venue="deribit",
    title="Deribit",
    nautilus_venue="DERIBIT",
    default_perpetual=lambda base: f"{base}/USD:{base}" if base in ("BTC", "ETH") else f"{base}/USDC:USDC",
    open_interest_history=None,  # no endpoint serves one
    # [ccxt] get_funding_rate_history: at most 744 hourly rows, the oldest of the window; CCXT's pages of 31 days lose 24 h each
    funding_history=History(page=PageRule(limit=744, order="forward", span=30 * DAY), stamp="instant"),
    funding_fixed_interval=60,  # interest_1h, so that rows sum to what was paid
    feed=Feed(
        scope="symbol",
        completeness="complete",
        rule="every trade is pushed; those of a liquidation are flagged (T: the taker's, M: the maker's, MT: both)",
        push_interval=2_000,
        quiet_limit=5 * MINUTE,
        control="ticker.BTC-PERPETUAL.100ms",
        quantity_unit="contracts",
        repair="trades",
    ),
    notes=(
        "liquidations: fills of trades, by trade id",
        "funding accrues every millisecond and is stored as the hourly interest; the 8-hour figure is the prediction's",
    ),
)
