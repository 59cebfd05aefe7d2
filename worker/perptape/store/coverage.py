"""What is claimed and wanted of one venue and dataset: segments first, then every coverage file that can be read.

The caller reads data files after this and so never learns of a claim whose rows it does not see. Where no coverage can be read
and there is data that no segment explains, grids are rebuilt from the rows and nothing is trusted: said, never silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from perptape.claims import Claim, Want, join, join_wants
from perptape.coverage import Coverage
from perptape.damage import Damage
from perptape.errors import Newer, StoreError
from perptape.store import layout
from perptape.store.filed import Filed, settled
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import Landing
from perptape.store.parquet import Unreadable, checked, decode_own, encode
from perptape.store.quarantine import damage_records
from perptape.store.rebuild import rebuilt
from perptape.store.record import CLAIMS, Garbled, claims_of_table, claims_table, sealed, unsealed, wants_of_text, wants_text
from perptape.store.segment import Damaged, Segment, decode_segment


@dataclass(frozen=True, slots=True)
class Sayings:
    """Claims and wants, joined: what a coverage file holds."""

    claims: tuple[Claim, ...] = ()
    wants: tuple[Want, ...] = ()

    def joined(self, others: Sequence[Sayings]) -> Sayings:
        """The join with others; asking times are floored to the day where their minute matters to nobody."""
        claims = [c.coarse() for s in (self, *others) for c in s.claims]
        return Sayings(join(claims), join_wants([w for s in (self, *others) for w in s.wants]))

    def contains(self, other: Sayings) -> bool:
        return self.joined([other]) == self.joined([])


@dataclass(frozen=True, slots=True)
class CoverageFiles:
    """Those that could be read, by name; and one line for each that could not.

    `broken`: the paths of those that no perptape wrote so.
    """

    files: tuple[Filed[Sayings], ...]
    unreadable: tuple[str, ...]
    broken: tuple[str, ...] = ()

    @property
    def all(self) -> Sayings:
        return Sayings().joined([f.sayings for f in self.files])


def encode_coverage(sayings: Sayings) -> bytes:
    return encode(claims_table(sayings.claims), sealed({"perptape.wants": wants_text(sayings.wants)}))


def decode_coverage(data: bytes, path: str) -> Sayings:
    """Raises Newer and Unreadable."""
    table, metadata = decode_own(data, path)
    try:
        (wants,) = unsealed(metadata, ["perptape.wants"], path)
        return Sayings(claims_of_table(checked(table, CLAIMS)), wants_of_text(wants))
    except (Garbled, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error


def coverage_files(fs: FileSystem, venue: str, dataset: str, *, newer: bool = False) -> CoverageFiles:
    """All coverage files. Raises Absent when one vanishes between the listing and its read (start over).

    newer=True: one of a newer perptape raises Newer; else it is one more that cannot be read.
    """
    files, unreadable, broken = [], [], []
    for entry in fs.list(layout.coverage(venue, dataset)):
        try:
            files.append(Filed(entry.path, entry.modified, decode_coverage(fs.read(entry.path).data, entry.path)))
        except (Unreadable, Newer) as error:
            if newer and isinstance(error, Newer):
                raise
            unreadable.append(str(error))
            broken += [] if isinstance(error, Newer) else [entry.path]
    return CoverageFiles(tuple(files), tuple(unreadable), tuple(broken))


@dataclass(frozen=True, slots=True)
class Known:
    """All that the store says of a venue and dataset, and one line for each thing that could not be read.

    `broken`: the paths of the objects among them that publishing keeps aside. It touches nothing beside one of a newer perptape: `newer`
    are the lines that only that one can mend.
    """

    coverage: Coverage
    unreadable: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    newer: tuple[str, ...] = ()


def segments(fs: FileSystem, landing: Landing, venue: str, *, rows: bool) -> tuple[list[Segment], list[str]]:
    """Those that are there and can be read; one that vanishes was folded, and what is read later holds it."""
    return readable(fs, layout.segments(venue, landing.dataset), landing.schema, rows=rows)


def readable(fs: FileSystem, folder: str, schema: pa.Schema, *, rows: bool) -> tuple[list[Segment], list[str]]:
    """(the segments of a folder that are there and can be read, why others cannot). Of one whose rows are damaged: what is left of it."""
    found, unread = _tried(fs, folder, schema, rows=rows)
    return found, [str(error) for error in unread.values()]


def _tried(fs: FileSystem, folder: str, schema: pa.Schema, *, rows: bool) -> tuple[list[Segment], dict[str, StoreError]]:
    """As `readable`, with the path and the error of each that cannot be read: Unreadable or Newer."""
    found, unread = list[Segment](), dict[str, StoreError]()
    for entry in fs.list(folder):
        try:
            found.append(decode_segment(fs.read(entry.path).data, entry.path, schema, rows=rows))
        except Absent:
            continue
        except (Unreadable, Newer) as error:
            unread[entry.path] = error
            found += [error.left] if isinstance(error, Damaged) else []
    return found, unread


def known(fs: FileSystem, landing: Landing, venue: str) -> Known:
    """What is claimed and wanted, with damage masking the claims that were asked before it."""
    found, unread = _tried(fs, layout.segments(venue, landing.dataset), landing.schema, rows=False)
    files = settled_coverage_files(fs, venue, landing.dataset)
    damage: tuple[Damage, ...]
    damage, garbled = damage_records(fs, venue, landing.dataset)
    filed = files.all
    claims = [c for s in found for c in s.claims] + list(filed.claims)
    wants = [w for s in found for w in s.wants] + list(filed.wants)
    trusted = not garbled
    lines = [*map(str, unread.values()), *files.unreadable, *garbled]
    broken = (*files.broken, *(path for path, error in unread.items() if not isinstance(error, Newer)))
    newer = tuple(line for line in (*map(str, unread.values()), *files.unreadable) if not line.startswith(broken))
    if not files.files:
        again = rebuilt(fs, landing, segments(fs, landing, venue, rows=True)[0], {c.grid for c in claims} | {w.grid for w in wants})
        if again is not None:
            claims, trusted = [*claims, *again], False
            lines.append(f"no coverage of {venue} {landing.dataset} can be read: rebuilt from rows, stream time is unproven")
            newer += (lines[-1],) if newer else ()
    return Known(Coverage.of(claims, wants, damage, trusted=trusted), tuple(lines), () if newer else broken, newer)


def settled_coverage_files(fs: FileSystem, venue: str, dataset: str) -> CoverageFiles:
    return settled(lambda: coverage_files(fs, venue, dataset), f"the coverage of {venue} {dataset}")


def of_segment(segment: Segment) -> Sayings:
    return Sayings(segment.claims, segment.wants)
