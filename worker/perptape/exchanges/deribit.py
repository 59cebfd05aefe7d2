"""Deribit, perpetuals (inverse BTC and ETH, linear in USDC and USDT).

Pure: what differs, as data, and how its answers read. Sources: [doc] docs.deribit.com, [seen] recorded payloads, [ccxt] CCXT's source.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from perptape.exchanges.base import CallLimit, Feed, History, PageRule, Traits
from perptape.exchanges.calls import Call, Conversation, Reaction, Rows, asked, decimal, items, moment, of_one, read, some, whole
from perptape.exchanges.culprit import Malformed
from perptape.exchanges.frames import Hearing, Stream, chunks, each, unknown
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, SECOND, Interval, floor
from perptape.raw import RawFill, RawFunding, RawLiquidation, RawOpenInterest, RawPrediction, RawVolume

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
        # [doc] get_last_trades_by_instrument_and_time: at most 1000 trades of [start, end], the oldest first if asked so
        repair_page=PageRule(limit=1000, order="forward", margin=0, ties=True),
    ),
    limits=(
        CallLimit("credits", 100, 5 * SECOND),  # [doc] 50 000 credits at 500 a call, 10 000 come back a second
        CallLimit("instruments", 50, 50 * SECOND),  # [doc] get_instruments: 1 a second
    ),
    notes=(
        "liquidations: fills of trades, by trade id",
        "funding accrues every millisecond and is stored as the hourly interest; the 8-hour figure is the prediction's",
    ),
)

CCXT = "deribit"
CODES: dict[str, Reaction] = {
    "13503": "retry",  # "unavailable": CCXT files it under its bare ExchangeError
    "10028": "limit",
    "10040": "retry",  # "retry"
    "10041": "retry",  # "settlement_in_progress"
    "10047": "retry",  # "matching_engine_queue_full"
    "11051": "maintenance",
    "13020": "skip",  # "not_found"
    "-32602": "skip",  # "Invalid params"
}
_CREDIT = {"credits": 1}
_NEVER = 32_503_708_800_000  # [seen] the expiration of a perpetual


def clock() -> Conversation[int | None]:
    (reply,) = yield [Call("publicGetGetTime", cost=_CREDIT)]
    return moment(reply.payload, "result")


def instruments() -> Conversation[Rows[Instrument]]:
    """Those listed now and the expired."""
    live, gone = yield [_listing("false"), _listing("true")]
    now = live.received
    return read(some(live.payload, "result") + items(gone.payload, "result"), lambda item: _instrument(item, now))


def _listing(expired: str) -> Call:
    return Call("publicGetGetInstruments", {"currency": "any", "kind": "future", "expired": expired}, {"instruments": 1})


def _instrument(item: Any, now: int) -> Instrument | None:
    if item["settlement_period"] != "perpetual":
        return None
    id, base, quote, settle = item["instrument_name"], item["base_currency"], item["quote_currency"], item["settlement_currency"]
    gone = str(item["is_active"]).lower() != "true"
    ends = whole(item.get("expiration_timestamp")) or _NEVER
    return Instrument(
        venue="deribit", id=f"{id}.DERIBIT", symbol=f"{base}/{quote}:{settle}", venue_id=id, base=base, quote=quote, settle=settle,
        linear=item["instrument_type"] == "linear", contract_size=Decimal(str(item["contract_size"])), tick=decimal(item["tick_size"]),
        lot=decimal(item["min_trade_amount"]), funding_minutes=60, listed=whole(item["creation_timestamp"]),
        delisted=min(ends, now) if gone else None,
    )  # fmt: skip


def open_interest(instruments: Sequence[Instrument]) -> Conversation[Rows[RawOpenInterest]]:
    """One call for each coin of settlement. The figure is USD on an inverse perpetual, base coin on a linear one."""
    summaries = yield from _summaries(instruments)

    def row(item: Any, one: Instrument) -> RawOpenInterest:
        held = item["open_interest"]
        time, mark = whole(item["creation_timestamp"]), item["mark_price"]
        return RawOpenInterest(one, time, base=held, mark=mark) if one.linear else RawOpenInterest(one, time, usd=held, mark=mark)

    return asked(summaries, _name, instruments, row)


def volume(instruments: Sequence[Instrument]) -> Conversation[Rows[RawVolume]]:
    """`volume_usd` is sent for every future [doc]; `volume` is in base coins."""
    summaries = yield from _summaries(instruments)
    return asked(summaries, _name, instruments, lambda item, one: RawVolume(one, item["volume_usd"]))


def open_interest_page(instrument: Instrument, period: int, window: Interval) -> Conversation[Rows[RawOpenInterest]]:
    raise Malformed("Deribit serves no history of open interest")


def funding(instruments: Sequence[Instrument]) -> Conversation[Rows[RawPrediction]]:
    """`current_funding` is the rate that accrues now, for 8 hours; the hour's interest is paid at the next full hour."""
    summaries = yield from _summaries(instruments)

    def row(item: Any, one: Instrument) -> RawPrediction:
        time = int(item["creation_timestamp"])
        return RawPrediction(
            one, time, item["current_funding"], floor(time, HOUR) + HOUR, interval_minutes=480, mark=item["mark_price"],
            index=item.get("estimated_delivery_price"),
        )  # fmt: skip

    return asked(summaries, _name, instruments, row)


def funding_page(instrument: Instrument, window: Interval) -> Conversation[Rows[RawFunding]]:
    """Both bounds are inclusive. The hour's own interest, so that rows sum to what was paid (`interest_8h` overlaps eightfold)."""
    params = {"instrument_name": instrument.venue_id, "start_timestamp": window.start, "end_timestamp": window.end - 1}
    (reply,) = yield [Call("publicGetGetFundingRateHistory", params, _CREDIT, instrument)]
    return read(items(reply.payload, "result"), lambda item: RawFunding(instrument, whole(item["timestamp"]), item["interest_1h"]))


def _name(item: Any) -> str:
    return str(item["instrument_name"])


def _summaries(instruments: Sequence[Instrument]) -> Conversation[list[Any]]:
    coins = sorted({one.settle for one in instruments})
    replies = yield [Call("publicGetGetBookSummaryByCurrency", {"currency": coin, "kind": "future"}, _CREDIT) for coin in coins]
    # one coin may have no contract left; that all have none is no answer
    return some([item for reply in replies for item in items(reply.payload, "result")])


_SIDE = {"buy": "BUY", "sell": "SELL"}
_OTHER = {"buy": "SELL", "sell": "BUY"}


def _subscribe(ids: Sequence[str], control: str) -> list[Any]:
    # [doc] "raw" needs an account; 100ms groups the trades of an interval and leaves none out
    channels = [control, *(f"trades.{id}.100ms" for id in ids)]
    return [
        {"jsonrpc": "2.0", "id": number, "method": "public/subscribe", "params": {"channels": list(part)}}
        for number, part in enumerate(chunks(channels, 100))
    ]


def _read(frame: Any, hearing: Hearing) -> None:
    params = frame.get("params")
    if params is None:
        if "error" in frame:
            hearing.refused(str(frame["error"].get("message")))
        elif isinstance(frame.get("result"), list):
            hearing.acknowledged(len(frame["result"]))
        else:
            raise unknown("result", frame.get("result"))
        return
    kind, _, rest = params["channel"].partition(".")
    if kind == "trades":
        hearing.feed(rest.rpartition(".")[0])
        each(params["data"], _trade, hearing)
    elif kind == "ticker":
        hearing.control(params["data"]["timestamp"])
    else:
        raise unknown("params.channel", params["channel"])


def _trade(item: Any, hearing: Hearing) -> None:
    id = item["instrument_name"]  # before the flag: an entry without anything has none either, and would pass for a trade of nobody's
    for order in _orders(item):
        price = item["price"]
        hearing.event(id, item["timestamp"], order, price, price, item["contracts"], item["trade_id"])


def _orders(item: Any) -> list[str]:
    """The sides of the orders in a flagged trade: T, the taker was liquidated (in its direction); M, the maker (against it); MT, both."""
    flag = item.get("liquidation")
    if flag is None or flag == "none":
        return []
    if flag not in ("T", "M", "MT"):
        raise ValueError(f"liquidation: {flag!r} is none of T, M, MT")
    return [side[item["direction"]] for party, side in (("T", _SIDE), ("M", _OTHER)) if party in flag]


def _trades_page(instrument: Instrument, window: Interval) -> Conversation[Rows[RawFill]]:
    """All trades: both bounds are inclusive."""
    params = {
        "instrument_name": instrument.venue_id, "start_timestamp": window.start, "end_timestamp": window.end - 1, "count": 1000,
        "sorting": "asc",
    }  # fmt: skip
    (reply,) = yield [Call("publicGetGetLastTradesByInstrumentAndTime", params, _CREDIT, instrument)]
    return of_one(items(reply.payload, "result", "trades"), "instrument_name", instrument, lambda item: _fill(instrument, item))


def _fill(one: Instrument, item: Any) -> RawFill:
    """[doc] `contracts` may be absent in historical trades; `amount` is in USD on an inverse perpetual, in base coin on a linear one."""
    sides, time, price = _orders(item), whole(item["timestamp"]), item["price"]
    size = item.get("contracts")
    if size is None and sides:
        size = str(Decimal(str(item["amount"])) / one.contract_size)
    return RawFill(time, tuple(RawLiquidation(one, time, side, price, price, size, item["trade_id"]) for side in sides))


REPAIR = _trades_page


STREAM = Stream(
    address=("ws",),
    subscribe=_subscribe,
    acknowledgements=lambda frames: sum(len(frame["params"]["channels"]) for frame in frames),  # an unknown channel is left out of it
    read=_read,
)
