"""What a venue is asked and how its answers are read, without asking: a venue's file holds conversations of calls and replies.

Pure. A conversation is a generator: it yields the calls that can be made at once, is sent their replies in the same order, and
returns what it read. `_ccxt` carries conversations out; tests hand in payloads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeVar

from perptape.exchanges.base import Traits
from perptape.exchanges.culprit import ODD, Malformed, blamed, dotted
from perptape.exchanges.frames import Stream
from perptape.exchanges.text import short
from perptape.instruments import Instrument
from perptape.interval import Interval
from perptape.raw import RawFill, RawFunding, RawOpenInterest, RawPrediction, RawVolume

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `method` is CCXT's name of the endpoint (``fapiPublicGetOpenInterest``)."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, int] = field(default_factory=dict)
    """What it costs in which of `Traits.limits`; ``name/instrument`` counts by itself under the limit `name`."""
    instrument: Instrument | None = None
    """Whom alone it is about: beside others, its refusal is a line in `Answer.dropped`."""
    path: str = ""
    """Of a public endpoint that CCXT has no name for: where it is."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The payload as the venue sent it, numbers as strings. `received`: ms on the venue's clock; `date`: the answer's Date header."""

    payload: Any
    received: int
    date: int | None = None


class Unlisted(ValueError):
    """An answer about all contracts that has none of those asked for: the venue does not list them (any more)."""


Rows = tuple[list[T], list[str]]
"""(rows, one line for each item of a payload that could not be understood)."""

Conversation = Generator[Sequence[Call], Sequence[Reply], T]


def _shown(payload: Any) -> str:
    return short(payload) if payload not in ("", None) else "it is empty"


def at(payload: Any, *path: str | int) -> Any:
    """What stands at `path` of a payload; raises Malformed, showing the payload, where nothing does."""
    found = payload
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            raise Malformed(f"no {dotted(path)} in the answer: {_shown(payload)}") from None
    return found


def items(payload: Any, *path: str | int) -> list[Any]:
    """The list at `path`; raises Malformed for anything else."""
    found = at(payload, *path)
    if not isinstance(found, list):
        raise Malformed(f"no list at {dotted(path) or 'the top'} of the answer: {_shown(payload)}")
    return found


def some(payload: Any, *path: str | int) -> list[Any]:
    """The list at `path` of an answer that is never empty (a list of all contracts)."""
    found = items(payload, *path)
    if not found:
        raise Malformed(f"an empty list at {dotted(path) or 'the top'} of the answer: {_shown(payload)}")
    return found


def read(found: Iterable[Any], make: Callable[[Any], T | None]) -> Rows[T]:
    """Each item through `make` (None: not wanted); one that it cannot understand becomes a line and ends nothing."""
    rows: list[T] = []
    dropped: list[str] = []
    for item in found:
        try:
            row = make(item)
        except ODD as error:
            dropped.append(blamed(item, make, error))
            continue
        if row is not None:
            rows.append(row)
    return rows, dropped


def asked(
    found: Iterable[Any], id: Callable[[Any], str], wanted: Sequence[Instrument], make: Callable[[Any, Instrument], T | None]
) -> Rows[T]:
    """The items of the `wanted` out of an answer about all; a line for each that it lacks. Raises Unlisted where it lacks every one."""
    left = {one.venue_id: one for one in wanted}
    shown: set[str] = set()

    def mine(item: Any) -> T | None:
        one = left.get(id(item))
        if one is None:
            return None
        shown.add(one.venue_id)
        row = make(item, one)
        del left[one.venue_id]
        return row

    rows, dropped = read(found, mine)
    if wanted and len(left) == len(wanted) and not dropped:
        raise Unlisted(f"does not list {', '.join(left)}")
    return rows, dropped + [f"{lacking}: not in the answer" for lacking in left if lacking not in shown]


def of_one(found: Iterable[Any], key: str, one: Instrument, make: Callable[[Any], T | None]) -> Rows[T]:
    """Each item of a page that was asked for of one contract, through `make`; one that names another contract at `key` is a line."""

    def mine(item: Any) -> T | None:
        if key in item and item[key] != one.venue_id:
            raise ValueError(f"is not {one.venue_id}")
        return make(item)

    return read(found, mine)


def same(named: Any, field: str, one: Instrument) -> None:
    """Raises Malformed where an answer about one contract names another one at `field`; nothing is said by None."""
    if named is not None and named != one.venue_id:
        raise Malformed(f"{field}: {short(named)} is not {one.venue_id}")


def moment(payload: Any, *path: str | int) -> int | None:
    """The time at `path`; raises Malformed for what is none."""
    found = at(payload, *path)
    try:
        return whole(found)
    except ODD:
        raise Malformed(f"{dotted(path)}: {short(found)} is no time") from None


def whole(value: Any) -> int | None:
    """A time or count that may be sent as text; None for nothing."""
    if value is None or value == "":
        return None
    return int(value) if isinstance(value, int | str) else int(Decimal(str(value)))


def decimal(value: Any) -> Decimal | None:
    """An exact number of a list of contracts; None for nothing."""
    return None if value is None or value == "" else Decimal(str(value))


Reaction = Literal["retry", "limit", "maintenance", "shrink", "skip", "fatal"]
"""What a venue's own error code means for the caller."""


def error_code(body: str) -> str | None:
    """The venue's own error code in an answer: the first code, retCode or sCode that is not 0."""
    found = _CODE.findall(body[:2000])
    return next((code for code in found if code != "0"), None)


_CODE = re.compile(r'"(?:code|retCode|sCode)"\s*:\s*"?(-?\d+)')


class Venue(Protocol):
    """One venue's file: its differences as data, and how its answers are read."""

    TRAITS: Traits
    CCXT: str
    """CCXT's class."""
    STREAM: Stream | None
    REPAIR: Callable[[Instrument, Interval], Conversation[Rows[RawFill]]] | None
    """A page of past liquidations, where the venue serves any."""
    CODES: Mapping[str, Reaction]
    """The venue's error codes that CCXT files under a class which says too little or the wrong thing."""

    def clock(self) -> Conversation[int | None]:
        """The venue's time in ms; None where only the Date header tells it."""

    def instruments(self) -> Conversation[Rows[Instrument]]: ...
    def open_interest(self, instruments: Sequence[Instrument]) -> Conversation[Rows[RawOpenInterest]]: ...
    def volume(self, instruments: Sequence[Instrument]) -> Conversation[Rows[RawVolume]]: ...
    def open_interest_page(self, instrument: Instrument, period: int, window: Interval) -> Conversation[Rows[RawOpenInterest]]: ...
    def funding(self, instruments: Sequence[Instrument]) -> Conversation[Rows[RawPrediction]]: ...
    def funding_page(self, instrument: Instrument, window: Interval) -> Conversation[Rows[RawFunding]]: ...
