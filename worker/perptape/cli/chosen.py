"""What a user's words mean in a catalog, also where a list of contracts is not there and ids are all that is known of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from perptape.errors import UsageError

if TYPE_CHECKING:
    from perptape.instruments import Instrument, Resolution


@dataclass(slots=True)
class Chosen:
    """What the words came to. `left_out`: what may be meant, too, and nobody can tell."""

    ids: list[str] = field(default_factory=list)
    symbols: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Instrument id -> (venue, CCXT symbol), of those that are listed."""
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def chosen(
    words: Sequence[str], known: Mapping[str, Sequence[Instrument]], spoken: Callable[[str], Collection[str]], *, exact: bool
) -> Chosen:
    """The contracts that the words mean. `known`: those that are listed, by venue; `spoken`: the ids of a venue's of which coverage
    speaks, which is asked for only where the list has nothing of that name. Raises UsageError for a word that nobody knows.

    What a venue has delisted is in the catalog all the same.
    """

    @cache
    def unlisted(venue: str) -> list[str]:
        return sorted(set(spoken(venue)) - {one.id for one in known[venue]})

    found = Chosen()
    for word in words:
        unknown: list[str] = []
        doubts: list[str] = []
        hits: dict[str, Instrument | None] = {}
        for venue, instruments in known.items():
            one, why = _resolved(word, venue, instruments, exact=exact)
            if (one is None or one.substituted) and (ids := [id for id in unlisted(venue) if _names(word, id)]):
                hits |= dict.fromkeys(ids)
                found.notes += [f"{id} is in no list of contracts: see `perptape verify`" for id in ids]
            elif one is None:
                of_it = unlisted(venue) if _may_be_of(word, venue) else []
                (doubts if of_it else unknown).append(_cannot_tell(venue, of_it) if of_it else why)
            else:
                hits |= {} if one.instrument is None else {one.instrument.id: one.instrument}
                found.notes += [one.message.replace("collecting", "showing")] if one.message else []
        if not hits and doubts:
            raise UsageError(f"what {word!r} means cannot be told: {'; '.join([*doubts, *unknown])}")
        if not hits:
            raise UsageError(f"the catalog holds nothing of {word!r}: {'; '.join(unknown) or 'it is empty'}")
        found.ids += [id for id in hits if id not in found.ids]
        found.symbols |= {id: (one.venue, one.symbol) for id, one in hits.items() if one is not None}
        found.left_out += [f"{word}: {line}" for line in doubts]
    return found


def _resolved(word: str, venue: str, instruments: Sequence[Instrument], *, exact: bool) -> tuple[Resolution | None, str]:
    """(what the venue's list says of a word, why it says nothing)."""
    from perptape.exchanges.registry import traits
    from perptape.instruments import resolve

    listed = [replace(one, delisted=None) for one in instruments]
    try:
        return resolve(word, venue, listed, default=traits(venue).default_perpetual, exact=exact), ""
    except UsageError as error:
        return None, str(error)


def _names(word: str, id: str) -> bool:
    """Whether a word is an id, or what of it is before its venue: all that can be told without a list."""
    return word.upper() in (id.upper(), id.rpartition(".")[0].upper())


def _may_be_of(word: str, venue: str) -> bool:
    """Whether a word may mean a contract of a venue's: an id says whose it is."""
    from perptape.exchanges.registry import VENUES

    return (said := word.rpartition(".")[2].lower()) not in VENUES or said == venue


def _cannot_tell(venue: str, ids: Sequence[str]) -> str:
    count = "1 contract" if len(ids) == 1 else f"{len(ids)} contracts"
    return f"{venue} has {count} in no list: name the full id, as in {ids[0]}, or let `perptape run FILE` bring the list back"
