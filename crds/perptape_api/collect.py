"""Which datasets are collected, how often and how far back. Pure."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictInt

from perptape_api.durations import Duration, Every
from perptape_api.model import Model, Rule
from perptape_api.names import LOG_RESERVE, MOST_LOG_RESERVE
from perptape_api.store import Size, size_in_bytes

RESIDENT_BELOW: Final = Every("5m")

Mode = Literal["auto", "job", "resident"]


class Sampled(Model):
    """What every dataset on a time grid has in common."""

    every: Every
    backfill: Duration
    mode: Mode = "auto"
    """Whether a CronJob (job) or a process that stays (resident) collects it; auto is a CronJob from 5m up and a resident process below."""

    @property
    def resident(self) -> bool:
        """Whether a process that stays collects it."""
        return self.mode == "resident" or (self.mode == "auto" and self.every.ms < RESIDENT_BELOW.ms)


class OpenInterest(Sampled):
    """Open interest: from the venue's history where it has one, else sampled."""

    every: Every = Every("5m")
    """The distance between two samples."""
    backfill: Duration = Duration("30d")
    """How far back the first run goes; a venue that keeps less gives what it has. 0d: only what comes from now on."""


class Funding(Sampled):
    """Funding: every settled rate, and one sample of the predicted rate per `every`."""

    every: Every = Every("1h")
    """How often settled rates are asked for, and the distance between two samples of the prediction."""
    backfill: Duration = Duration("365d")
    """How far back the first run goes in settled rates; predictions have no past. 0d: only what comes from now on."""


class Liquidations(Model):
    """Liquidations, streamed live; no venue gives their past."""

    replicas: Annotated[StrictInt, Field(ge=1, le=10)] = 2
    """How many streams of the same events run beside one another, so that the loss of one leaves no hole: pods in a cluster,
    connections on a laptop."""
    log_reserve: Size | None = None
    """The disk that each stream takes before it receives anything, for what is received while the store is away or the disk full; 64Mi when
    left out."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "logReserve must be at least 1Mi, and 16Gi at most",
            "!has(self.logReserve) || (!quantity(self.logReserve).isLessThan(quantity('1Mi'))"
            " && !quantity(self.logReserve).isGreaterThan(quantity('16Gi')))",
            lambda one: one.log_reserve is None or 2**20 <= size_in_bytes(one.log_reserve) <= MOST_LOG_RESERVE,
        ),
    )

    @property
    def log_reserve_bytes(self) -> int:
        """`log_reserve`, or what is taken where it is left out."""
        return LOG_RESERVE if self.log_reserve is None else int(size_in_bytes(self.log_reserve))


class Collect(Model):
    """The datasets wanted; `{}` asks for one with its defaults."""

    open_interest: OpenInterest | None = None
    """Open interest in contracts, base coin and USD, as far as the venue says."""
    funding: Funding | None = None
    """Funding rates, settled and predicted."""
    liquidations: Liquidations | None = None
    """Forced orders as the venue publishes them; a venue without a public feed is named in status."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "collect at least one of openInterest, funding and liquidations; {} asks for one with its defaults",
            "has(self.openInterest) || has(self.funding) || has(self.liquidations)",
            lambda c: any(wanted is not None for wanted in (c.open_interest, c.funding, c.liquidations)),
        ),
    )
