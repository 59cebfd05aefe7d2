"""Chooses a venue's instruments as `symbols.select` says: asks what is listed and how large it is, and reads what was selected before.

A size is open interest or the volume of a day, in USD.

Shell over `selection`. A venue that will not tell sizes leaves the choice as it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import structlog

from perptape.claims import Want
from perptape.collect.selection import Selection
from perptape.collect.venue import Venue
from perptape.datasets.base import Invalid
from perptape.datasets.open_interest import row
from perptape.errors import Retry, Skip
from perptape.instruments import Instrument, Resolution
from perptape.raw import Number, RawOpenInterest

log = structlog.get_logger("perptape")

NAMED = 5
"""How many of those selected are named."""


async def selected(venue: Venue, selection: Selection, datasets: Sequence[str]) -> list[Resolution]:
    """What is wanted at the venue, whose instruments are listed. `datasets`: those of the spec, also what others collect of it.

    Raises Retry, Skip, Fatal and VenueStopped where nothing was selected before, and StoreError.
    """
    now = await venue.now()
    remembered = selection.remembered(await venue.asking.environment.aside(lambda: _wants(venue, datasets)))
    chosen: tuple[str, ...] = ()
    if selection.due(remembered, now):
        try:
            chosen = await _chosen(venue, selection)
        except (Retry, Skip) as error:
            if not remembered:
                raise
            log.warning("instruments are not chosen anew", venue=venue.name, outcome="kept", error=str(error))
    wanted = selection.wanted(remembered, chosen, now)
    if fresh := sorted(set(wanted) - set(remembered)):
        more = {"more": len(fresh) - NAMED} if len(fresh) > NAMED else {}
        log.info("selected", venue=venue.name, count=len(fresh), instruments=", ".join(fresh[:NAMED]), **more)
    return selection.resolved(wanted, venue.instruments, venue.exchange.traits)


def _wants(venue: Venue, datasets: Sequence[str]) -> list[Want]:
    """All pods of a spec read what each of them stored."""
    return [want for dataset in datasets for want in venue.tape.coverage(venue.name, dataset).wants]


async def _chosen(venue: Venue, selection: Selection) -> tuple[str, ...]:
    candidates = selection.candidates(venue.instruments)
    select = selection.select
    if select.top is None or len(candidates) <= select.top:
        return selection.chosen(candidates, {})
    return selection.chosen(candidates, await (_volumes if select.by == "volume" else _open_interest)(venue, candidates))


async def _volumes(venue: Venue, candidates: Sequence[Instrument]) -> dict[str, float]:
    """What was traded in the last 24 hours, in USD."""
    told = await venue.asking.ask(lambda: venue.exchange.volume(candidates))
    return {raw.instrument.id: size for raw in told.rows if (size := amount(raw.usd)) is not None}


async def _open_interest(venue: Venue, candidates: Sequence[Instrument]) -> dict[str, float]:
    """Open interest in USD; where the venue does not tell it, by its mark prices."""
    told = await venue.asking.ask(lambda: venue.exchange.open_interest(candidates))
    sizes = {raw.instrument.id: size for raw in told.rows if (size := usd(raw)) is not None}
    bare = [raw for raw in told.rows if raw.instrument.id not in sizes]
    if bare:
        current = await venue.asking.ask(lambda: venue.exchange.funding([raw.instrument for raw in bare]))
        marks = {one.instrument.id: one.mark for one in current.rows}
        priced = (replace(raw, mark=marks.get(raw.instrument.id)) for raw in bare)
        sizes |= {raw.instrument.id: size for raw in priced if (size := usd(raw)) is not None}
    return sizes


def amount(sent: Number) -> float | None:
    """A figure as sent, where it is an amount. Pure."""
    try:
        found = float(sent) if sent is not None else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def usd(raw: RawOpenInterest) -> float | None:
    """The size in USD, where the answer gives it or a mark price makes it known. Pure."""
    try:
        return row(replace(raw, time=raw.time or 1), 0, 1)[3]
    except Invalid:
        return None
