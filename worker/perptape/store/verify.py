"""Looks at everything in a catalog and says what is not as it should be; changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from perptape.claims import Claim, grid_step
from perptape.datasets import DATASETS
from perptape.datasets.base import Dataset, Format
from perptape.datasets.funding import FUNDING
from perptape.errors import Newer
from perptape.interval import MINUTE, NS, floor, slot_of, slots, total
from perptape.store import coverage as covered
from perptape.store import fold, held, layout
from perptape.store.filesystem import Absent, Entry, FileSystem, InTheWay
from perptape.store.folder import Folder
from perptape.store.landing import DataFiles, Landing, Place, landing
from perptape.store.parquet import Unreadable, decode
from perptape.store.settled import unsettled
from perptape.store.unclaimed import spoken_of, unclaimed
from perptape.store.unlisted import unlisted, unreadable
from perptape.times import span

if TYPE_CHECKING:
    from perptape.store.catalog import Catalog

Kind = Literal[
    "unreadable", "order", "duplicate", "overlap", "name", "claim", "stray", "coverage", "newer",
    "unpublished", "unclaimed", "unlisted", "rows", "log",
]  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, at one path, in one line that says what it means."""

    path: str
    kind: Kind
    message: str


def findings(catalog: Catalog, form: Format) -> list[Finding]:
    """Order, duplicates, overlaps, readability and checksums, names against contents, strays, and claims against rows."""
    out: list[Finding] = []
    held_before = {pair: held.held_files(catalog.fs, *pair) for pair in catalog.datasets()}
    counts: dict[str, int | None] = {}
    for kind in DATASETS.values():
        out.extend(_data_files(catalog.fs, kind, form, counts))
    out.extend(_strays(catalog.fs, form))
    spoken: dict[str, dict[str, frozenset[str] | None]] = {}
    for venue, dataset in catalog.datasets():  # after the files were listed: what is published meanwhile is spoken of
        place = landing(venue, dataset, form)
        if place is None:
            continue
        out.extend(_rows(catalog.fs, place, held_before.get((venue, dataset), held.HeldFiles(())), counts))
        known = catalog.known(venue, dataset)
        spoken.setdefault(dataset, {})[venue] = None if known.unreadable else spoken_of(known.coverage)
        out.extend(_unread(known, layout.coverage(venue, dataset)))
        out.extend(_unpublished(catalog.fs, place, venue))
        if dataset not in DATASETS:
            out.extend(Finding(layout.instruments(venue), "unreadable", why) for why in unreadable(catalog.fs, venue))
        else:
            out.extend(_claims_without_rows(catalog, venue, DATASETS[dataset], form, known.coverage.claims))
    for kind in DATASETS.values():
        for path, count in unclaimed(catalog.fs, kind, form, spoken.get(kind.name, {}), counts):
            files = "1 data file is" if count == 1 else f"{count} data files are"
            text = f"{files} here, and no coverage says anything of the contract: what was wanted, is complete or is lost is not known"
            out.append(Finding(path, "unclaimed", text))
    out.extend(Finding(path, "unlisted", text) for path, text in unlisted(catalog, spoken, counts))
    return sorted(set(out))


def _data_files(fs: FileSystem, kind: Dataset, form: Format, counts: dict[str, int | None]) -> Iterator[Finding]:
    """`counts` is told how many rows each file has, by its path; None of what cannot be read."""
    files = DataFiles("", kind, form)
    spans: dict[str, list[tuple[layout.Span, str]]] = {}
    for entry in fs.list(files.folder):
        named = layout.data_name(entry.path)
        if named is None or not entry.path.startswith(f"{files.folder}/{named[0]}/"):
            continue
        spans.setdefault(named[0], []).append((named[1], entry.path))
        yield from _data_file(fs, files, Place(entry.path, *named), counts)
    for found in spans.values():
        ordered = sorted(found)
        for (a, _), (b, path) in itertools.pairwise(ordered):
            if b.start <= a.end:
                yield Finding(path, "overlap", f"covers times that {a.name}.parquet covers too: readers see such rows twice")


def _data_file(fs: FileSystem, files: DataFiles, place: Place, counts: dict[str, int | None]) -> Iterator[Finding]:
    try:
        data = fs.read(place.path).data
        rows = files.decode(place, data)
        counts[place.path] = rows.num_rows
    except Absent:
        return
    except Unreadable as error:
        counts[place.path] = None
        yield Finding(place.path, "unreadable", str(error))
        return
    assert place.span is not None
    if place.span != layout.span_of(place.span.start, files.kind.span):
        yield Finding(place.path, "name", f"is not named by a whole {files.kind.span}")
    if not rows.num_rows:
        return
    times = rows["ts_init"].combine_chunks()
    if pc.min(times).as_py() < place.span.start or pc.max(times).as_py() > place.span.end:
        yield Finding(place.path, "name", "holds rows outside of the times in its name: readers that filter lose them")
    if "instrument_id" in decode(data, place.path).schema.names and pc.unique(rows["instrument_id"]).to_pylist() != [place.instrument]:
        yield Finding(place.path, "name", f"holds rows of another instrument than {place.instrument}")
    if len(times) > 1 and not pc.all(pc.less_equal(times.slice(0, len(times) - 1), times.slice(1))).as_py():
        yield Finding(place.path, "order", "is not sorted by ts_init")
    once = files.joined([rows, rows.slice(0, 0)])[0].num_rows
    if once != rows.num_rows:
        yield Finding(place.path, "duplicate", f"holds {rows.num_rows - once} rows twice")


def _rows(fs: FileSystem, place: Landing, known: held.HeldFiles, counts: Mapping[str, int | None]) -> Iterator[Finding]:
    """Data files that once had more rows than now."""
    yield from (Finding(path, "unreadable", line) for path, line in known.broken)
    yield from (Finding(_path_in(line, layout.OWN), "newer", line) for line in known.newer)
    if isinstance(place, DataFiles):
        for where, there, were, _ in held.fewer(fs, place, known.all, counts):
            text = f"is gone with the {were} rows that it held" if there is None else f"has {there} rows and held {were} once"
            yield Finding(where.path, "rows", text)


def _unread(known: covered.Known, folder: str) -> Iterator[Finding]:
    for line in known.unreadable:
        yield Finding(_path_in(line, folder), "newer" if line in known.newer else "coverage", line)


def _path_in(line: str, other: str) -> str:
    """The path with which a line about an object begins; `other` where it is about more than one."""
    first = line.split(" ", 1)[0]
    return first if first.startswith(f"{layout.OWN}/") else other


def _strays(fs: FileSystem, form: Format) -> Iterator[Finding]:
    """What is under data/ and cannot be a data file. Other classes of Nautilus' are somebody else's and left alone."""
    ours = [layout.data_folder(kind.directory(form)) for kind in DATASETS.values()]
    for entry in fs.list(layout.DATA):
        if _stray(entry, ours):
            yield Finding(entry.path, "stray", "is no data file: NautilusTrader fails on it or reads it as data")


def _stray(entry: Entry, ours: Sequence[str]) -> bool:
    named = layout.data_name(entry.path)
    if named is None:
        return True
    inside = [folder for folder in ours if entry.path.startswith(f"{folder}/")]
    return bool(inside) and entry.path.count("/") != inside[0].count("/") + 2


def _claims_without_rows(catalog: Catalog, venue: str, kind: Dataset, form: Format, claims: Sequence[Claim]) -> Iterator[Finding]:
    files, paths = DataFiles(venue, kind, form), set[str]()
    for claim, missing in claimed_without_rows(catalog, kind, claims):
        where = layout.coverage(venue, kind.name)
        first = layout.iso(missing[0] * NS)
        text = f"{claim.instrument} {claim.grid}: {len(missing)} slots are claimed and have no row, the first at {first}"
        yield Finding(where, "claim", text)
        paths |= {place.path for place in holders(files, claim.instrument, missing, grid_step(claim.grid) or 1)}
    for instrument, spans in unsettled(catalog, venue, claims) if kind is FUNDING else ():
        text = f"{instrument}: {span(total(spans))} are claimed complete and have no settlement, from {layout.iso(spans[0].start * NS)}"
        yield Finding(layout.coverage(venue, kind.name), "claim", text)
    for path in sorted(paths) if isinstance(catalog.fs, Folder) else ():  # no object store can have a folder there
        yield from _in_the_way(catalog.fs, path)


def _in_the_way(fs: FileSystem, path: str) -> Iterator[Finding]:
    try:
        fs.read(path)
    except Absent:
        return
    except InTheWay as error:
        yield Finding(path, "stray", str(error))


def claimed_without_rows(catalog: Catalog, kind: Dataset, claims: Iterable[Claim]) -> Iterator[tuple[Claim, list[int]]]:
    """Claims of complete slots, each with the starts (ms) of those for which there is no row."""
    claims = [c for c in claims if c.kind == "complete" and grid_step(c.grid) is not None]
    if not claims:
        return
    try:
        rows = catalog.every_row(kind.name, {c.instrument for c in claims}, tell=lambda line: None)
    except (Unreadable, Newer):  # found by its path, as what is left out is
        return
    times = _times(kind, rows)
    for claim in claims:
        have = _slots(kind, times, claim)
        missing = [slot for slot in slots(claim.span, grid_step(claim.grid) or 1) if slot not in have]
        if missing:
            yield claim, missing


def holders(files: DataFiles, instrument: str, starts: Iterable[int], step: int) -> list[Place]:
    """The files that may hold the rows of slots: each is stamped by its slot's start or end, and known a period after that at most."""
    return sorted({place for slot in starts for place in _holders(files, instrument, slot, step)}, key=lambda place: place.path)


def _holders(files: DataFiles, instrument: str, slot: int, step: int) -> Iterator[Place]:
    time, last = (slot - MINUTE) * NS, (slot + 2 * step) * NS + layout.LATEST_AFTER_EVENT * NS
    while time <= last:
        span = layout.span_of(time, files.kind.span)
        yield Place(layout.data_file(files.kind.directory(files.form), instrument, span), instrument, span)
        time = span.end + 1


def slots_with_rows(kind: Dataset, rows: pa.Table, claim: Claim) -> set[int]:
    """The starts (ms) of the slots of a claim's grid that `rows` have a row for."""
    return _slots(kind, _times(kind, rows), claim)


def _slots(kind: Dataset, times: dict[tuple[str, int], list[int]], claim: Claim) -> set[int]:
    """A period's slot is that of its row's ts_event."""
    step, sampled = grid_step(claim.grid) or 1, claim.grid.startswith("sample/")
    period = 0 if sampled or kind.name != "open_interest" else step // MINUTE
    return {(floor if sampled else slot_of)(time, step) for time in times.get((claim.instrument, period), ())}


def _times(kind: Dataset, rows: pa.Table) -> dict[tuple[str, int], list[int]]:
    periods = rows["period_minutes"].to_pylist() if kind.name == "open_interest" else [0] * rows.num_rows
    out: dict[tuple[str, int], list[int]] = {}
    for name, period, time in zip(rows["instrument_id"].to_pylist(), periods, rows["ts_event"].to_pylist(), strict=True):
        out.setdefault((name, period), []).append(time // NS)
    return out


def _unpublished(fs: FileSystem, place: Landing, venue: str) -> Iterator[Finding]:
    """Data files that are gone though coverage files say what was in them: segments of the last hour still hold rows of theirs."""
    segments, _ = covered.segments(fs, place, venue, rows=True)
    sayings = covered.settled_coverage_files(fs, venue, place.dataset).all
    told = fold.said([one for one in segments if one.rows.num_rows and one.claims], sayings)
    for where in sorted({where for one in told for where in fold.places(place, one)}, key=lambda where: where.path):
        try:
            fs.read(where.path)
        except Absent:
            text = "is gone, and what was in it is still claimed: `perptape publish` writes again what segments hold of it"
            yield Finding(where.path, "unpublished", text)
        except InTheWay as error:
            yield Finding(where.path, "stray", str(error))
