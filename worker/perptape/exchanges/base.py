"""The port to a venue: what it can be asked, what it answers, and how it differs, as data.

Pure. Adapters (`_ccxt`) and fakes implement `Exchange` and pass one contract suite. Times are ms on the venue's clock, `received`
on our clock shifted to the venue's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from perptape.instruments import Instrument
from perptape.interval import DAY, MINUTE, Interval
from perptape.raw import LIVE, Answer, RawFill, RawFunding, RawLiquidation, RawOpenInterest, RawPrediction, RawVolume
from perptape.standing import PUBLISHED_WITHIN

if TYPE_CHECKING:
    from perptape.exchanges.turns import Turns

Stamp = Literal["start", "instant", "end"]
"""Of what moment a row's figure is: the end of the bucket that its stamp starts, the stamp, the start of the bucket that its stamp ends."""


@dataclass(frozen=True, slots=True)
class PageRule:
    """How a venue pages a history.

    order `forward`: the oldest `limit` rows from the window's start on. `backward`: the newest `limit` rows before its end.
    `span` is the longest window that one call may ask (None: any).
    """

    limit: int
    order: Literal["forward", "backward"]
    span: int | None = None
    margin: int = MINUTE
    """Windows are asked this much wider on both sides, ms: venues stamp rows some milliseconds off. 0 where stamps are exact."""
    ties: bool = False
    """Whether rows may share a time: then not all of the time at which a full page was cut may be in it."""


@dataclass(frozen=True, slots=True)
class History:
    """A history that a venue serves."""

    page: PageRule
    periods: tuple[int, ...] = ()
    """The bucket lengths that it serves, ms, ascending (open interest only)."""
    retention: int | None = None
    """How far back it goes, ms; None: to the listing."""
    retention_of: Mapping[int, int] = field(default_factory=dict)
    """period -> how far back that one goes, where it differs from `retention` (OKX keeps fine buckets for days, coarse ones for months)."""
    publication_delay: int = PUBLISHED_WITHIN
    """How long after a slot's end (a settlement) its row is certainly there."""
    final_after: int = DAY
    """A slot asked this long after its end, and still without a row, is empty."""
    stamp: Stamp = "start"
    """What time of its bucket a row carries, by the venue's documentation (unverified where the facts say so); audits measure it."""

    def kept(self, period: int | None = None) -> int | None:
        """How far back a period goes, ms; None: to the listing."""
        return self.retention if period is None else self.retention_of.get(period, self.retention)


@dataclass(frozen=True, slots=True)
class CallLimit:
    """`amount` of cost per `window` ms and IP, as the venue counts it."""

    name: str
    amount: int
    window: int
    header: str | None = None
    """The answer's header that tells how much of it the whole IP has used, where the venue sends one."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A live feed of liquidations."""

    scope: Literal["market", "symbol"]
    """Whether one topic carries every instrument's events (it is subscribed whole and filtered) or each its own."""
    completeness: Literal["complete", "sampled"]
    rule: str
    """What the venue itself drops, in its words; for `sampled` it is the claim's basis."""
    push_interval: int
    """ms between the venue's pushes, at least 2 s for what it is used for: claims end that much before the last mark."""
    quiet_limit: int
    """ms: the longest silence of the feed for which its time still counts as proven."""
    control: str
    """The busy topic on the same connection that proves the connection."""
    quantity_unit: Literal["base", "contracts", "quote"]
    repair: Literal["none", "recent", "trades"] = "none"
    """How holes can be filled: not at all; out of recent orders; out of all trades, which flag those of a liquidation."""
    repair_retention: int | None = None
    repair_page: PageRule | None = None
    """How that past is paged."""


@dataclass(frozen=True, slots=True)
class Traits:
    """How a venue differs, as data. Every odd value carries its source as a comment in the venue's file."""

    venue: str
    title: str
    nautilus_venue: str
    default_perpetual: Callable[[str], str | None]
    """base coin -> CCXT symbol of the venue's declared default perpetual of it."""
    open_interest_history: History | None
    funding_history: History
    feed: Feed | None
    no_feed: str = ""
    """Why there is no liquidation feed, for whoever asks."""
    open_interest_calls: Literal["one", "each"] = "one"
    """Whether current open interest of many instruments is one call or one each."""
    open_interest_sides: Literal["one", "both", "unknown"] = "unknown"
    funding_fixed_interval: int | None = None
    """Minutes that every stored settlement covers, where the venue's are not told apart by their distance (Deribit's hourly interest)."""
    time_source: str = "venue"
    """Where the time of current open interest comes from: the venue, or what stands in for it."""
    limits: tuple[CallLimit, ...] = ()
    circuit_failures: int = 5
    notes: tuple[str, ...] = ()


class Sink(Protocol):
    """What a liquidation stream tells its owner, as it happens. Must not raise and must be quick (it runs in the read loop).

    `received` is ns on the local clock shifted to the venue's. `connection` is a new random id for every subscription.
    """

    def acknowledged(self, connection: str, received: int) -> None:
        """All topics of the connection are acknowledged: ordinals start anew."""

    def control(self, connection: str, time: int | None, received: int) -> None:
        """A control-topic message (`time`: the venue's stamp in ms where it has one)."""

    def feed(self, connection: str, instrument: str | None, received: int) -> None:
        """Any message of the feed, also of instruments that nobody wants: the feed speaks. None: a whole-market topic. Not one that a
        venue replays of before the subscription: it does not show that the feed speaks."""

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        """One event of a wanted instrument."""

    def malformed(self, connection: str, message: str, received: int) -> None:
        """A frame of the feed that could not be understood: kept, counted, never an end of the loop."""

    def closed(self, connection: str, reason: str, received: int) -> None:
        """The connection is gone; nothing more comes of it."""


class Exchange(Protocol):
    """One venue. Raises Retry, Skip or Fatal and nothing else."""

    @property
    def traits(self) -> Traits: ...

    @property
    def origin(self) -> str | None:
        """``live`` or ``simulated:<seed>`` as the answers so far say; None before the first."""

    @property
    def offset(self) -> int:
        """ms to add to the local clock to get the venue's, as measured so far (0 before the first answer)."""

    async def now(self) -> int:
        """The venue's clock in ms, asking it when the offset is not known yet."""

    async def instruments(self) -> tuple[Instrument, ...]:
        """All perpetuals, delisted ones too where the venue lists them. Cached by the caller."""

    @property
    def listed_whole(self) -> bool:
        """Whether the last list could be understood whole: else what is missing from it may still be listed."""

    async def open_interest(self, instruments: Sequence[Instrument]) -> Answer[RawOpenInterest]:
        """Current open interest in the fewest calls."""

    async def volume(self, instruments: Sequence[Instrument]) -> Answer[RawVolume]:
        """The volume of the last 24 hours, out of the venue's call for all contracts."""

    async def open_interest_page(self, instrument: Instrument, period: int, window: Interval) -> Answer[RawOpenInterest]:
        """One page of history, asked for `window` (limit and order as in `traits.open_interest_history`): every row of the answer,
        also what was not asked for, since that shows what the answer is worth."""

    async def funding(self, instruments: Sequence[Instrument]) -> Answer[RawPrediction]:
        """Current rates and what comes next, in the fewest calls."""

    async def funding_page(self, instrument: Instrument, window: Interval) -> Answer[RawFunding]:
        """One page of settled rates: every row of the answer, as above."""

    async def liquidations_page(self, instrument: Instrument, window: Interval) -> Answer[RawFill]:
        """One page of past liquidations, where `traits.feed.repair` says that there are any: every entry of the answer, as above."""

    async def liquidations(self, instruments: Sequence[Instrument], sink: Sink) -> None:
        """One connection: dials, subscribes, reports to `sink` until the connection ends (returns) or the task is cancelled.

        Raises Retry when dialling or subscribing fails, Skip or Fatal as elsewhere. Reconnecting is the caller's.
        """

    async def close(self) -> None: ...


def origin_of(exchange: Exchange) -> str:
    """Whose data a venue gives, as its answers say: no real venue says anything, so that silence is ``live``."""
    return exchange.origin or LIVE


@dataclass(frozen=True, slots=True)
class Access:
    """How a venue is reached. `endpoint` replaces scheme and authority of every URL (ws:// for WebSockets)."""

    endpoint: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    speed: float = 1.0
    """How many times as fast as the real venue's the limits of calls refill (a simulated venue's may be compressed)."""
    shared: str | None = None
    """The folder in which processes of this host share limits; None: this one keeps to them alone."""
    turns: Turns | None = None
    """Who gives this process its turns, where somebody steers it; None: its own."""
