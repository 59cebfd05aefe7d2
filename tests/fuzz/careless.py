"""Venues read carelessly, as one does in a hurry: what the fuzzing must notice, or it has no power."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from perptape.exchanges import binance
from perptape.exchanges.calls import Call, Conversation, Rows, items
from perptape.exchanges.frames import Hearing
from perptape.instruments import Instrument
from perptape.interval import EARLIEST, LATEST, Interval
from perptape.raw import RawFunding

VENUE = "binance"


def _invents(item: Any, one: Instrument) -> RawFunding | None:
    """A rate where the venue gave none."""
    return RawFunding(one, int(item["fundingTime"]), item.get("fundingRate") or "0.0001234")


def _silent(item: Any, one: Instrument) -> RawFunding | None:
    """What it cannot understand it leaves out."""
    try:
        return RawFunding(one, int(item["fundingTime"]), item["fundingRate"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _asserts(item: Any, one: Instrument) -> RawFunding | None:
    """It takes for granted what it was told."""
    assert isinstance(item, dict)
    return RawFunding(one, int(item["fundingTime"]), item["fundingRate"])


def _nameless(item: Any, one: Instrument) -> RawFunding | None:
    """Whatever is wrong, it says the same."""
    try:
        return RawFunding(one, int(item["fundingTime"]), item["fundingRate"])
    except (LookupError, TypeError, ValueError, AttributeError):
        raise ValueError from None


def _untimely(item: Any, one: Instrument) -> RawFunding | None:
    """What has no time that it can read it leaves out."""
    try:
        time = int(item["fundingTime"])
    except (LookupError, TypeError, ValueError):
        return None
    return RawFunding(one, time, item["fundingRate"]) if EARLIEST <= time < LATEST else None


def _accuses(item: Any, one: Instrument) -> RawFunding | None:
    """Whatever is wrong, it says that the time is."""
    try:
        return RawFunding(one, int(item["fundingTime"]), format(Decimal(item["fundingRate"]), "f"))
    except (LookupError, TypeError, ValueError, ArithmeticError):
        raise ValueError("time: it cannot be understood") from None


def _swaps(frame: Any, hearing: Hearing) -> None:
    """It takes an order's quantity for its price and its price for its quantity."""
    binance.STREAM.read(frame, _Swapped(hearing))


class _Swapped:
    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hearing, name)

    def event(self, id: str, time: int, side: str, price: Any, average: Any, quantity: Any, venue_id: str | None) -> None:
        self._hearing.event(id, time, side, quantity, average, price, venue_id)


def _instruments() -> Conversation[Rows[Instrument]]:
    """It lists what it understands."""
    listed, _ = yield from binance.instruments()
    return listed, []


def _page(read: Callable[[Any, Instrument], RawFunding | None]) -> Callable[[Instrument, Interval], Conversation[Rows[RawFunding]]]:
    def funding_page(instrument: Instrument, window: Interval) -> Conversation[Rows[RawFunding]]:
        (reply,) = yield [Call("fapiPublicGetFundingRate", {"symbol": instrument.venue_id})]
        rows: list[RawFunding] = []
        dropped: list[str] = []
        for item in items(reply.payload):
            try:
                row = read(item, instrument)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                dropped.append(str(error) if read is _accuses else f"it cannot be understood ({type(error).__name__})")
            else:
                rows += [row] if row is not None else []
        return rows, dropped

    return funding_page


def careless(name: str) -> Any:
    """The venue, read in that way."""
    told = {key: value for key, value in vars(binance).items() if not key.startswith("__")}
    return SimpleNamespace(**told | READERS[name])


READERS: Mapping[str, Mapping[str, Any]] = {
    "invents": {"funding_page": _page(_invents)},
    "silent": {"funding_page": _page(_silent)},
    "asserts": {"funding_page": _page(_asserts)},
    "nameless": {"funding_page": _page(_nameless)},
    "untimely": {"funding_page": _page(_untimely)},
    "unlisted": {"instruments": _instruments},
    "accuses": {"funding_page": _page(_accuses)},
    "swaps": {"STREAM": replace(binance.STREAM, read=_swaps)},
}
NAMES: Sequence[str] = tuple(READERS)
