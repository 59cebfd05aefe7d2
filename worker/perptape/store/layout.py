"""Where everything of a tape is: paths, spans and names, and back from them.

Pure. Paths are relative to the store's root, with ``/``. Data files are named by the whole span of ts_init that they cover, both
ends inclusive, as NautilusTrader's catalogs name theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from perptape.interval import DAY, MINUTE, NS, Interval

DATA, OWN = "data", "perptape"
STORE = f"{OWN}/store.json"
SEGMENTS, COVERAGE, INSTRUMENTS = f"{OWN}/segments", f"{OWN}/coverage", f"{OWN}/instruments"
REVISIONS, QUARANTINE = f"{OWN}/revisions", f"{OWN}/quarantine"
SAMPLES, HELD = f"{OWN}/samples", f"{OWN}/held"
TEMPORARY, LEASE = f"{OWN}/tmp", f"{OWN}/lease.json"
DAY_NS = DAY * NS
LATEST_AFTER_EVENT = DAY + 5 * MINUTE
"""ms by which ts_init may follow ts_event at most: the longest period and the 5 minutes after it."""

SpanKind = Literal["day", "month"]
_NAME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)-(\d{9})Z$")
_OBJECT = re.compile(r"^(\d{8}T\d{9}Z)-(.+)$")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The times of ts_init that one data file covers: ns, both ends inclusive."""

    start: int
    end: int

    @property
    def name(self) -> str:
        return f"{iso(self.start)}_{iso(self.end)}"

    def events(self) -> Interval:
        """The event times (ms) that rows of this span can have."""
        return Interval(self.start // NS - LATEST_AFTER_EVENT, self.end // NS + 1)


def iso(ns: int) -> str:
    """``2025-12-31T00-00-00-000000000Z``."""
    seconds, nanos = divmod(ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H-%M-%S}-{nanos:09d}Z"


@lru_cache(4096)
def from_iso(text: str) -> int:
    """The ns that `iso` wrote. Raises ValueError for anything else."""
    match = _NAME.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time as data files are named by")
    moment = datetime.strptime(match[1], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9 + int(match[2])


def span_of(ts_init: int, kind: SpanKind) -> Span:
    """The UTC day or month (ns) that holds `ts_init`."""
    if kind == "day":
        start = ts_init - ts_init % DAY_NS
        return Span(start, start + DAY_NS - 1)
    first = datetime.fromtimestamp(ts_init // 10**9, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return Span(int(first.timestamp()) * 10**9, int(after.timestamp()) * 10**9 - 1)


def data_folder(directory: str, instrument: str | None = None) -> str:
    """The folder of a dataset's data files, or of one instrument's among them."""
    return f"{DATA}/{directory}" if instrument is None else f"{DATA}/{directory}/{identifier(instrument)}"


def identifier(instrument: str) -> str:
    """An instrument id as a folder: Nautilus removes ``/`` and keeps all else."""
    return instrument.replace("/", "")


def data_file(directory: str, instrument: str, span: Span) -> str:
    return f"{data_folder(directory, instrument)}/{span.name}.parquet"


def data_name(path: str) -> tuple[str, Span] | None:
    """(folder of the instrument, span) of a data file's path; None for what cannot be one."""
    parts = path.rsplit("/", 2)
    if len(parts) != 3 or not parts[2].endswith(".parquet"):
        return None
    first, _, last = parts[2].removesuffix(".parquet").partition("_")
    try:
        return parts[1], Span(from_iso(first), from_iso(last))
    except ValueError:
        return None


def belongs(instrument: str, venue: str) -> bool:
    """Whether an instrument id is of a venue: Nautilus' ids end with the venue in capitals."""
    return instrument.rpartition(".")[2] == venue.upper()


def segments(venue: str | None = None, dataset: str | None = None) -> str:
    return _below(SEGMENTS, venue, dataset)


def coverage(venue: str | None = None, dataset: str | None = None) -> str:
    return _below(COVERAGE, venue, dataset)


def revisions(venue: str, dataset: str, instrument: str, span: Span) -> str:
    """The folder of the rows that lost in one data file."""
    return f"{_below(REVISIONS, venue, dataset)}/{identifier(instrument)}/{span.name}"


def samples(venue: str, dataset: str) -> str:
    """The folder of what audits sampled: no part of the data, and never published."""
    return _below(SAMPLES, venue, dataset)


def held(venue: str, dataset: str, month: str | None = None) -> str:
    """The folder of how many rows data files had when segments of theirs went: one for each month of files."""
    return _below(HELD, venue, dataset) + ("" if month is None else f"/{month}")


def held_month(span_start: int) -> str:
    """``2025-12``, of the first ts_init (ns) of a file."""
    return iso(span_start)[:7]


def quarantine(venue: str, dataset: str) -> str:
    return _below(QUARANTINE, venue, dataset)


def instruments(venue: str) -> str:
    return f"{INSTRUMENTS}/{venue}.parquet"


def _below(folder: str, venue: str | None, dataset: str | None) -> str:
    return "/".join(part for part in (folder, venue, dataset) if part is not None)


def object_time(ms: int) -> str:
    """``20251231T000000123Z``: sorts as text as it does in time."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y%m%dT%H%M%S}{ms % 1000:03d}Z"


def segment_name(ms: int, writer: str, sequence: int) -> str:
    return f"{object_time(ms)}-{writer}-{sequence}"


def coverage_name(ms: int, writer: str) -> str:
    return f"{object_time(ms)}-{writer}"


def segment(venue: str, dataset: str, name: str) -> str:
    return f"{segments(venue, dataset)}/{name}.parquet"


def coverage_file(venue: str, dataset: str, name: str) -> str:
    return f"{coverage(venue, dataset)}/{name}.parquet"


def name_of(path: str) -> str:
    """The name of a segment or a coverage file."""
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


def named_at(name: str) -> int | None:
    """The ms in the name of a segment or a coverage file; None where it has none."""
    match = _OBJECT.match(name)
    if match is None:
        return None
    moment = datetime.strptime(match[1][:-4], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + int(match[1][-4:-1])


def venue_and_dataset(path: str) -> tuple[str, str] | None:
    """(venue, dataset) of the path of a segment, a coverage file or a quarantined object."""
    parts = path.split("/")
    return (parts[2], parts[3]) if len(parts) >= 5 and parts[0] == OWN else None
