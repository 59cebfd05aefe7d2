"""What a worker says about its run: read from a pod's termination message or its /status, believed only where it can be true. Pure."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from perptape_api.names import DATASETS, EXCHANGES
from perptape_operator.clock import EARLIEST_MS, LATEST_MS

LONGEST: Final = 4096
"""Kubernetes keeps no more of a termination message; a status over HTTP has LONGEST_STATUS."""
LONGEST_STATUS: Final = 65_536
MOST_AHEAD_MS: Final = 300_000
"""A run cannot have ended later than this after now: clocks of nodes differ, but not more."""
LONGEST_PAUSE_MS: Final = 3 * 86_400_000
"""No venue bans for longer."""


def _short(value: Any) -> Any:
    """JSON may hold halves of characters, which no status can."""
    return value[:300].encode(errors="replace").decode() if isinstance(value, str) else value


def _few(value: Any) -> Any:
    return value[:20] if isinstance(value, list) else value


Text = Annotated[str, BeforeValidator(_short)]
Lines = Annotated[tuple[Text, ...], BeforeValidator(_few)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Instant = Annotated[int, Field(ge=EARLIEST_MS, le=LATEST_MS)]


class Part(BaseModel):
    """A block of a report; what a newer worker adds is of no concern."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


class GapCounts(Part):
    open: Count = 0
    lost: Count = 0
    unproven: Count = 0


class SymbolCounts(Part):
    wanted: Count = 0
    collected: Count = 0
    substituted: Count = 0
    skipped: Count = 0
    examples: Lines = ()


class Collected(Part):
    """What became of one dataset of one venue. Times in ms on the venue's clock."""

    venue: Annotated[str, Field(max_length=32)]
    dataset: Annotated[str, Field(max_length=32)]
    state: Text = "ok"
    rows: Count = 0
    remaining: Count = 0
    failed: Lines = ()
    skipped: Lines = ()
    unsupported: Text = ""
    error: Text = ""
    watermark: Instant | None = None
    due: Instant | None = None
    """The last edge of the grid that was due when the run ended."""
    offset: Annotated[int, Field(ge=-(10**9), le=10**9)] = 0
    """The venue's clock less ours, in ms."""
    gaps: GapCounts | None = None
    symbols: SymbolCounts | None = None
    ready: bool | None = None
    """Of a stream: whether all subscriptions stand."""
    last_run: Instant | None = None
    """Of a process that stays: when it last fetched, in ms on the worker's clock."""
    last_success: Instant | None = None
    """And when a fetch last ended without a failure."""


class Waiting(Part):
    """A venue that asked for a pause. `until` in ms on the worker's clock."""

    venue: Annotated[str, Field(max_length=32)]
    until: Instant


class Folded(Part):
    """What a publisher leaves behind. `segments` without those that only await their hour."""

    segments: Count = 0
    oldest: Instant | None = None
    lease: Text = ""
    error: Text = ""


class Report(Part):
    """One run, or a process that stays."""

    name: Text = ""
    run: Annotated[str, Field(max_length=253)]
    exit: Annotated[int, Field(ge=0, le=255)] = 0
    work_hash: Annotated[str, Field(max_length=64)] = ""
    started: Instant
    finished: Instant | None = None
    store_error: Text = ""
    store_reason: Text = ""
    notes: Lines = ()
    collections: Annotated[tuple[Collected, ...], Field(max_length=8)] = ()
    pauses: Annotated[tuple[Waiting, ...], Field(max_length=32)] = ()
    publisher: Folded | None = None

    def collected(self, exchange: str, dataset: str) -> Collected | None:
        return next((one for one in self.collections if (one.venue, one.dataset) == (exchange, dataset)), None)

    def tells(self, exchange: str, dataset: str) -> bool:
        """Whether it is about this at all: a run that was told to end before it asked anything ends well, and names no collection."""
        return bool(self.exit or self.store_error) or self.collected(exchange, dataset) is not None


@dataclass(frozen=True, slots=True)
class Disbelieved:
    """A report that is not counted, and why."""

    pod: str
    why: str


def read(text: str, pod: str, now: int, longest: int = LONGEST) -> Report | Disbelieved:
    """The report in a text, where it can be that of this pod."""
    if len(text.encode(errors="replace")) > longest:
        return Disbelieved(pod, f"is longer than {longest} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Disbelieved(pod, "is not JSON")
    try:
        report = Report.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return Disbelieved(pod, f"has an impossible {'.'.join(str(step) for step in first['loc']) or 'form'}")
    if report.run != pod:
        return Disbelieved(pod, "is about another pod")
    if _latest(report) > now + MOST_AHEAD_MS:
        return Disbelieved(pod, "is from the future")
    if any(one.until > now + LONGEST_PAUSE_MS for one in report.pauses):
        return Disbelieved(pod, "names a pause longer than any venue's")
    if any(one.venue not in EXCHANGES or one.dataset not in DATASETS for one in report.collections):
        return Disbelieved(pod, "names a venue or dataset that does not exist")
    return report


def _latest(report: Report) -> int:
    runs = (time for one in report.collections for time in (one.last_run, one.last_success) if time is not None)
    return max(report.started, report.finished or 0, *runs)
