"""Lists of contracts: one that cannot be read, and contracts of which there is something and that are in none, as where a list was deleted
after its segments went. Whoever looks for such a contract by another name than its id does not find it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from perptape.store import layout
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import InstrumentFile, Place
from perptape.store.parquet import Unreadable

if TYPE_CHECKING:
    from perptape.store.catalog import Catalog


def unreadable(fs: FileSystem, venue: str) -> Iterator[str]:
    """Why a venue's published list cannot be read; nothing where it can, or there is none."""
    path = layout.instruments(venue)
    try:
        InstrumentFile(venue).decode(Place(path, "", None), fs.read(path).data)
    except Absent:
        return
    except Unreadable as error:
        yield str(error)


def unlisted(
    catalog: Catalog, spoken: Mapping[str, Mapping[str, Collection[str] | None]], counts: Mapping[str, int | None]
) -> Iterator[tuple[str, str]]:
    """(the path of a venue's list, what is wrong with it) of each that lacks contracts. `spoken`: by dataset and venue, the folders of the
    contracts of which coverage speaks, as `unclaimed.spoken_of` names them; `counts`: how many rows each data file has. Both were read
    before the lists, since a contract is listed first. Of a venue whose list cannot be read that alone is said. Raises StoreError."""
    known: dict[str, set[str]] = {}
    for said in spoken.values():
        for venue, names in said.items():
            known.setdefault(venue, set()).update(names or ())
    for path, rows in counts.items():
        if rows and (named := layout.data_name(path)) is not None and (venue := named[0].rpartition(".")[2].lower()) in known:
            known[venue].add(named[0])
    for venue, names in sorted(known.items()):
        if lacking := _lacking(catalog, venue, names):
            yield layout.instruments(venue), _said(lacking)


def _lacking(catalog: Catalog, venue: str, names: Collection[str]) -> list[str]:
    unread: list[str] = []
    listed = {layout.identifier(one.instrument.id) for one in catalog.instruments(venue, tell=unread.append)} if names else set()
    return [] if unread else sorted(set(names) - listed)


def _said(lacking: list[str]) -> str:
    what = "1 contract is" if len(lacking) == 1 else f"{len(lacking)} contracts are"
    return f"{what} in no list of contracts, and there are rows or coverage: the first is {lacking[0]}, which its id alone finds"


def spoken_ids(catalog: Catalog, venue: str, dataset: str) -> frozenset[str]:
    """The ids of the contracts that are claimed, wanted or known to be lost in part, be they listed or not. Raises StoreError."""
    if (venue, dataset) not in catalog.datasets():  # else nothing would be rebuilt from every data file that there is
        return frozenset()
    return catalog.coverage(venue, dataset).named


def ids_there(catalog: Catalog, venue: str, dataset: str, words: Iterable[str]) -> frozenset[str]:
    """As `spoken_ids`, with those of the words that are ids of the venue's contracts of which there are rows that no coverage claims."""
    said = spoken_ids(catalog, venue, dataset)
    mine = {word for word in words if layout.belongs(word, venue)} - said
    return said | set(pc.unique(catalog.every_row(dataset, mine)["instrument_id"]).to_pylist()) if mine else said
