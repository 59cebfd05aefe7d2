"""Hyperliquid, perpetuals of the venue's own list (builder-deployed ones are left out).

Pure: what differs, as data, and how its answers read. Sources: [doc] hyperliquid.gitbook.io, [seen] recorded payloads, [ccxt] its source.
"""

from __future__ import annotations

from perptape.exchanges.base import History, PageRule, Traits

TRAITS = Traits(
    venue="hyperliquid",
    title="Hyperliquid",
    nautilus_venue="HYPERLIQUID",
    default_perpetual=lambda base: f"{base}/USDC:USDC",  # margined in USDC, also where BTC/USD:USD is asked for
    open_interest_history=None,  # no endpoint serves one
    # [doc] fundingHistory: 500 rows, ascending from startTime
    funding_history=History(page=PageRule(limit=500, order="forward"), stamp="instant"),
    feed=None,
    no_feed="Hyperliquid has no public feed of liquidations: only an account's own fills say it, so there is nothing to stream or to poll",
    open_interest_sides="both",  # by a third party's documentation (hydromancer); the venue's does not say
    time_source="the Date header of the answer (the venue's contexts carry no time)",
    notes=("funding is settled every hour",),
)
