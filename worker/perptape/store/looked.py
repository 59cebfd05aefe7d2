"""The coverage of one venue and dataset, looked at again and again: objects are never changed, so only those that are new are read.

What was said once stays said: a segment goes when a coverage file holds what it said, and a coverage file when a later one does. One that
goes because it cannot be read any more says nothing: then all is read afresh.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perptape.coverage import Coverage
from perptape.errors import Newer
from perptape.store import layout
from perptape.store.coverage import Sayings, decode_coverage, known, of_segment
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import DataFiles, Landing
from perptape.store.parquet import Unreadable
from perptape.store.quarantine import damage_records, kept
from perptape.store.segment import Damaged, decode_segment


@dataclass(slots=True)
class Looked:
    """What one process knows of it. Not for two threads at once."""

    fs: FileSystem
    landing: Landing
    venue: str
    _seen: set[str] = field(default_factory=set)
    """Those that are there and were read."""
    _said: Sayings = field(default_factory=Sayings)

    def coverage(self) -> Coverage:
        """As the catalog has it now. Raises StoreError."""
        dataset = self.landing.dataset
        segments, read, said = self._new(layout.segments(self.venue, dataset), self._said)
        files, more, said = self._new(layout.coverage(self.venue, dataset), said)
        gone = self._seen - segments - files
        if gone and kept(self.fs, self.venue, dataset, gone):  # whose claims were its own cannot be told from what is left
            self._seen, self._said = set(), Sayings()
            return self.coverage()
        if self._seen and not (self._seen & (segments | files)):  # the store was made anew
            self._seen, self._said = set(), Sayings()
            return self.coverage()
        self._seen = self._seen & (segments | files) | read | more
        self._said = said
        if not self._seen & files and (files or self._any_rows()):  # no coverage can be read: what is claimed is what rows prove
            return known(self.fs, self.landing, self.venue).coverage
        damage, garbled = damage_records(self.fs, self.venue, dataset)
        return Coverage.of(self._said.claims, self._said.wants, damage, trusted=not garbled)

    def _new(self, folder: str, said: Sayings) -> tuple[set[str], set[str], Sayings]:
        """(the paths of all that are there, of those that were not read before, what is said with what they say).

        One after the other: coverage files say nearly the same, and there are as many as an hour has publishers' runs.
        """
        there, read = {entry.path for entry in self.fs.list(folder)}, set[str]()
        for path in sorted(there - self._seen):
            try:
                data = self.fs.read(path).data
                if folder.startswith(layout.COVERAGE):
                    said = said.joined([decode_coverage(data, path)])
                else:
                    said = said.joined([of_segment(decode_segment(data, path, self.landing.schema, rows=False))])
            except Damaged as error:
                said = said.joined([of_segment(error.left)])
                continue
            except (Absent, Unreadable, Newer):
                continue
            read.add(path)
        return there, read, said

    def _any_rows(self) -> bool:
        return isinstance(self.landing, DataFiles) and bool(self.fs.list(self.landing.folder))
