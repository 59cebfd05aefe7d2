"""Every life of a venue's contracts and when it ended: what the venue lists, held against what is remembered.

Pure. A contract whose end the venue does not date ended when that was first seen, so the earliest end ever told or seen counts.
One that is missing from a list is doubted before it is taken for delisted: venues answer short lists for a while.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from perptape.datasets.instruments import SeenInstrument
from perptape.instruments import Instrument
from perptape.interval import DAY

MISSING_FOR = DAY
"""A contract that no list names is delisted once a list this long after the first without it lacks it too."""


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of one life. `doubted`: it is missing from the list, and nobody knows yet whether it is delisted."""

    seen: SeenInstrument
    doubted: bool = False

    @property
    def instrument(self) -> Instrument:
        """As it is to be taken now: what is doubted goes on."""
        one = self.seen.instrument
        return replace(one, delisted=None) if self.doubted else one


_Key = tuple[str, str]


def _key(one: Instrument) -> _Key:
    return one.id, one.terms


def lives(remembered: Iterable[SeenInstrument], listing: Iterable[Instrument], now: int, *, whole: bool = True) -> tuple[Life, ...]:
    """All lives, by id, oldest first. `now` is ms on the venue's clock; an ended life keeps the time it was last seen alive.

    whole: False where the list holds contracts that could not be understood, so that one which is missing may be among them.

    A contract that is listed again (or missing for a moment) with its old terms goes on; with other terms it begins a new life,
    and its old one ended at the latest when the new one began.
    """
    known = {_key(seen.instrument): seen for seen in remembered}
    order = sorted(listing, key=lambda one: (one.delisted is None, one.delisted or 0))
    told = {_key(one): one for one in order}  # of one key the live one, else the one that ended last
    newest = {one.id: one for one in order}
    found = [_told(one, known.get(key), now) for key, one in told.items()]
    found += [_missing(seen, newest.get(key[0]), now, whole) for key, seen in known.items() if key not in told]
    return tuple(_one_after_another(sorted(found, key=_age)))


def _age(life: Life) -> tuple[str, bool, int, int]:
    one = life.seen.instrument
    return one.id, one.delisted is None, one.delisted or 0, one.listed or 0


def _told(one: Instrument, seen: SeenInstrument | None, now: int) -> Life:
    if one.delisted is None:
        return Life(SeenInstrument(one, now if seen is None else seen.seen_from, now))
    if seen is None:
        return Life(SeenInstrument(one, one.delisted, one.delisted))
    return Life(replace(seen, instrument=_ended(one, seen, one.delisted)))


def _missing(seen: SeenInstrument, successor: Instrument | None, now: int, whole: bool) -> Life:
    if successor is not None:
        began = now if successor.listed is None else successor.listed
        return Life(replace(seen, instrument=_ended(seen.instrument, seen, max(began, seen.seen_to))))
    if not whole and seen.instrument.delisted is None:
        return Life(seen)
    ended = _ended(seen.instrument, seen, now)
    assert ended.delisted is not None
    return Life(replace(seen, instrument=ended), doubted=now - ended.delisted < MISSING_FOR)


def _ended(one: Instrument, seen: SeenInstrument, end: int) -> Instrument:
    before = seen.instrument.delisted
    return replace(one, delisted=end if before is None else min(before, end))


def _one_after_another(found: Sequence[Life]) -> Iterable[Life]:
    """A life begins no earlier than the one before it ended: some venues keep the day of the first listing for all of them."""
    before: Instrument | None = None
    for life in found:
        one = life.seen.instrument
        if before is not None and before.id == one.id and before.delisted is not None and (one.listed or 0) < before.delisted:
            one = replace(one, listed=min(before.delisted, before.delisted if one.delisted is None else one.delisted))
            life = replace(life, seen=replace(life.seen, instrument=one))
        before = one
        yield life


def news(found: Iterable[Life], remembered: Iterable[SeenInstrument], wanted: Collection[str]) -> tuple[SeenInstrument, ...]:
    """What is to be remembered of it: every end and every return of what is remembered; of what is `wanted` (ids) also what is new,
    has changed, or was last written a day ago."""
    known = {_key(seen.instrument): seen for seen in remembered}
    out = []
    for life in found:
        one, before = life.seen.instrument, known.get(_key(life.seen.instrument))
        if before is None:
            fresh = one.id in wanted
        elif one.delisted is not None:
            fresh = before.instrument.delisted is None or one.delisted < before.instrument.delisted
        elif before.instrument.delisted is not None:
            fresh = True
        else:
            fresh = one.id in wanted and (one != before.instrument or life.seen.seen_to - before.seen_to > DAY)
        if fresh:
            out.append(life.seen)
    return tuple(out)
