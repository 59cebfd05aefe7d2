"""Data files of an instrument about which no coverage says anything, as where `perptape/coverage` was deleted after its segments went.

Current values that were fetched once are kept without a claim (`fetch-oi --store`): files that may hold only such say nothing of this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import pyarrow.compute as pc

from perptape.coverage import Coverage
from perptape.datasets.base import Dataset, Format
from perptape.store import layout
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import DataFiles, Place
from perptape.store.parquet import Unreadable

FETCHED = ("funding_prediction",)
"""Datasets of which any row may have been fetched once; of open interest those of no period."""


def spoken_of(coverage: Coverage) -> frozenset[str]:
    """The instruments, by their folders, of which anything is claimed, wanted or known to be lost. Pure."""
    return frozenset(map(layout.identifier, coverage.named))


def unclaimed(
    fs: FileSystem, kind: Dataset, form: Format, spoken: Mapping[str, Collection[str] | None], paths: Iterable[str]
) -> Iterator[tuple[str, int]]:
    """(the folder of an instrument's data files, how many they are) of each that nothing is said of. `spoken`: the folders by venue of
    which something is; None for a venue of which something could not be read. `paths`: of data files, which were listed before that was
    read, or what is published meanwhile would seem to be nobody's. Raises StoreError."""
    if kind.name in FETCHED:
        return
    found: dict[str, list[Place]] = {}
    files = DataFiles("", kind, form)
    for path in paths:
        named = layout.data_name(path)
        if named is not None and path.startswith(f"{files.folder}/{named[0]}/"):
            found.setdefault(named[0], []).append(Place(path, *named))
    for instrument, places in sorted(found.items()):
        said = spoken.get(instrument.rpartition(".")[2].lower(), ())
        if said is not None and instrument not in said and any(_claimed_once(fs, files, place) for place in places):
            yield f"{files.folder}/{instrument}", len(places)


def _claimed_once(fs: FileSystem, files: DataFiles, place: Place) -> bool:
    """Whether a file holds rows that are never kept without a claim; False where it cannot be read, which is found by its path."""
    try:
        rows = files.decode(place, fs.read(place.path).data)
    except (Absent, Unreadable):
        return False
    return rows.num_rows > 0 and (files.kind.name != "open_interest" or bool(pc.any(pc.greater(rows["period_minutes"], 0)).as_py()))
