"""Folds the segments of one venue and dataset into files: carries out what `fold` decides, in the one order that loses nothing.

Segments are listed and read, files joined, claims said, and only then what is old and, read back, all there is deleted. Nothing here
needs to be alone: replacing compares and swaps, and every step may be done twice or cut short.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import replace

import pyarrow as pa

from perptape.claims import Claim
from perptape.errors import Newer, StoreError
from perptape.store import fold, held, layout, quarantine, revision
from perptape.store.coverage import CoverageFiles, Sayings, coverage_files, encode_coverage, of_segment
from perptape.store.deadline import Bounded, Late
from perptape.store.filesystem import Absent, Conflict, Entry
from perptape.store.landing import Landing, Place
from perptape.store.parquet import Unreadable
from perptape.store.publish_report import PublishReport
from perptape.store.rebuild import rebuilt
from perptape.store.segment import Damaged, Segment, decode_segment


class Gone(Exception):
    """A listed object answered 404: another publisher was faster, start over."""


class Publisher:
    """One run over one venue and dataset. `writer` is a name that nobody else has."""

    keep = fold.KEEP

    def __init__(self, fs: Bounded, landing: Landing, venue: str, writer: str, touched: Collection[Place] = ()) -> None:
        self.fs, self.landing, self.venue, self.writer, self.touched = fs, landing, venue, writer, touched
        self.report = PublishReport(venue, landing.dataset)
        self._count = itertools.count()
        self._parts = fold.Parts(landing)
        self._errors, self._folded, self._left_of = list[str](), set[str](), list[Segment]()

    def run(self) -> PublishReport:
        """Never raises for what the store does; what went wrong is in the report."""
        try:
            while not self._done():
                pass
        except Late:
            self._errors.append("the time of one publisher was up; the next run goes on")
        except StoreError as error:
            self._errors.append(str(error))
        self._left()
        more = f" (and {len(self._errors) - 1} more)" if len(self._errors) > 1 else ""
        return replace(self.report, error=f"{self._errors[0]}{more}" if self._errors else None)

    def _done(self) -> bool:
        try:
            self.once()
        except Gone:
            self.fs.check()
            return False
        return True

    def once(self) -> None:
        """One pass over everything that is there."""
        listed = self.listed()
        covered = self.covered()
        segments = self.read(listed)
        again = () if covered.files else self._rebuilt(list(segments.values()))
        failed = self.join_files(segments)
        claimable = self.claimable(segments, failed)
        self.say(covered, [*claimable, *self._left_of], again)
        self.retire(covered.broken)
        told = {id(segment) for segment in claimable}
        self._folded = {path for path, segment in segments.items() if id(segment) in told}
        self.delete_segments(self.deletable(listed, segments))
        self.put_aside([entry for entry in listed if entry.path not in segments])
        self.delete_coverage({f.path: f.modified for f in covered.files})

    def listed(self) -> Sequence[Entry]:
        return self.fs.list(layout.segments(self.venue, self.landing.dataset))

    def covered(self) -> CoverageFiles:
        try:
            return coverage_files(self.fs, self.venue, self.landing.dataset, newer=True)
        except Absent as error:
            raise Gone from error

    def read(self, listed: Sequence[Entry]) -> dict[str, Segment]:
        """Every listed segment by its path, but those that cannot be read: they are copied aside and what they claim is not claimed."""
        found, self._left_of = {}, []
        for entry in listed:
            try:
                data = self.fs.read(entry.path).data
            except Absent as error:
                raise Gone from error
            try:
                found[entry.path] = decode_segment(data, entry.path, self.landing.schema)
            except Newer:
                raise
            except Unreadable as error:
                quarantine.keep(self.fs, self.venue, self.landing.dataset, entry.path, data)
                self._damaged(str(error))
                self._left_of += [error.left] if isinstance(error, Damaged) else []
        return found

    def join_files(self, segments: dict[str, Segment]) -> set[Place]:
        """Every file that the segments touch becomes its join with all of them; returns those that could not."""
        failed = set()
        for part in self._parts.of(list(segments.values()), self.touched):
            try:
                self.join_file(part)
            except StoreError as error:  # rows that no data file can hold, too: this place waits, the others go on
                failed.add(part.place)
                self._errors.append(str(error))
        return failed

    def join_file(self, part: fold.Part) -> None:
        while True:
            base, version = self.base(part.place)
            done = fold.folded(self.landing, base, part)
            if done.revised.num_rows:
                kept = revision.keep(self.fs, self.venue, self.landing.dataset, part.place, done.revised)
                self.report = replace(self.report, revised=self.report.revised + kept)
            if done.rows is None:
                return
            try:
                self.fs.replace(part.place.path, self.landing.encode(part.place, done.rows), version)
            except Conflict:
                continue
            self.report = replace(self.report, files=self.report.files + 1, rows=self.report.rows + done.added)
            return

    def base(self, place: Place) -> tuple[pa.Table | None, str | None]:
        """What is in a file and its version; one that cannot be read is copied aside, its loss written down, and counts as empty."""
        try:
            stored = self.fs.read(place.path)
        except Absent:
            return None, None
        try:
            return self.landing.decode(place, stored.data), stored.version
        except Unreadable as error:
            quarantine.record(self.fs, self.venue, self.landing.dataset, place, stored.data, self.fs.now())
            self._damaged(str(error))
            return None, stored.version

    def claimable(self, segments: dict[str, Segment], failed: set[Place]) -> list[Segment]:
        return fold.claimable(self.landing, list(segments.values()), failed)

    def say(self, covered: CoverageFiles, segments: Sequence[Segment], again: tuple[Claim, ...] = ()) -> None:
        """A new coverage file, when there is anything to say that no other says. `again`: claims that were rebuilt from rows."""
        for line in covered.unreadable:
            self._damaged(line)
        before = covered.all
        after = before.joined([Sayings(again), *(of_segment(s) for s in segments)])
        if after != before:
            self.fs.create(layout.coverage_file(self.venue, self.landing.dataset, self._name()), encode_coverage(after))

    def retire(self, broken: Sequence[str]) -> None:
        """Coverage files that cannot be read are kept aside and go, where one that can be read says what is known."""
        if broken and (still := self.covered()).files:
            for path in set(broken) & set(still.broken):
                quarantine.put_aside(self.fs, self.venue, self.landing.dataset, path)

    def deletable(self, listed: Sequence[Entry], segments: dict[str, Segment]) -> list[str]:
        """The segments that are old and, read back, all there."""
        old = fold.old_enough([e for e in listed if e.path in segments], self.fs.now(), self.keep)
        if not old:
            return []
        damage, garbled = quarantine.damage_records(self.fs, self.venue, self.landing.dataset)  # before the rows are counted
        if garbled:  # since when they count nobody knows
            return []
        absent, rows = self.absent([segments[e.path] for e in old])
        there = {e.path: segments[e.path] for e in old if not absent or not fold.places(self.landing, segments[e.path]) & absent}
        told = {id(s) for s in fold.said(list(there.values()), self.covered().all)}
        paths = [path for path, segment in there.items() if id(segment) in told]
        if paths:
            for line in held.keep(self.fs, self.venue, self.landing.dataset, held.counted(rows, damage), self._name(), self.keep):
                self._damaged(line)
        return paths

    def absent(self, segments: Sequence[Segment]) -> tuple[set[Place], dict[Place, int]]:
        """(the files that, read back, miss something of the segments; how many rows each has that could be read)."""
        missing, rows = set(), {}
        for part in self._parts.of(segments):
            try:
                base = self.landing.decode(part.place, self.fs.read(part.place.path).data)
            except StoreError:
                missing.add(part.place)
                continue
            rows[part.place] = base.num_rows
            done = fold.folded(self.landing, base, part)
            if done.rows is not None or revision.missing(self.fs, self.venue, self.landing.dataset, part.place, done.revised).num_rows:
                missing.add(part.place)
        return missing, rows

    def _name(self) -> str:
        return layout.coverage_name(self.fs.now(), f"{self.writer}.{next(self._count)}")

    def delete_segments(self, paths: Sequence[str]) -> None:
        for path in paths:
            self.fs.delete(path)

    def put_aside(self, unreadable: Sequence[Entry]) -> None:
        """Segments that could not be read go once they are old."""
        for entry in fold.old_enough(unreadable, self.fs.now(), self.keep) if unreadable else ():
            quarantine.move(self.fs, self.venue, self.landing, entry.path)

    def delete_coverage(self, listed: dict[str, int]) -> None:
        """Listed at the start, read again now: a coverage file that a later one contains goes, but for the newest eight."""
        if len(listed) > fold.KEPT_COVERAGE:
            for path in fold.superseded(self.covered().files, listed, self.fs.now(), self.keep):
                self.fs.delete(path)

    def _rebuilt(self, segments: Sequence[Segment]) -> tuple[Claim, ...]:
        grids = {c.grid for s in segments for c in s.claims} | {w.grid for s in segments for w in s.wants}
        return rebuilt(self.fs, self.landing, segments, grids) or ()

    def _damaged(self, line: str) -> None:
        if line not in self.report.damaged:
            self.report = replace(self.report, damaged=(*self.report.damaged, line))

    def _left(self) -> None:
        try:
            left = {entry.path: layout.named_at(layout.name_of(entry.path)) for entry in self.listed()}
        except StoreError:
            return
        times = [time for time in left.values() if time is not None]
        later = [time for path, time in left.items() if path not in self._folded]
        self.report = replace(
            self.report,
            segments=len(left),
            oldest=min(times, default=None),
            unfolded=len(later),
            oldest_unfolded=min((time for time in later if time is not None), default=None),
        )
