"""The write side of a tape: segments go in, and publishing folds them into data files. `catalog` is the read side."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

import pyarrow as pa

from perptape.claims import Claim, Want
from perptape.datasets.base import Format
from perptape.errors import FormatConflict, OriginConflict, StoreError
from perptape.store import layout, samples
from perptape.store.catalog import Catalog
from perptape.store.coverage import segments
from perptape.store.deadline import DEADLINE, Bounded, sweep
from perptape.store.filesystem import FileSystem
from perptape.store.landing import landing, schema
from perptape.store.looked import Looked
from perptape.store.made import Made, make, still, stored
from perptape.store.publish import Publisher
from perptape.store.publish_report import PublishReport
from perptape.store.replicas import Agreement, agreement, several
from perptape.store.segment import Segment, encode_segment
from perptape.store.usable import usable
from perptape.store.verify import Finding, findings


def suspended_too() -> float:
    """Seconds of a clock that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Tape(Catalog):
    """The write side, and the read side too."""

    publisher = Publisher
    """By which rule segments become data files."""

    def __init__(self, fs: FileSystem) -> None:
        super().__init__(fs)
        self._count = itertools.count()
        self.gone: Callable[[], None] = lambda: None
        """Told, in whatever thread writes, when the store was found deleted under this process and was made again."""

    def prepare(self, origin: str, form: Format) -> None:
        """Makes the store for one origin and format, or sees that it is for them.

        Raises OriginConflict, FormatConflict, Newer, before anything else is written.
        """
        made = self._made = make(self.fs, Made(form, origin))
        self.prepared(origin)
        if made.layout != form:
            raise FormatConflict(f"{self.location} was made in format {made.layout}, not {form}: name another catalog, or that format")

    def prepared(self, origin: str) -> None:
        """Sees that the store is for this origin, or for none yet. Raises OriginConflict, Newer."""
        if (kept := self.origin) not in (None, origin):
            raise OriginConflict(f"{self.location} holds data of origin {kept}, this run's is {origin}: name another catalog")

    def commit(
        self,
        venue: str,
        dataset: str,
        rows: pa.Table | None,
        claims: Iterable[Claim],
        wants: Iterable[Want],
        writer: str,
        clock: Callable[[], int],
        *,
        name: str | None = None,
    ) -> str:
        """Writes one segment, all or nothing, durable when this returns its name.

        `writer` is a name that nobody else has (a random id of the process); `clock` gives ms. `name`: of a log's roll, which must
        be the same at every replay. `prepare` comes first.
        """
        made = self._still()
        name = name or layout.segment_name(clock(), writer, next(self._count))
        rows = schema(dataset).empty_table() if rows is None else rows
        segment = Segment(venue, dataset, name, rows, tuple(claims), tuple(wants), made.origin)
        self.fs.create(layout.segment(venue, dataset, name), encode_segment(segment))
        return name

    def keep_sample(self, venue: str, dataset: str, rows: pa.Table, writer: str, clock: Callable[[], int], since: int) -> None:
        """Keeps what an audit sampled beside the tape, and removes what was kept before `since` (ms of `clock`)."""
        made, name = self._still(), layout.segment_name(clock(), writer, next(self._count))
        samples.keep(self.fs, Segment(venue, dataset, name, rows, (), (), made.origin), since)

    def samples(self, venue: str, dataset: str) -> pa.Table:
        """The rows of what audits sampled."""
        return samples.kept(self.fs, venue, dataset)

    def _still(self) -> Made:
        """What the store was made for, and is."""
        made = self.made()
        if made is None:
            raise StoreError(f"{self.location} is not prepared: an origin and a format come first")
        still(self.fs, made, self.gone)
        return made

    def publish(
        self,
        *,
        venues: Collection[str] | None = None,
        touched: Collection[str] = (),
        clock: Callable[[], float] = suspended_too,
        deadline: float = DEADLINE,
        writer: str | None = None,
        lease: bool = True,
    ) -> list[PublishReport]:
        """Folds every segment into data files; one report for each venue and dataset.

        `touched`: paths of data files to look at though no segment touches them (those that `verify` found unreadable). With
        `lease`, another publisher at work means that nothing is done here, and the reports say so.
        """
        me = writer or secrets.token_hex(6)
        made = stored(self.fs)
        if made is None:
            return []
        with self.fs.lease(me) as free:
            pairs = [pair for pair in self.datasets() if venues is None or pair[0] in venues]
            if lease and not free:
                return [PublishReport(venue, dataset, lease=False) for venue, dataset in pairs]
            bounded = Bounded(self.fs, clock, deadline)
            sweep(bounded)
            return [self._published(bounded, made.layout, venue, dataset, me, touched, free) for venue, dataset in pairs]

    def _published(
        self, fs: Bounded, form: Format, venue: str, dataset: str, writer: str, touched: Collection[str], free: bool
    ) -> PublishReport:
        place = landing(venue, dataset, form)
        if place is None:
            return PublishReport(venue, dataset, error=f"{dataset} is of a newer perptape: it is left alone", lease=free)
        wanted = [p for p in map(place.place, touched) if p is not None]
        return replace(self.publisher(fs, place, venue, writer, wanted).run(), lease=free)

    def looked(self, venue: str, dataset: str) -> Looked:
        """The coverage of a venue and dataset, for one who looks at it again and again."""
        return Looked(self.fs, self._landing(venue, dataset), venue)

    def verify(self) -> list[Finding]:
        """Everything that is not as it should be; nothing is changed."""
        made = self.made()
        return [] if made is None else findings(self, made.layout)

    def agreements(self) -> list[Agreement]:
        """How the replicas of each stream agree, by the segments that are still there, where several heard the same time."""
        found = [self._agreement(venue) for venue, dataset in self.datasets() if dataset == "liquidations"]
        return [one for one in found if one is not None and one.together]

    def _agreement(self, venue: str) -> Agreement | None:
        """By claims alone where they say that there is nothing to compare: most streams have one replica."""
        place = self._landing(venue, "liquidations")
        if not several(segments(self.fs, place, venue, rows=False)[0]):
            return None
        return agreement(venue, segments(self.fs, place, venue, rows=True)[0])

    def usable(self) -> str:
        """One line on how the store does, after writing, replacing, reading and deleting an object. Raises StoreError."""
        return usable(self.fs)
