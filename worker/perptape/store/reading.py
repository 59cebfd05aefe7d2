"""A catalog of which everything is read once, with what could not be, and with what its streams' logs held before that."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from perptape.coverage import Coverage
from perptape.datasets.instruments import SeenInstrument
from perptape.errors import StoreError
from perptape.store.catalog import Catalog
from perptape.store.coverage import Known
from perptape.store.log import RECORDS, found
from perptape.store.log_disk import LocalLogDisk, LogDisk
from perptape.store.log_left import Left, left
from perptape.store.log_place import logs_of

NO_LOGS = Left("", "")


@dataclass(frozen=True, slots=True)
class Unread:
    """One thing that could not be read. `line`: which, and why. `aside`: whether publishing keeps it aside, and that is all to do."""

    venue: str
    dataset: str
    line: str
    aside: bool


@dataclass(slots=True)
class Reading:
    """A catalog that is read once, venue by venue and dataset by dataset. `spec`: of all wants only those of this collection.
    `logs`: what was left in the logs of its streams before anything of it was read."""

    catalog: Catalog
    spec: str | None = None
    logs: Left = NO_LOGS
    known: dict[tuple[str, str], Known] = field(default_factory=dict)
    """What was read, with what could not be."""
    _instruments: dict[str, tuple[SeenInstrument, ...]] = field(default_factory=dict)

    def coverage(self, venue: str, dataset: str) -> Coverage:
        if (venue, dataset) not in self.known:
            self.known[venue, dataset] = self.catalog.known(venue, dataset)
        every = self.known[venue, dataset].coverage
        if self.spec is None:
            return every
        return Coverage.of(every.claims, (want for want in every.wants if want.spec == self.spec), every.damage, trusted=every.trusted)

    def instruments(self, venue: str) -> tuple[SeenInstrument, ...]:
        if venue not in self._instruments:
            self._instruments[venue] = self.catalog.instruments(venue)
        return self._instruments[venue]

    @property
    def unread(self) -> list[Unread]:
        """What could not be read so far."""
        return [Unread(*of, line, line.startswith(known.broken)) for of, known in sorted(self.known.items()) for line in known.unreadable]


def left_in_logs(catalog: Catalog, state: str | None) -> Left:
    """What is left in the logs of a catalog's streams; nothing where there is no place for them on this machine. Changes nothing.

    To be asked for before the coverage is read: of a log that is brought in meanwhile both may tell, and not neither. Raises StoreError.
    """
    disk = LocalLogDisk()
    logs = logs_of(catalog, state, disk)
    return NO_LOGS if logs is None else left(logs, disk)


def of_venues(logs: Left, venues: Collection[str]) -> Left:
    """What of it is to be said to who asks for these venues' liquidations. Of what cannot be read nobody knows whose it is."""
    if not venues:
        return NO_LOGS
    disk = LocalLogDisk()
    return replace(logs, waiting=tuple(name for name in logs.waiting if _venue(disk, os.path.join(logs.root, name)) in (None, *venues)))


def waiting(logs: Left) -> list[str]:
    """What is to be said of logs that are to be brought in; nothing where there are none. Pure."""
    if not logs.waiting:
        return []
    what, it = counted(logs)
    return [
        f"{what}: what shows as lost, open or unproven may be in {it}; the next "
        f"`perptape run FILE` or `perptape stream-liquidations --store` brings {it} in"
    ]


def counted(logs: Left) -> tuple[str, str]:
    """(how many logs wait, and where; what they are called after that). Pure."""
    count = len(logs.waiting)
    what = "1 log of a stream whose process is dead is" if count == 1 else f"{count} logs of streams whose processes are dead are"
    return f"{what} in {logs.root} and not in the store yet", "it" if count == 1 else "them"


def _venue(disk: LogDisk, folder: str) -> str | None:
    """Whose a log is; None where nobody knows by now: it may have been brought in since it was seen."""
    try:
        _, records, _ = found(disk, os.path.join(folder, RECORDS))
    except (OSError, StoreError):
        return None
    return None if records.head is None else records.head.venue
