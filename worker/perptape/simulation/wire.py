"""What a simulated venue's wire format says, as values: requests in, replies and frames out.

Pure: the server (`server`) owns sockets, limits, faults and the clock; a wire only translates the market's truth into the
shapes that the venue sends. One file per venue implements `Wire`. Nothing here is shared with the worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from perptape.simulation.contract import Liquidation, Trade
    from perptape.simulation.market import Market


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, already parsed. `now` is the venue's clock in ms."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    now: int


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is JSON-able (the server serialises it) or bytes (sent as they are)."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` of cost per `window_ms`, sliding or fixed as the venue does it.

    A cost named `<name>/<anything>` counts by itself under the limit `<name>` (per instrument, per endpoint).
    """

    name: str
    amount: int
    window_ms: int
    shape: Literal["fixed", "sliding", "bucket"] = "fixed"
    """fixed: starts anew at every multiple of the window; sliding: over the last window; bucket: refills evenly."""
    ban_after: int | None = None
    """How many further requests over the limit lead to a ban (None: never)."""
    ban_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that a connection is subscribed to.

    `kind` is "liquidations", "control" (the busy topic that proves the connection) or "trades" (Deribit's, which carry the
    liquidations). `contract` is the venue's id, or None for a whole-market topic. `name` is the venue's own spelling.
    """

    kind: str
    name: str
    contract: str | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What a client's message led to: frames to send back at once, topics added and topics removed."""

    frames: tuple[Any, ...] = ()
    added: tuple[Topic, ...] = ()
    removed: tuple[Topic, ...] = ()


class Wire(Protocol):
    """A venue's wire format. All methods are pure."""

    @property
    def venue(self) -> str:
        """The exchange's name."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What one address may ask for."""

    @property
    def push_interval_ms(self) -> int:
        """How often the venue pushes a liquidation topic: events since the last push go out together (0: each at once)."""

    def owns(self, path: str) -> bool:
        """Whether an HTTP path is one of this venue's (a server may carry all five venues on one port)."""

    def owns_socket(self, path: str) -> bool:
        """Whether a WebSocket path is one of this venue's."""

    def reply(self, request: Request, market: Market) -> Reply:
        """The truthful answer, with the venue's limits of rows, its order, retention, publication delay and error shapes."""

    def costs(self, request: Request) -> Mapping[str, int]:
        """What the request costs in each of the venue's limits, by name."""

    def limited(self, request: Request, banned: bool, retry_after_s: int) -> Reply:
        """The 429 or 418 (or the venue's own error) for a request over the limit."""

    def usage(self, used: Mapping[str, int]) -> Mapping[str, str]:
        """Headers that report usage, where the venue sends any (Binance's x-mbx-used-weight-1m)."""

    def receive(self, message: Any, path: str, now: int) -> Subscribed:
        """What a client's frame (already parsed JSON, or the text of a ping) leads to."""

    def liquidation_frames(self, topic: Topic, events: Iterable[Liquidation], now: int) -> list[Any]:
        """The frames that carry these events on this topic, batched and sampled as the venue does."""

    def control_frames(self, topic: Topic, market: Market, now: int) -> list[Any]:
        """The control topic's frames for one tick (the server calls it about once a second)."""


@runtime_checkable
class Sampling(Protocol):
    """A wire whose venue drops events: the server pushes only what `sampled` keeps (bursts are pushed whole)."""

    def sampled(self, events: Iterable[Liquidation]) -> list[Liquidation]:
        """The events that the venue sends, in their order."""


@runtime_checkable
class Trading(Protocol):
    """A wire with topics of kind "trades": the server hands it the trades since the last push."""

    def trade_frames(self, topic: Topic, trades: Iterable[Trade], now: int, market: Market) -> list[Any]:
        """The frames that carry these trades on this topic; `market` knows their contract."""


@runtime_checkable
class Maintainable(Protocol):
    """A wire that has words of its own for maintenance (others answer a bare 503)."""

    def unavailable(self, request: Request) -> Reply:
        """What every call answers during maintenance."""
