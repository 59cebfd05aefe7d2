"""Binance, USD-M perpetuals.

Pure: what differs, as data, and how its answers read. Sources: [doc] developers.binance.com/docs/derivatives/usds-margined-futures,
[seen] recorded payloads, [ccxt] measured through CCXT 4.5.90.
"""

from __future__ import annotations

from perptape.exchanges.base import Feed, History, PageRule, Traits
from perptape.interval import DAY, HOUR, MINUTE

TRAITS = Traits(
    venue="binance",
    title="Binance USD-M",
    nautilus_venue="BINANCE",
    default_perpetual=lambda base: f"{base}/USDT:USDT",
    open_interest_history=History(
        # [doc] openInterestHist: limit 30, at most 500; "only the data of the latest 1 month is available". Beyond limit rows the
        # newest before endTime come (end-anchored, CCXT PR #30016); an older startTime is refused with -1130 (CCXT issue #23712)
        page=PageRule(limit=500, order="backward"),
        periods=(5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY),
        retention=30 * DAY,
        stamp="instant",  # unverified: the documentation does not say; a bucket is listed minutes after its stamp
    ),
    # [doc] fundingRate: limit 100, at most 1000, ascending from startTime
    funding_history=History(page=PageRule(limit=1000, order="forward"), stamp="instant"),
    feed=Feed(
        scope="market",  # !forceOrder@arr: one topic for all symbols, so that it speaks often
        completeness="sampled",
        rule="only the latest liquidation order of a symbol within 1000 ms is pushed",  # [doc] Liquidation Order Streams
        push_interval=2_000,
        quiet_limit=5 * MINUTE,
        control="btcusdt@markPrice@1s",  # [doc] once a second
        quantity_unit="base",
    ),
    open_interest_calls="each",  # [doc] openInterest takes one symbol
    open_interest_sides="one",
    notes=("liquidations: at most one order per symbol and second is sent; sums are too low",),
)
