"""Mends what `verify` found: what is claimed and no longer there is written down as lost, so that it is asked for again.

A file that cannot be read is published anew from what is left of it (a copy is kept); the rest of a claim without rows becomes a damage
record. Nothing is taken from a listing: a file is absent when reading it says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from perptape.claims import Claim, grid_step
from perptape.datasets import DATASETS
from perptape.datasets.base import Dataset
from perptape.datasets.funding import FUNDING
from perptape.errors import StoreError
from perptape.interval import NS, Interval, union
from perptape.store import held, layout, quarantine
from perptape.store.filesystem import Absent, FileSystem, InTheWay
from perptape.store.landing import DataFiles
from perptape.store.settled import unsettled
from perptape.store.verify import Finding, claimed_without_rows, holders, slots_with_rows

if TYPE_CHECKING:
    from perptape.store.tape import Tape


def repair(tape: Tape, found: Sequence[Finding], writer: str) -> list[str]:
    """Mends what can be mended of the findings; one line for each thing done. Raises StoreError where another publisher is at work."""
    broken = sorted(one.path for one in found if one.kind == "unreadable")
    reports = tape.publish(touched=broken, writer=writer)
    if reports and not any(one.lease for one in reports):
        raise StoreError("another publisher is at work on this tape: repair it when that one has ended")
    lines = [line for one in reports for line in (*one.damaged, *([one.error] if one.error else []))]
    failed = {(one.venue, one.dataset) for one in reports if one.error}
    made = tape.made()
    for venue, dataset in tape.datasets():
        if dataset in DATASETS:
            assert made is not None
            files = DataFiles(venue, DATASETS[dataset], made.layout)
            # first: any record of damage is taken to know of the whole file
            if (venue, dataset) not in failed:  # what segments still hold may not be in files yet
                lines += _anew(files, broken)
                lines += _fewer(tape, files, {one.path for one in found if one.kind == "rows"})
            lines += _written_down(tape, files)
    return lines


def _anew(files: DataFiles, broken: Sequence[str]) -> Iterator[str]:
    """What became of data files that could not be read: a record of such a one masks all that it may have held (docs/architecture.md)."""
    for path in broken:
        if files.place(path) is not None:
            yield f"{path}: nothing that it held is claimed any more, also where its rows are there again: {_then(files.kind)}"


def _then(kind: Dataset) -> str:
    if kind.name == "liquidations":
        return "in some minutes its time shows as lost, or as open where the venue can be asked"
    return "the next run asks for what was claimed of it"


def _written_down(tape: Tape, files: DataFiles) -> Iterator[str]:
    venue, kind = files.venue, files.kind
    claims = tape.coverage(venue, kind.name).claims
    lost: dict[str, list[Interval]] = {}
    for claim, missing in claimed_without_rows(tape, kind, claims):
        gone = _gone(tape.fs, files, claim, missing)
        lost.setdefault(claim.instrument, []).extend(gone)
    for instrument, spans in unsettled(tape, venue, claims) if kind is FUNDING else ():
        lost.setdefault(instrument, []).extend(one for one in spans if not _settled(tape.fs, files, instrument, one))
    now = tape.fs.now()
    for instrument, spans in lost.items():
        for span in union(spans):
            quarantine.lost(tape.fs, venue, kind.name, instrument, span, now)
            text = f"{layout.iso(span.start * NS)} to {layout.iso(span.end * NS)}"
            yield f"{venue} {kind.name} {instrument}: {text} is claimed and not there: written down as lost, the next run asks again"


def _fewer(tape: Tape, files: DataFiles, paths: Collection[str]) -> Iterator[str]:
    """Of files that once had more rows, and have not got them back by now."""
    venue, kind = files.venue, files.kind
    paths = {path for path in paths if files.place(path) is not None}
    known = held.held_files(tape.fs, venue, kind.name).all if paths else held.Held()
    now = tape.fs.now()
    for place, there, were, since in held.fewer(tape.fs, files, known, {}, paths):
        assert place.span is not None
        after = max(now, since + 1)  # also where an earlier damage was written down while the store's clock was ahead
        quarantine.lost(tape.fs, venue, kind.name, place.instrument, held.masked(kind.name, place.span), after)
        yield f"{place.path}: {were - (there or 0)} rows that it held are gone, which is written down: {_then(kind)}"


def _settled(fs: FileSystem, files: DataFiles, instrument: str, bare: Interval) -> bool:
    """Whether a file holds a settlement of this time."""
    held = _held(fs, files, instrument, [bare.start], len(bare))
    return any(time // NS in bare for rows in held for time in rows["ts_event"].to_pylist())


def _gone(fs: FileSystem, files: DataFiles, claim: Claim, missing: Sequence[int]) -> list[Interval]:
    """The slots of a claim whose rows are in no file."""
    step = grid_step(claim.grid)
    assert step is not None
    there: set[int] = set()
    for rows in _held(fs, files, claim.instrument, missing, step):
        there |= slots_with_rows(files.kind, rows, claim)
    return [Interval(slot, slot + step) for slot in missing if slot not in there]


def _held(fs: FileSystem, files: DataFiles, instrument: str, starts: Sequence[int], step: int) -> Iterator[pa.Table]:
    """The rows of each file that may hold those of slots, asked for by its name: a listing may have left it out."""
    for place in holders(files, instrument, starts, step):
        try:
            yield files.decode(place, fs.read(place.path).data)
        except (Absent, InTheWay):
            continue
