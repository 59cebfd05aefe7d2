"""By what time of its bucket a venue stamps its open interest, measured against samples of ours, whose moment is known.

Pure. A figure that is stamped S may be of S (`instant`), of a period later (`start`: the stamp opens a bucket, the figure closes it)
or of a period earlier (`end`). Each makes another curve of the same history. A sample tells of the bucket in which it was taken where
it lies much nearer to one curve than to the others; which convention holds is told by many buckets, as sure as `SURE` says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import pyarrow as pa

from perptape.exchanges.base import Stamp
from perptape.interval import MINUTE, NS, floor, slot_of

NEARER = 2.0
"""So many times as near as the next curve: between two figures the market goes its own way, which by chance is nearer to a wrong one."""
SURE = 4.0
"""Standard deviations by which the buckets that say one convention must exceed those that say any other: 16 that all agree suffice."""
ROUNDED = 1e-9
"""Curves that are no further apart, as a part of the figure, are the same."""
UNITS = ("oi_base", "oi_contracts", "oi_usd")
"""What is compared, the first that both the history and the samples have: USD last, since it moves with the price."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the buckets of one venue say; `told` counts them by the convention that each one fits."""

    venue: str
    assumed: Stamp
    told: Mapping[Stamp, int] = field(default_factory=dict)

    @property
    def stamps(self) -> Stamp | Literal["unknown"]:
        """The convention that holds, as far as it can be told."""
        first, *others = sorted(get_args(Stamp), key=self._told, reverse=True)
        most = self._told(first)
        sure = all((most - self._told(one)) ** 2 >= SURE**2 * (most + self._told(one)) for one in others)
        return first if most and sure else "unknown"

    @property
    def buckets(self) -> int:
        """How many told something."""
        return sum(self.told.values())

    @property
    def contradicts(self) -> bool:
        """Whether the venue surely stamps otherwise than perptape takes it to."""
        return self.stamps not in (self.assumed, "unknown")

    @property
    def warning(self) -> str:
        """What is wrong and what to do; nothing where nothing is known to be wrong."""
        if not self.contradicts:
            return ""
        return (
            f"{self.venue} stamps open interest by `{self.stamps}`, perptape takes it for `{self.assumed}`:"
            " in backtests go by ts_init, not ts_event, and report it to perptape"
        )

    def __str__(self) -> str:
        if self.stamps != "unknown":
            return f"stamped by {self.stamps} ({self._told(self.stamps)} of {self.buckets} buckets)"
        said = ", ".join(f"{count} {name}" for name in get_args(Stamp) if (count := self._told(name)))
        return f"what it is stamped by cannot be told yet ({said or 'no bucket told'})"

    def fields(self) -> dict[str, object]:
        """For a log line and the summary."""
        return {"stamps": self.stamps, "assumed": self.assumed, "buckets": dict(self.told)}

    def _told(self, name: Stamp) -> int:
        return self.told.get(name, 0)


def measured(venue: str, assumed: Stamp, rows: Iterable[pa.Table], period: int) -> Measured:
    """What rows of open interest say: those of `period` (ms) are the venue's history, those of period 0 samples; others are left aside."""
    history: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    samples: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for table in rows:
        ids, periods, times = (table[name].to_pylist() for name in ("instrument_id", "period_minutes", "ts_event"))
        for unit in UNITS:
            for one, minutes, event, value in zip(ids, periods, times, table[unit].to_pylist(), strict=True):
                if value is not None and minutes in (0, period // MINUTE):
                    time = event // NS
                    (history if minutes else samples)[one, unit][slot_of(time, period) if minutes else time] = value
    counts: Counter[Stamp] = Counter()
    for one in {one for one, _ in samples}:
        for unit in [unit for unit in UNITS if (one, unit) in samples and (one, unit) in history][:1]:
            counts += told(history[one, unit], samples[one, unit], period)
    return Measured(venue, assumed, counts)


def told(history: Mapping[int, float], samples: Mapping[int, float], period: int) -> Counter[Stamp]:
    """How many buckets fit each convention best. `history` by the slot of its stamp, `samples` by their moment, ms."""
    off: dict[int, dict[Stamp, float]] = {}
    size: dict[int, float] = {}
    for time, value in samples.items():
        slot = floor(time, period)
        figures = [history.get(slot + step * period) for step in (-1, 0, 1, 2)]
        if any(one is None for one in figures):
            continue
        before, here, after, later = (one for one in figures if one is not None)
        part = (time - slot) / period
        ends: dict[Stamp, tuple[float, float]] = {"start": (before, here), "instant": (here, after), "end": (after, later)}
        for name, (left, right) in ends.items():
            mine = off.setdefault(slot, dict.fromkeys(get_args(Stamp), 0.0))
            mine[name] += (value - left - (right - left) * part) ** 2
        size[slot] = value**2
    return Counter(best for slot, mine in off.items() if (best := _nearest(mine, size[slot])) is not None)


def _nearest(off: Mapping[Stamp, float], size: float) -> Stamp | None:
    """The convention whose curve is much nearer than the others, by squares of the distances."""
    first, second, _ = sorted(off, key=lambda name: off[name])
    return first if off[second] > ROUNDED**2 * size and off[first] * NEARER**2 <= off[second] else None
