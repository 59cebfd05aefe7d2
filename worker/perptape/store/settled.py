"""Settlements that are claimed and not there. A rate comes with no slot, so that a file that went shows only by the time it leaves bare.

No venue settles less often than once a day, and nobody claims a longer time without a settlement of a contract that trades
(`collect.harvest`): where one is claimed, its rows were there and are gone. Less than that is not told from a rate that was not due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from perptape.claims import SETTLED, Claim
from perptape.datasets.funding import FUNDING, LONGEST, too_long
from perptape.datasets.instruments import SeenInstrument
from perptape.errors import Newer
from perptape.instruments import END_OF_TIME
from perptape.interval import HOUR, MINUTE, NS, Interval, intersection, union
from perptape.store.catalog import Catalog
from perptape.store.parquet import Unreadable

USUAL = 8 * HOUR
"""ms: contracts settle as often or more often, but for few; one that settles every hour now may have settled so before."""


def unsettled(catalog: Catalog, venue: str, claims: Iterable[Claim]) -> Iterator[tuple[str, list[Interval]]]:
    """Instruments with the times (ms) that are claimed complete and must hold settlements of which there is none. `claims`: of the
    venue's funding. Raises StoreError."""
    claimed: dict[str, list[Interval]] = {}
    for claim in claims:
        if claim.grid == SETTLED and claim.kind == "complete":
            claimed.setdefault(claim.instrument, []).append(claim.span)
    if not claimed:
        return
    try:
        rows = catalog.every_row(FUNDING.name, claimed, tell=lambda line: None)
    except (Unreadable, Newer):  # found by its path, as what is left out is
        return
    times: dict[str, list[int]] = {}
    for name, time in zip(rows["instrument_id"].to_pylist(), rows["ts_event"].to_pylist(), strict=True):
        times.setdefault(name, []).append(time // NS)
    seen: dict[str, list[SeenInstrument]] = {}
    for one in catalog.instruments(venue, tell=lambda line: None):
        seen.setdefault(one.instrument.id, []).append(one)
    for name, spans in sorted(claimed.items()):
        known, lives = sorted(times.get(name, ())), seen.get(name, ())
        if found := list(bare(intersection(spans, living(lives, known)), known, shortest(lives))):
            yield name, found


def living(lives: Iterable[SeenInstrument], known: Sequence[int]) -> tuple[Interval, ...]:
    """When settlements are expected: while listed; from the first one that is known on where nobody knows since when. Pure."""
    first = known[0] if known else 0
    known_since = [(first if one.instrument.listed is None else one.instrument.listed, one.instrument.life.end) for one in lives]
    return union(Interval(start, end) for start, end in known_since or [(first, END_OF_TIME)] if start < end)


def shortest(lives: Iterable[SeenInstrument]) -> int:
    """From how long (ms) on a time without any settlement at all has lost them: the contract's interval, where it is known. Pure."""
    minutes = [one.instrument.funding_minutes for one in lives if one.instrument.funding_minutes]
    return min(max(USUAL, *(each * MINUTE for each in minutes)), LONGEST) + MINUTE if minutes else LONGEST + MINUTE


def bare(claimed: Iterable[Interval], known: Sequence[int], least: int) -> Iterator[Interval]:
    """The parts of the claimed time that must hold settlements besides those at the times `known`, which are in order: those longer than a
    day, and of a span without any one longer than `least` (ms). Pure."""
    for span in union(claimed):
        inside = [time for time in known if time in span]
        if not inside and len(span) > least:
            yield span
        for before, after in pairwise([span.start, *inside, span.end] if inside else ()):
            if too_long(before, after):
                yield Interval(before + 1 if before in inside else before, after)
