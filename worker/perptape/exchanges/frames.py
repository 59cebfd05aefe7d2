"""A venue's WebSocket in words: where it is, what is sent to subscribe, and what each frame that comes says.

Pure. `Stream.read` tells a `Hearing` what a parsed frame holds; it makes no objects for it, because thousands come in a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from perptape.exchanges.culprit import ODD, Malformed, blamed
from perptape.exchanges.text import short


class Hearing(Protocol):
    """Who is told what a frame says."""

    def feed(self, topic: str | None, time: int | None = None) -> None:
        """A message of the feed: of the contract `topic` (the venue's id), or of all. `time`: ms of what it tells, if venues replay."""

    def event(self, id: str, time: int, side: str, price: Any, average: Any, quantity: Any, venue_id: str | None) -> None:
        """One liquidation of the contract `id`; `side` (BUY, SELL) is the order's."""

    def control(self, time: int | None) -> None:
        """A message of the control topic."""

    def acknowledged(self, count: int) -> None:
        """So many subscriptions are acknowledged."""

    def refused(self, message: str) -> None:
        """A subscription is refused."""

    def malformed(self, message: str) -> None:
        """A part of a frame that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A venue's public WebSocket."""

    address: tuple[str, ...]
    """Where CCXT Pro's ``urls['api']`` has it."""
    subscribe: Callable[[Sequence[str], str], Sequence[Any]]
    """(the venue's ids, the control topic) -> the frames to send."""
    acknowledgements: Callable[[Sequence[Any]], int]
    """How many acknowledgements those frames lead to."""
    read: Callable[[Any, Hearing], None]
    """Tells what a frame says; what it does not know it passes over (pongs, notices)."""
    finish: Callable[[str], str] = str
    """The address -> the URL."""


class _Deaf:
    """A `Hearing` that does nothing: for reading a frame once more."""

    def feed(self, topic: str | None, time: int | None = None) -> None: ...
    def event(self, id: str, time: int, side: str, price: Any, average: Any, quantity: Any, venue_id: str | None) -> None: ...
    def control(self, time: int | None) -> None: ...
    def acknowledged(self, count: int) -> None: ...
    def refused(self, message: str) -> None: ...
    def malformed(self, message: str) -> None: ...


DEAF: Final[Hearing] = _Deaf()


def each(found: Any, tell: Callable[[Any, Hearing], None], hearing: Hearing) -> None:
    """Tells every item of a batch: one that cannot be understood is reported, and the rest goes on. Raises TypeError for no list."""
    if not isinstance(found, list):
        raise TypeError("is no list")
    for item in found:
        try:
            tell(item, hearing)
        except ODD as error:
            hearing.malformed(blamed(item, lambda seen: tell(seen, DEAF), error))


def unknown(field: str, value: Any) -> Malformed:
    """What to raise of a frame of no kind that was asked for: a venue that changed its wire must not go unnoticed."""
    return Malformed(f"{field}: {short(value)} is nothing that was subscribed to")


def chunks(topics: Sequence[str], size: int) -> list[Sequence[str]]:
    """Topics in groups of at most `size`."""
    return [topics[start : start + size] for start in range(0, len(topics), size)]
