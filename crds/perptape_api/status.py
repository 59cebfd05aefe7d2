"""What the operator says about a CollectionSpec, in the resource's status. Pure."""

from typing import Annotated, Final, Literal

from pydantic import Field

from perptape_api.model import Model
from perptape_api.venues import Exchange

BY_TYPE: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
BY_WORK: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["exchange", "dataset"]}
BY_EXCHANGE: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["exchange"]}
MOST_EXAMPLES: Final = 5
LONGEST_MESSAGE: Final = 1024

Time = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
Reason = Annotated[str, Field(max_length=64, pattern="^[A-Za-z][A-Za-z0-9]*$")]
Message = Annotated[str, Field(max_length=LONGEST_MESSAGE)]
Name = Annotated[str, Field(max_length=253)]

State = Literal["Ok", "Degraded", "Failing", "Unsupported", "Suspended"]


class Condition(Model):
    """One condition, in the common form of Kubernetes."""

    type: Literal["Ready", "Collecting", "Complete", "StoreReady"]
    """What the condition is about."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Reason
    """Why, in one word for machines."""
    message: Message = ""
    """Why, in a sentence for people."""
    last_transition_time: Time
    """When status last changed."""
    observed_generation: Count | None = None
    """The generation of the spec that this is about."""


class Gaps(Model):
    """Holes in what was wanted, by kind: numbers of intervals."""

    open: Count = 0
    """Missing, and still to be had from the venue."""
    lost: Count = 0
    """Missing for good: the venue does not give it any more."""
    unproven: Count = 0
    """Time of a stream of which nobody can prove that nothing was missed."""


class Instruments(Model):
    """What became of the symbols asked for, at this venue."""

    wanted: Count = 0
    """How many were asked for."""
    collected: Count = 0
    """How many are collected."""
    substituted: Count = 0
    """How many of those are the venue's default perpetual instead of a contract that it never listed."""
    skipped: Count = 0
    """How many are left out: delisted, or never listed here."""
    examples: Annotated[tuple[Annotated[str, Field(max_length=160)], ...], Field(max_length=MOST_EXAMPLES)] = ()
    """A few of the substituted and skipped, with what became of them."""


class CollectionStatus(Model):
    """One dataset of one venue."""

    exchange: Exchange
    """The venue."""
    dataset: Literal["open_interest", "funding", "liquidations"]
    """The dataset, by its name on the tape."""
    child: Name | None = None
    """The CronJob or Deployment that collects it; none where the venue has nothing to collect."""
    state: State
    """How it goes."""
    reason: Reason | None = None
    """Why, in one word for machines."""
    message: Message | None = None
    """Why, in a sentence for people."""
    schedule: Name | None = None
    """When it runs, as cron says it, in UTC."""
    redundancy: Literal["none", "connection", "node"] | None = None
    """What the streams' replicas protect against: the loss of a connection, or of a node."""
    work_hash: Annotated[str, Field(max_length=16)] | None = None
    """The part of the spec that all this is about; what was said about another part is not carried on."""
    last_run: Time | None = None
    """When the latest run started."""
    last_success: Time | None = None
    """When the latest run without a failure ended."""
    watermark: Time | None = None
    """Up to when everything wanted is on the tape, on the venue's clock; the least over instruments."""
    rows: Count | None = None
    """Rows written since the spec was made; of a stream, the events that one of its pods received, the one that received most."""
    rows_earlier: Count | None = None
    """How many of the rows are of processes that have ended, where a process stays and counts from its start."""
    gaps: Gaps | None = None
    """Holes in what was wanted."""
    instruments: Instruments | None = None
    """What became of the symbols asked for."""


class Pause(Model):
    """A venue that asked us to wait."""

    exchange: Exchange
    """The venue."""
    until: Time
    """When it may be asked again."""


class Publisher(Model):
    """The folding of what was collected into data files."""

    last_run: Time | None = None
    """When it last ran."""
    segments: Count | None = None
    """Segments left to fold."""
    oldest: Time | None = None
    """When the oldest of them was written."""
    lease: Annotated[str, Field(max_length=128)] | None = None
    """Who holds the lease."""
    error: Message | None = None
    """What went wrong, when something did."""


class Summary(Model):
    """The columns of `kubectl get cspec`."""

    venues: Annotated[str, Field(max_length=16)]
    """Venues at which everything asked for works, of all: 3/3."""
    watermark: Time | None = None
    """Up to when everything wanted is on the tape, in cluster time; the least over all collections."""
    gaps: Gaps = Gaps()
    """Holes of all collections."""


class Status(Model):
    """What the operator knows about the spec."""

    observed_generation: Count | None = None
    """The generation of the spec that this status is about."""
    wanted_since: Time | None = None
    """Since when the collection is wanted: the beginning of what is counted as missing."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=BY_TYPE)] = ()
    """Ready, Collecting, Complete and StoreReady."""
    summary: Summary | None = None
    """The whole in a line."""
    collections: Annotated[tuple[CollectionStatus, ...], Field(max_length=128, json_schema_extra=BY_WORK)] = ()
    """Every dataset of every venue."""
    publisher: Publisher | None = None
    """The folding of what was collected into data files."""
    pauses: Annotated[tuple[Pause, ...], Field(max_length=32, json_schema_extra=BY_EXCHANGE)] = ()
    """Venues that asked us to wait."""
