"""How often the replicas of a stream heard something else, over the time that several of them claim to have heard whole.

Pure. Segments that share a connection are of one replica. What a replica heard of a time that it does not claim counts for nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from perptape.interval import NS, SECOND, Interval, total, union
from perptape.store.segment import Segment
from perptape.times import span

WHOLE = ("sampled", "complete")
"""Kinds of claims over time of which a replica has every event that was sent to it."""
SAID = ("side", "price", "average_price", "quantity_venue", "venue_id", "ordinal")
"""What tells one event of an instrument from another of the same time."""

Event = tuple[int, tuple[object, ...]]
"""When it happened (ns), and what was said of it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What replicas of a venue's liquidations had of the time that at least two of them heard whole. Seconds are of one instrument each."""

    venue: str
    together: int = 0
    """ms that several heard."""
    seconds: int = 0
    """In which one of them had an event."""
    differing: int = 0
    """In which they did not all have the same."""
    events: int = 0
    alone: int = 0
    """Events that not all had."""

    def __str__(self) -> str:
        said = f"{self.venue} liquidations: several replicas heard the same {span(self.together)}"
        if not self.seconds:
            return f"{said}, in which nothing happened"
        seconds = f"{self.differing} of {self.seconds} seconds with an event ({self.differing / self.seconds:.1%})"
        return f"{said}; they differ in {seconds}, {self.alone} of {self.events} events"

    def fields(self) -> dict[str, int]:
        """For a log line."""
        return {name: getattr(self, name) for name in ("together", "seconds", "differing", "events", "alone")}


@dataclass(frozen=True, slots=True)
class _Replica:
    """By instrument, the time that one replica claims whole, and the rows that it has."""

    spans: Mapping[str, tuple[Interval, ...]]
    rows: Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The time that several replicas claim, in order: each piece's start, its end, and the places of those who claim it."""

    starts: Sequence[int]
    ends: Sequence[int]
    claimed: Sequence[Sequence[int]]

    def at(self, time: int) -> Sequence[int]:
        """Who claims a time (ms); nobody where it is not several."""
        place = bisect_right(self.starts, time) - 1
        return self.claimed[place] if place >= 0 and time < self.ends[place] else ()


def several(segments: Iterable[Segment]) -> bool:
    """Whether several replicas heard the same time; no rows are looked at."""
    replicas = [_spans(one) for one in grouped(segments)]
    return any(_pieces([one.get(name, ()) for one in replicas]).starts for name in {name for one in replicas for name in one})


def agreement(venue: str, segments: Iterable[Segment]) -> Agreement:
    """Holds the replicas whose segments these are against one another, one instrument at a time: rows of Python's take much memory."""
    replicas = [_Replica(_spans(one), _rows(one)) for one in grouped(segments)]
    together: list[Interval] = []
    seconds = differing = events = alone = 0
    for instrument in {name for one in replicas for name in one.spans}:
        pieces = _pieces([one.spans.get(instrument, ()) for one in replicas])
        if not pieces.starts:
            continue
        together += map(Interval, pieces.starts, pieces.ends)
        heard = [_events(one.rows.get(instrument), pieces) for one in replicas]
        mine, wrong = set[int](), set[int]()
        for event in set[Event]().union(*heard):
            had = [event in heard[place] for place in pieces.at(event[0] // NS)]
            if not any(had):
                continue
            events += 1
            mine.add(event[0] // NS // SECOND)
            if not all(had):
                alone += 1
                wrong.add(event[0] // NS // SECOND)
        seconds, differing = seconds + len(mine), differing + len(wrong)
    return Agreement(venue, total(union(together)), seconds, differing, events, alone)


def grouped(segments: Iterable[Segment]) -> list[list[Segment]]:
    """The segments of each replica; those that no connection made are of none."""
    groups: list[tuple[set[str], list[Segment]]] = []
    for segment in segments:
        names, members = {name for claim in segment.claims for name in claim.connections}, [segment]
        if not names:
            continue
        others = []
        for known, mine in groups:
            if known & names:
                names, members = names | known, [*mine, *members]
            else:
                others.append((known, mine))
        groups = [*others, (names, members)]
    return [members for _, members in groups]


def _spans(segments: Sequence[Segment]) -> dict[str, tuple[Interval, ...]]:
    spans: dict[str, list[Interval]] = defaultdict(list)
    for segment in segments:
        for claim in segment.claims:
            if claim.kind in WHOLE and claim.connections:
                spans[claim.instrument].append(claim.span)
    return {one: union(found) for one, found in spans.items()}


def _rows(segments: Sequence[Segment]) -> dict[str, pa.Table]:
    """What one replica heard, by instrument."""
    rows = pa.concat_tables([one.rows.select(["instrument_id", "ts_event", *SAID]) for one in segments]).sort_by("instrument_id")
    found, start = {}, 0
    for run in rows["instrument_id"].value_counts().to_pylist():  # in the order of the rows
        found[run["values"]] = rows.slice(start, run["counts"])
        start += run["counts"]
    return found


def _events(rows: pa.Table | None, pieces: _Pieces) -> set[Event]:
    """The events of one instrument inside the pieces."""
    if rows is None:
        return set()
    times = rows["ts_event"].to_pylist()
    inside = [place for place, time in enumerate(times) if pieces.at(time // NS)]
    said = [rows[name].take(pa.array(inside, pa.int64())).to_pylist() for name in SAID]
    return {(times[place], tuple(words)) for place, *words in zip(inside, *said, strict=True)}


def _pieces(spans: Sequence[Sequence[Interval]]) -> _Pieces:
    """The time that several replicas claim, in order, of the spans of each."""
    flat = [(place, each) for place, mine in enumerate(spans) for each in mine]
    edges = sorted({edge for _, each in flat for edge in (each.start, each.end)})
    found: list[tuple[int, int, list[int]]] = []
    for start, end in pairwise(edges):
        here = [place for place, each in flat if each.start <= start and end <= each.end]
        if len(here) > 1:
            found.append((start, end, here))
    return _Pieces([start for start, _, _ in found], [end for _, end, _ in found], [here for _, _, here in found])
