"""A catalog of which everything is read once, with what could not be, and with what its streams' logs held before that."""

from __future__ import annotations

from dataclasses import dataclass, field

from perptape.coverage import Coverage
from perptape.datasets.instruments import SeenInstrument
from perptape.store import layout
from perptape.store.catalog import Catalog
from perptape.store.coverage import Known
from perptape.store.log_disk import LocalLogDisk
from perptape.store.log_left import Left, left
from perptape.store.log_place import logs_of

NO_LOGS = Left("", "")


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
        found = self.known[venue, dataset].coverage
        if self.spec is None:
            return found
        return Coverage.of(found.claims, (want for want in found.wants if want.spec == self.spec), found.damage, trusted=found.trusted)

    def instruments(self, venue: str) -> tuple[SeenInstrument, ...]:
        if venue not in self._instruments:
            self._instruments[venue] = self.catalog.instruments(venue)
        return self._instruments[venue]

    @property
    def unread(self) -> list[tuple[str, str, str]]:
        """(venue, dataset, which object and why) of what could not be read so far."""
        return [(*of, line) for of, known in sorted(self.known.items()) for line in known.unreadable]


def kept_aside(line: str) -> bool:
    """Whether what could not be read is an object that publishing keeps aside, by the line that says so. Pure."""
    return line.startswith((layout.SEGMENTS, layout.COVERAGE))


def left_in_logs(catalog: Catalog, state: str | None) -> Left:
    """What is left in the logs of a catalog's streams; nothing where there is no place for them on this machine. Changes nothing.

    To be asked for before the coverage is read: of a log that is brought in meanwhile both may tell, and not neither. Raises StoreError.
    """
    disk = LocalLogDisk()
    logs = logs_of(catalog, state, disk)
    return NO_LOGS if logs is None else left(logs, disk)
