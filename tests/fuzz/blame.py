"""Whether what a reason names is what was broken: which keys of a venue's payloads are behind the names that rows have.

Pure. A reason names a key as the venue sends it (``bkPx``), a place in a list without keys (``place 3``), a row's own field (``price``)
or more than one field (``the whole``). A key is rightly blamed where it was broken itself or stood in what was; a row's field where one
of the keys behind it was. What is more than one field is blamed rightly in these cases alone:

- ``the whole``: what was put there as an entry of a list that is read by entries is of another kind than those;
- ``rows``: such a list holds nothing by now;
- ``universe``: Hyperliquid's coins or contexts became more or fewer, or are no list;
- ``contract``: the contract's name was broken, or stood in what was;
- ``frame``: the text is no JSON, as with NaN in it;
- ``the venue's word``: what CCXT takes for a refusal was broken or put there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from fuzz.mutate import Mutation, encoded
from perptape.exchanges.culprit import dotted
from perptape.exchanges.text import short

Keys = Mapping[str, tuple[str, ...]]

BEHIND: Mapping[str, Keys] = {
    "binance": {
        "the whole": ("symbols.*", "*"), "rows": ("symbols.*", "*"),
        "time": ("timestamp", "fundingTime", "T", "E"), "contract": ("symbol", "s"), "venue id": ("symbol",),
        "open interest": ("openInterest", "sumOpenInterest", "sumOpenInterestValue"),
        "base": ("openInterest", "sumOpenInterest", "baseAsset"), "usd": ("sumOpenInterestValue",), "mark": ("markPrice",),
        "index": ("indexPrice",), "rate": ("lastFundingRate", "fundingRate"), "next funding time": ("nextFundingTime",),
        "interval": ("fundingIntervalHours",), "side": ("S",), "price": ("p",), "average price": ("ap",), "quantity": ("z",),
        "quote": ("quoteAsset",), "settle": ("marginAsset",), "listed": ("onboardDate",),
        "delisted": ("deliveryDate", "status"), "funding minutes": ("fundingIntervalHours",), "e": ("id",),
    },
    "bybit": {
        "the whole": ("result.list.*", "data.*"), "rows": ("result.list.*", "data.*"),
        "time": ("timestamp", "fundingRateTimestamp", "T", "ts"), "contract": ("symbol", "s"), "venue id": ("symbol",),
        "open interest": ("openInterest", "openInterestValue"), "base": ("openInterest", "baseCoin"), "usd": ("openInterestValue",),
        "mark": ("markPrice",), "index": ("indexPrice",), "rate": ("fundingRate",), "next funding time": ("nextFundingTime",),
        "interval": ("fundingIntervalHour",), "side": ("S",), "price": ("p",), "quantity": ("v",), "quote": ("quoteCoin",),
        "settle": ("settleCoin",), "listed": ("launchTime",), "delisted": ("deliveryTime", "status"),
        "funding minutes": ("fundingInterval",), "op": ("topic",),
    },
    "hyperliquid": {
        "the whole": ("universe.*", "*"), "rows": ("*",),
        "contract": ("name", "isDelisted"), "venue id": ("name",), "base": ("openInterest", "name"),
        "open interest": ("openInterest",), "mark": ("markPx",), "index": ("oraclePx",), "rate": ("funding", "fundingRate"),
        "place 0": ("0.universe.*",), "place 1": ("1.*",), "universe": ("universe", "0.universe", "1"),
    },
    "okx": {
        "the whole": ("data.*", "data.*.details.*"), "rows": ("data.*", "data.*.details.*"),
        "time": ("ts", "fundingTime", "data.*.0"), "contract": ("instId",), "venue id": ("instId",),
        "open interest": ("oi", "oiCcy", "oiUsd", "data.*.1", "data.*.2", "data.*.3"), "contracts": ("oi", "data.*.1"),
        "base": ("oiCcy", "instFamily", "data.*.2"), "usd": ("oiUsd", "data.*.3"), "rate": ("fundingRate", "realizedRate"),
        "next rate": ("nextFundingRate",), "next funding time": ("fundingTime",), "interval": ("fundingTime", "nextFundingTime"),
        "price": ("bkPx",), "quantity": ("sz",), "quote": ("instFamily",), "settle": ("settleCcy",),
        "contract size": ("ctVal", "ctMult"), "multiplier": ("ctMult",), "listed": ("listTime",),
        "funding minutes": ("fundingTime", "nextFundingTime"), "data": ("event",), **{f"place {n}": (f"data.*.{n}",) for n in range(4)},
    },
    "deribit": {
        "the whole": ("result.*", "result.trades.*", "params.data.*"), "rows": ("result.*", "result.trades.*", "params.data.*"),
        "time": ("timestamp", "creation_timestamp"), "contract": ("instrument_name",), "venue id": ("instrument_name", "trade_id"),
        "open interest": ("open_interest",), "base": ("open_interest", "base_currency"), "usd": ("open_interest",),
        "mark": ("mark_price",), "index": ("estimated_delivery_price",), "rate": ("current_funding", "interest_1h"),
        "side": ("direction",), "average price": ("price",), "quantity": ("contracts", "amount"),
        "quote": ("quote_currency",), "settle": ("settlement_currency",), "contract size": ("contract_size",),
        "listed": ("creation_timestamp",), "delisted": ("expiration_timestamp", "is_active"), "result": ("params",),
    },
}  # fmt: skip
"""Venue -> the name in a reason -> the keys behind it beside one of that name, or paths of what has no key (``*``: any place in a list).

``e``, ``op``, ``result`` and ``data`` are what a frame is told by: one without the key on the right is looked at for the one on the left.
"""

REFUSING: Mapping[str, frozenset[str]] = {
    "binance": frozenset(["code", "msg"]),
    "bybit": frozenset(["retCode", "retMsg"]),
    "hyperliquid": frozenset(["status", "error"]),
    "okx": frozenset(["code", "msg"]),
    "deribit": frozenset(["error"]),
}
"""What CCXT takes for the venue's refusal of an answer; it is shown as the venue's word."""


def rightly(named: str, reason: str, done: Mutation, payload: Any, venue: str) -> bool:
    """Whether a `reason` may blame what is `named` for what was `done`, which left the `payload`."""
    behind = BEHIND[venue].get(named, ())
    match named:
        case "the whole":
            return _is_of_list(done, behind) and any(not isinstance(entry, dict) or "is no list" in reason for entry in _put(done))
        case "rows":
            return _is_of_list(done, behind) and done.after == []
        case "universe":
            return _is_of_list(done, behind) or (done.moves and _is_of_list(done, [f"{path}.*" for path in behind]))
        case "frame":
            return not _is_json(payload)
        case "the venue's word":
            return bool(done.broken & REFUSING[venue])
    broken = any(done.at(key) if _is_path(key) else key in done.broken for key in behind)
    return named in done.broken or broken or _lacks(named, reason, done)


def _is_of_list(done: Mutation, paths: Sequence[str]) -> bool:
    """Whether it was done to what stands there, or to what holds that, and not inside it."""
    return any(done.at(path) and len(done.path) <= path.count(".") + 1 for path in paths)


def _put(done: Mutation) -> list[Any]:
    """The entries of a list that the change put there."""
    if done.kind in ("gone", "twice"):
        return []
    return ([done.after] if done.is_entry else []) + (done.after if isinstance(done.after, list) else [])


def _lacks(named: str, reason: str, done: Mutation) -> bool:
    """Of an entry that was put there any field may be named that it has not: where the reason shows that entry, or the path to it, be it
    from the top or from an entry around it."""
    lacking = [entry for entry in _put(done) if isinstance(entry, dict) and named not in entry]
    shown = any(reason.endswith(f"{named}: is missing: {short(entry)}") for entry in lacking)
    paths = [dotted((*done.path[begin:], named)) for begin in range(max(len(done.path) - 1, 1))]
    return shown or (bool(lacking) and any(f": {path}: is missing: " in f": {reason}" for path in paths))


def _is_path(key: str) -> bool:
    return "*" in key or "." in key or key.isdigit()


def _is_json(payload: Any) -> bool:
    try:
        orjson.loads(encoded(payload))
    except orjson.JSONDecodeError:
        return False
    return True
