"""What venues say now, printed: each venue's failure is named and never takes the others with it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perptape import logs, output
from perptape.cli.places import Place
from perptape.cli.rows import listing
from perptape.cli.shell import FAILED, OK, PARTLY, USAGE, left
from perptape.collect.current import Dataset, Said, each, named, said
from perptape.datasets import DATASETS
from perptape.datasets.instruments import INSTRUMENTS, instrument_rows
from perptape.errors import PerptapeError, StoreError
from perptape.exchanges.base import Access, Exchange
from perptape.settings import Settings
from perptape.store.made import one_origin


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say beside the rows, and how it ends."""

    notes: tuple[str, ...]
    errors: tuple[str, ...]
    code: int


def verdict(answers: Mapping[str, Said | PerptapeError]) -> Verdict:
    """Pure. A word that some venue knows is no error on another; a word that none knows is one, with the nearest names."""
    good = {venue: one for venue, one in answers.items() if isinstance(one, Said)}
    failed = {venue: one for venue, one in answers.items() if isinstance(one, PerptapeError)}
    notes = [_shown(one.message) for answer in good.values() for one in answer.resolved if one.message]
    notes += [f"{venue}: left out {line}" for venue, answer in good.items() for line in answer.dropped]
    known = {one.asked for answer in good.values() for one in answer.resolved}
    errors = [named(venue, error) for venue, error in failed.items()]
    nobody = False
    for answer in good.values():
        for word, message in (answer.unknown or {}).items():
            nobody = nobody or (word not in known and not failed)
            (notes if word in known else errors).append(message)
    dropped_all = [venue for venue, answer in good.items() if answer.dropped]
    if nobody:
        code = USAGE
    elif not good and failed:
        code = FAILED
    else:
        code = PARTLY if failed or dropped_all or errors else OK
    return Verdict(tuple(dict.fromkeys(notes)), tuple(dict.fromkeys(errors)), code)


def _shown(message: str) -> str:
    return message.replace("collecting", "showing").replace("nothing new to collect", "nothing to show now, --from asks for its past")


@dataclass(frozen=True, slots=True)
class Present:
    """One question to several venues."""

    dataset: Dataset
    words: tuple[str, ...]
    venues: tuple[str, ...]
    access: Mapping[str, Access]
    timeout: float
    exact: bool
    store: Place | None

    def show(self, settings: Settings, form: output.Form, to: Path | None) -> int:
        """Asks, prints, stores. The exit code."""
        return asyncio.run(self._shown(settings, form, to))

    async def _shown(self, settings: Settings, form: output.Form, to: Path | None) -> int:
        from perptape.cli.venue_calls import connect

        async def one(exchange: Exchange) -> Said:
            return await said(exchange, self.words, self.dataset, exact=self.exact)

        patience = f"{self.timeout:g} s"
        async with each(self.venues, self.access, left(self.timeout, settings), one, connect=connect, patience=patience) as answers:
            return self._told(answers, settings, form, to)

    def _told(self, answers: Mapping[str, Said | PerptapeError], settings: Settings, form: output.Form, to: Path | None) -> int:
        found = verdict(answers)
        for line in found.notes:
            output.note(logs.redacted(line, settings.secrets))
        for line in found.errors:
            output.error(logs.redacted(line, settings.secrets))
        good = {venue: one for venue, one in answers.items() if isinstance(one, Said)}
        rows = [row for one in good.values() for row in one.rows]
        symbols = {i.id: (i.venue, i.symbol) for one in good.values() for i in one.instruments}
        output.emit(listing(self.dataset, DATASETS[self.dataset].table(rows), symbols), form, to)
        if self.store is None or not rows:
            return found.code
        return self.keep(settings, good, found.code)

    def keep(self, settings: Settings, good: Mapping[str, Said], code: int) -> int:
        """Stores what was printed, venue by venue; what could not be stored is named. Raises OriginConflict."""
        from perptape.cli.tapes import Keeping

        assert self.store is not None
        kept = Keeping(self.store)
        one_origin({venue: one.origin for venue, one in good.items() if one.rows})
        for venue, one in good.items():
            if not one.rows:
                continue
            try:
                kept.prepare(one.origin)
                kept.commit(venue, self.dataset, DATASETS[self.dataset].table(one.rows))
                kept.commit(venue, INSTRUMENTS, instrument_rows(one.wanted, one.received))
            except StoreError as error:
                output.error(logs.redacted(f"{venue}: {len(one.rows)} rows were printed but not stored: {error}", settings.secrets))
                code = PARTLY if code == OK else code
        return code
