"""Hyperliquid, perpetuals of the venue's own list (builder-deployed ones are left out).

Pure: what differs, as data, and how its answers read. Sources: [doc] hyperliquid.gitbook.io, [seen] recorded payloads, [ccxt] its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from perptape.exchanges.base import CallLimit, History, PageRule, Traits
from perptape.exchanges.calls import Call, Conversation, Reaction, Rows, asked, items, of_one, read, some, whole
from perptape.exchanges.culprit import Malformed
from perptape.instruments import Instrument
from perptape.interval import HOUR, MINUTE, Interval, floor
from perptape.raw import RawFunding, RawOpenInterest, RawPrediction, RawVolume

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
    limits=(CallLimit("weight", 1200, MINUTE),),  # [doc] by IP
    notes=("funding is settled every hour",),
)

CCXT = "hyperliquid"
CODES: dict[str, Reaction] = {}


def clock() -> Conversation[int | None]:
    (reply,) = yield [Call("publicPostInfo", {"type": "exchangeStatus"}, {"weight": 2})]
    return whole(reply.payload.get("time")) if isinstance(reply.payload, dict) else None


def instruments() -> Conversation[Rows[Instrument]]:
    """All, the delisted too: they stay in the list, flagged, without a date (the time of the answer stands in)."""
    (reply,) = yield [Call("publicPostInfo", {"type": "meta"}, {"weight": 20})]
    return read(some(reply.payload, "universe"), lambda item: _instrument(item, reply.received))


def _instrument(item: Any, now: int) -> Instrument:
    name = item["name"]
    return Instrument(
        venue="hyperliquid", id=f"{name}-USD-PERP.HYPERLIQUID", symbol=f"{name.upper()}/USDC:USDC", venue_id=name, base=name.upper(),
        quote="USDC", settle="USDC", linear=True, contract_size=Decimal(1), lot=Decimal(1).scaleb(-int(item["szDecimals"])),
        funding_minutes=60, delisted=now if item.get("isDelisted") else None,
    )  # fmt: skip


def open_interest(instruments: Sequence[Instrument]) -> Conversation[Rows[RawOpenInterest]]:
    contexts, time, _ = yield from _contexts()

    def row(item: Any, one: Instrument) -> RawOpenInterest:
        return RawOpenInterest(one, time, base=item[1]["openInterest"], mark=item[1]["markPx"])

    return asked(contexts, _name, instruments, row)


def volume(instruments: Sequence[Instrument]) -> Conversation[Rows[RawVolume]]:
    contexts, _, _ = yield from _contexts()
    return asked(contexts, _name, instruments, lambda item, one: RawVolume(one, item[1]["dayNtlVlm"]))


def open_interest_page(instrument: Instrument, period: int, window: Interval) -> Conversation[Rows[RawOpenInterest]]:
    raise Malformed("Hyperliquid serves no history of open interest")


def funding(instruments: Sequence[Instrument]) -> Conversation[Rows[RawPrediction]]:
    """The rate of the current hour, settled at the next full hour of the venue's clock."""
    contexts, time, now = yield from _contexts()

    def row(item: Any, one: Instrument) -> RawPrediction:
        context = item[1]
        coming = floor(now, HOUR) + HOUR
        return RawPrediction(one, time, context["funding"], coming, interval_minutes=60, mark=context["markPx"], index=context["oraclePx"])

    return asked(contexts, _name, instruments, row)


def funding_page(instrument: Instrument, window: Interval) -> Conversation[Rows[RawFunding]]:
    params = {"type": "fundingHistory", "coin": instrument.venue_id, "startTime": window.start, "endTime": window.end - 1}
    weight = 20 + min(500, len(window) // HOUR + 1) // 20  # [doc] 1 more for every 20 rows of the answer
    (reply,) = yield [Call("publicPostInfo", params, {"weight": weight}, instrument)]
    return of_one(items(reply.payload), "coin", instrument, lambda item: RawFunding(instrument, whole(item["time"]), item["fundingRate"]))


def _delisted(coin: Any) -> bool:
    return isinstance(coin, dict) and bool(coin.get("isDelisted"))


def _name(item: Any) -> str:
    return str(item[0]["name"])


def _contexts() -> Conversation[tuple[list[tuple[Any, Any]], int, int]]:
    """((coin, context) of all coins, the time that stands in for theirs, the venue's clock)."""
    (reply,) = yield [Call("publicPostInfo", {"type": "metaAndAssetCtxs"}, {"weight": 20})]
    coins, contexts = some(reply.payload, 0, "universe"), items(reply.payload, 1)
    if len(coins) != len(contexts):
        raise Malformed(f"universe: {len(coins)} coins but {len(contexts)} contexts")
    time = reply.received if reply.date is None else reply.date
    # the delisted stay in the list, with an open interest of 0.0 that is nobody's
    pairs = [(coin, context) for coin, context in zip(coins, contexts, strict=True) if not _delisted(coin)]
    return pairs, time, max(time, reply.received)


REPAIR = None
STREAM = None
