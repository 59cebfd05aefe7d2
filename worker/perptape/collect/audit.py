"""Asks the venue again for a sample of what is kept, and says where the tape and the venue no longer agree.

Pure. What the venue says now is stored like any answer: the latest row of a key wins, and the one before it goes to `revisions/`, so
that a venue which issues its history anew is noticed and followed. A row that the venue no longer has stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from perptape.claims import Claim
from perptape.collect.grids import Grid
from perptape.collect.paginate import MARGIN, slots_per_page
from perptape.collect.plan import Window
from perptape.collect.stamps import Measured
from perptape.datasets.base import Dataset
from perptape.exchanges.base import PageRule
from perptape.interval import DAY, HOUR, MINUTE, NS, Interval, ceil, floor, gaps, intersection, slot_of, union
from perptape.times import iso

Kind = Literal["revised", "missing", "withdrawn"]
LEAST_SETTLEMENTS = 4
"""Days of settled rates that every venue gives in one page, were they settled hourly."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row of which tape and venue say different things: by whom it is had, and with what values."""

    kind: Kind
    instrument: str
    time: int
    """ms, as the venue stamps it."""
    tape: Mapping[str, Any] = field(default_factory=dict)
    venue: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        said = {
            "revised": f"the tape has {_values(self.tape)}, the venue says {_values(self.venue)}",
            "missing": f"claimed, and the tape has no row; the venue says {_values(self.venue)}",
            "withdrawn": f"the tape has {_values(self.tape)}, the venue no row any more",
        }
        return f"{self.instrument} {iso(self.time)}: {said[self.kind]}"


@dataclass(slots=True)
class Audited:
    """What a sample of one dataset of one venue came to: `planned` windows were to be asked, and so many `rows` compared."""

    planned: int = 0
    rows: int = 0
    revised: int = 0
    missing: int = 0
    withdrawn: int = 0
    measured: Measured | None = None
    """By what time the venue stamps a history of which samples are had."""
    unmeasured: str = ""
    """Why that could not be measured now."""

    def count(self, rows: int, found: Iterable[Difference]) -> None:
        self.rows += rows
        for one in found:
            setattr(self, one.kind, getattr(self, one.kind) + 1)

    @property
    def differs(self) -> bool:
        return bool(self.revised or self.missing or self.withdrawn)

    def fields(self) -> dict[str, object]:
        counts: dict[str, object] = {name: getattr(self, name) for name in ("rows", "revised", "missing", "withdrawn")}
        return counts if self.measured is None else counts | self.measured.fields()

    @property
    def in_vain(self) -> bool:
        """Whether there was something to ask for, and no row to compare came of it."""
        return bool(self.planned) and not (self.rows or self.differs)

    def __str__(self) -> str:
        found = [self._compared, *([] if self.measured is None else [str(self.measured)])]
        if self.unmeasured:
            found.append(f"could not be measured{' again' if self.measured else ''}: {self.unmeasured}")
        return "; ".join(found)

    @property
    def _compared(self) -> str:
        if not self.planned:
            return "nothing final is kept of it yet that could be asked for again"
        if self.in_vain:
            return "nothing could be compared"
        found = [f"{count} {name}" for name in ("revised", "missing", "withdrawn") if (count := getattr(self, name))]
        return f"{self.rows} rows asked again: {', '.join(found) or 'all the same'}"


def past(complete: Sequence[Interval], damaged: Iterable[Interval], grid: Grid, now: int) -> tuple[Interval, ...]:
    """Of the time that is claimed complete, what the venue still serves and should no longer change."""
    start, end = max(grid.rules.floor(now) + HOUR, 0), now - grid.rules.final_after
    return tuple(gaps(intersection(complete, [Interval(start, end)]), union(damaged))) if start < end else ()


def pages(instrument: str, spans: Iterable[Interval], grid: Grid, rule: PageRule) -> Iterator[Window]:
    """The spans cut into windows that one call each asks for: whole slots, or days of settlements."""
    step = grid.period or DAY
    reach = (slots_per_page(rule) if grid.period else LEAST_SETTLEMENTS) * step
    if rule.span is not None:
        reach = max(min(reach, floor(rule.span - 2 * MARGIN, step)), step)
    for span in spans:
        start = ceil(span.start, step)
        while start + step <= span.end:
            end = min(start + reach, floor(span.end, step))
            yield Window(instrument, grid.name, Interval(start, end))
            start = end


def sample(known: Sequence[Window], count: int, chance: Callable[[], float]) -> tuple[Window, ...]:
    """So many of them, none twice, each as likely as any other."""
    left = list(known)
    found: list[Window] = []
    while left and len(found) < count:
        at = int(chance() * len(left))
        left[at], left[-1] = left[-1], left[at]
        found.append(left.pop())
    return tuple(found)


def compared(
    dataset: Dataset, grid: Grid, window: Window, tape: pa.Table, told: pa.Table, answered: Iterable[Claim]
) -> tuple[int, list[Difference]]:
    """(rows compared, differences) over the time of a window that the venue answered for, by the claims that its answer proves."""
    claims = [claim.span for claim in answered if (claim.instrument, claim.grid, claim.cause) == (window.instrument, grid.name, "")]
    spans = intersection(claims, [window.span])
    before, now = _sent(dataset, grid, window.instrument, tape, spans), _sent(dataset, grid, window.instrument, told, spans)
    found: list[Difference] = []
    for key in sorted(before.keys() | now.keys()):
        kept, said = before.get(key), now.get(key)
        if kept == said:
            continue
        kind: Kind = "missing" if kept is None else "withdrawn" if said is None else "revised"
        found.append(Difference(kind, *key, kept or {}, said or {}))
    return len(before.keys() & now.keys()), found


def _sent(dataset: Dataset, grid: Grid, one: str, rows: pa.Table, spans: Sequence[Interval]) -> dict[tuple[str, int], dict[str, Any]]:
    """What was sent of each row of one instrument's grid inside the spans, by instrument and time in ms."""
    if not spans:
        return {}
    early, late = (spans[0].start - MINUTE) * NS, (spans[-1].end + MINUTE) * NS  # stamps are some milliseconds off
    wanted = pc.and_(pc.equal(rows["instrument_id"], one), pc.and_(pc.greater(rows["ts_event"], early), pc.less(rows["ts_event"], late)))
    if grid.period is not None:
        wanted = pc.and_(wanted, pc.equal(rows["period_minutes"], grid.period // MINUTE))
    rows = rows.filter(wanted)
    sent = {name: rows[name].to_pylist() for name in dataset.sent}
    found = {}
    for index, event in enumerate(rows["ts_event"].to_pylist()):
        time = event // NS
        slot = slot_of(time, grid.period) if grid.period is not None else time
        if any(slot in span for span in spans):
            found[one, time] = {name: values[index] for name, values in sent.items()}
    return found


def _values(sent: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.12g}" if isinstance(value, float) else f"{name} {value}" for name, value in sent.items())
