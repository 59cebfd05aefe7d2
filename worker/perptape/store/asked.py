"""What is asked of a catalog and cannot be meant: rows of what nobody ever saw, and times in another unit. Silence would be an answer."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from perptape.errors import UsageError
from perptape.store.query import Time, in_ns
from perptape.store.unlisted import spoken_ids

if TYPE_CHECKING:
    from perptape.store.catalog import Catalog

IN_MS_FROM, IN_MS_TO = 100_000_000_000, 100_000_000_000_000
"""ms of 1973 and of 5138: what lies outside is no time in ms that a catalog has."""


def check_times(start: Time, end: Time) -> None:
    """Raises UsageError for times that are not in ms, or the wrong way round. 0 is the beginning. Pure."""
    for name, time in (("start", start), ("end", end)):
        if isinstance(time, int) and 0 < time < IN_MS_FROM:
            raise UsageError(f"{name} {time} is not in ms since the epoch: seconds times 1000")
    if isinstance(start, int) and start > IN_MS_TO:
        raise UsageError(f"start {start} is not in ms since the epoch: ns divided by 1000000")
    first, last = in_ns(start), in_ns(end)
    if first is not None and last is not None and first > last:
        raise UsageError(f"start {start} is after end {end}: give the earlier one first")


def check_known(catalog: Catalog, dataset: str, instruments: Iterable[str], rows: pa.Table) -> None:
    """Raises UsageError for an instrument of which the catalog has nothing at all, naming the nearest that it has."""
    missing = set(instruments) - set(pc.unique(rows["instrument_id"]).to_pylist())
    if not missing:
        return
    known = {seen.instrument.id for venue in catalog.venues() for seen in catalog.instruments(venue)}
    missing -= known
    if unknown := sorted(missing - _mentioned(catalog, dataset, missing)):
        known |= {one for venue in catalog.venues() for one in spoken_ids(catalog, venue, dataset)}  # a list may be gone
        near = difflib.get_close_matches(unknown[0], sorted(known), n=3)
        hint = f"nearest: {', '.join(near)}" if near else "give Nautilus ids, as in BTCUSDT-PERP.BINANCE"
        raise UsageError(f"the catalog has nothing of {', '.join(unknown)}; {hint}")


def _mentioned(catalog: Catalog, dataset: str, instruments: set[str]) -> set[str]:
    """Those of which there is a claim, a want or a row, though no list of the venue's has them."""
    found: set[str] = set()
    for venue in {one.rpartition(".")[2].lower() for one in instruments}.intersection(catalog.venues()):
        coverage = catalog.coverage(venue, dataset)
        found |= {claim.instrument for claim in coverage.claims} | {want.instrument for want in coverage.wants}
    left = instruments - found
    return found | set(pc.unique(catalog.every_row(dataset, left)["instrument_id"]).to_pylist()) if left else found
