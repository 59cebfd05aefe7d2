"""How often the replicas of a stream heard something else, over the time that several of them claim to have heard whole.

Pure. Segments that share a connection are of one replica. What a replica heard of a time that it does not claim counts for nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

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


@dataclass(slots=True)
class _Replica:
    """By instrument, the time that one replica claims whole, and the events that it has."""

    spans: dict[str, tuple[Interval, ...]]
    events: dict[str, set[Event]]


def agreement(venue: str, segments: Iterable[Segment]) -> Agreement:
    """Holds the replicas whose segments these are against one another."""
    replicas = [_replica(one) for one in grouped(segments)]
    together: list[Interval] = []
    seconds, differing = set[tuple[str, int]](), set[tuple[str, int]]()
    events = alone = 0
    for instrument in {name for one in replicas for name in one.spans}:
        pieces = _pieces(instrument, replicas)
        together += [piece for piece, _ in pieces]
        starts = [piece.start for piece, _ in pieces]
        for event in set[Event]().union(*(one.events.get(instrument, ()) for one in replicas)):
            time = event[0] // NS
            at = bisect_right(starts, time) - 1
            if at < 0 or time not in pieces[at][0]:
                continue
            had = [event in one.events.get(instrument, ()) for one in pieces[at][1]]
            if not any(had):
                continue
            events += 1
            seconds.add((instrument, time // SECOND))
            if not all(had):
                alone += 1
                differing.add((instrument, time // SECOND))
    return Agreement(venue, total(union(together)), len(seconds), len(differing), events, alone)


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


def _replica(segments: Sequence[Segment]) -> _Replica:
    spans: dict[str, list[Interval]] = defaultdict(list)
    events: dict[str, set[Event]] = defaultdict(set)
    for segment in segments:
        for claim in segment.claims:
            if claim.kind in WHOLE and claim.connections:
                spans[claim.instrument].append(claim.span)
        columns = [segment.rows[name].to_pylist() for name in ("instrument_id", "ts_event", *SAID)]
        for instrument, time, *said in zip(*columns, strict=True):
            events[instrument].add((time, tuple(said)))
    return _Replica({one: union(found) for one, found in spans.items()}, events)


def _pieces(instrument: str, replicas: Sequence[_Replica]) -> list[tuple[Interval, list[_Replica]]]:
    """The time that several replicas claim, in order, each piece with those who do."""
    spans = [(one, each) for one in replicas for each in one.spans.get(instrument, ())]
    edges = sorted({edge for _, each in spans for edge in (each.start, each.end)})
    found = []
    for start, end in pairwise(edges):
        here = [one for one, each in spans if each.start <= start and end <= each.end]
        if len(here) > 1:
            found.append((Interval(start, end), here))
    return found
