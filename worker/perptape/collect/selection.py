"""Which instruments `symbols.select` means at a venue: by what it lists, by their size, and by what was selected before.

Pure. A selection is sticky: what was in it stays wanted until it is delisted or has been out of it for seven days, so that an instrument
at the edge of `top` leaves no holes. When each was last in it is told by its wants, in `Want.asked`: there the later text wins a join, so
that all pods of a spec come to agree, and versions that know nothing of selections keep it as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from perptape.claims import Want
from perptape.errors import UsageError
from perptape.exchanges.base import Traits
from perptape.instruments import Instrument, Resolution, resolve
from perptape.interval import DAY, HOUR
from perptape_api.symbols import Select


@dataclass(frozen=True, slots=True)
class Seen:
    """When an instrument was in a selection, ms on the venue's clock. `first` is 0 for what was there from the beginning."""

    first: int
    last: int


STAYS: Final = 7 * DAY
"""So long out of the selection an instrument is still wanted."""
AGAIN: Final = HOUR
"""How old a ranking may be."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One spec's choice, by whoever carries it out."""

    select: Select
    spec: str

    @property
    def prefix(self) -> str:
        """What its wants were asked for by. Another choice has another one, and remembers nothing of this one."""
        text = json.dumps(self.select.model_dump(mode="json", exclude_none=True), sort_keys=True)
        return f"select:{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}@"

    def asked(self, seen: Seen) -> str:
        """What a want of a selected instrument says it was asked for by."""
        return f"{self.prefix}{seen.last:015d}/{seen.first:015d}"

    def remembered(self, wants: Iterable[Want]) -> dict[str, Seen]:
        """Instrument -> when it was selected, as this spec's wants tell."""
        latest: dict[str, str] = {}
        for want in wants:
            if want.spec == self.spec and want.asked.startswith(self.prefix):
                latest[want.instrument] = max(latest.get(want.instrument, ""), want.asked)
        return {one: seen for one, text in latest.items() if (seen := _seen(text.removeprefix(self.prefix))) is not None}

    def due(self, remembered: Mapping[str, Seen], now: int) -> bool:
        """Whether to choose anew. A choice without `top` costs nothing; a ranking asks for the size of every candidate."""
        latest = max((seen.last for seen in remembered.values()), default=None)
        return self.select.top is None or latest is None or not 0 <= now - latest < AGAIN

    def candidates(self, listed: Iterable[Instrument]) -> tuple[Instrument, ...]:
        """The contracts that go on and have what is asked for, by id."""
        quote, base, match = self.select.quote, self.select.base, self.select.match
        pattern = None if match is None else re.compile(match)
        found = {
            one.id: one
            for one in listed
            if one.delisted is None
            and (quote is None or one.quote == quote)
            and (base is None or one.base in base)
            and (pattern is None or pattern.search(plain(one)) is not None)
        }
        return tuple(found[id] for id in sorted(found))

    def chosen(self, candidates: Sequence[Instrument], sizes: Mapping[str, float]) -> tuple[str, ...]:
        """The ids selected: all, or the `top` by size, greatest first; of equals the first by id, and what has no size comes last."""
        ids = sorted((one.id for one in candidates), key=lambda id: (-sizes.get(id, -1.0), id))
        return tuple(ids if self.select.top is None else ids[: self.select.top])

    def wanted(self, remembered: Mapping[str, Seen], chosen: Iterable[str], now: int) -> dict[str, Seen]:
        """Instrument -> when it was selected, of all that is wanted now. What comes to a choice that was there before comes now."""
        kept = {one: seen for one, seen in remembered.items() if now - seen.last < STAYS}
        begin = now if remembered else 0
        news = {one: kept.get(one, Seen(begin, now)) for one in chosen}
        return {**kept, **{one: Seen(seen.first, max(seen.last, now)) for one, seen in news.items()}}

    def resolved(self, wanted: Mapping[str, Seen], known: Sequence[Instrument], traits: Traits) -> list[Resolution]:
        """What is wanted, as named symbols would be; what was delisted since it was selected says so."""
        found = []
        for one, seen in sorted(wanted.items()):
            try:
                resolution = resolve(one, traits.venue, known, default=traits.default_perpetual, exact=True)
            except UsageError as error:
                resolution = Resolution(one, traits.venue, None, str(error))
            found.append(replace(resolution, asked=self.asked(seen), since=seen.first))
        return found


def _seen(text: str) -> Seen | None:
    last, _, first = text.partition("/")
    return Seen(int(first), int(last)) if last.isdecimal() and first.isdecimal() else None


def plain(one: Instrument) -> str:
    """A contract's plain name, as `match` sees it: ``BTCUSDT-PERP``."""
    return f"{one.base}{one.quote}-PERP"
