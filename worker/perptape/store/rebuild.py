"""Claims made again from rows, for a tape whose coverage is lost: less than was known, and never more than the rows prove.

A period's slot starts at its row's ts_event. A row that was received before it was certainly published proves nothing: venues show
buckets that they have not finished. Where rows cannot prove that nothing is missing, the time is unproven: what a lost file may have
held of a stream, too, since who wanted it is not known any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import pyarrow as pa

from perptape.claims import SETTLED, STREAM, Claim, grid_step, period_grid
from perptape.damage import REBUILT, Damage
from perptape.interval import MINUTE, NS, Interval, floor, slot_of
from perptape.standing import PUBLISHED_WITHIN
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import DataFiles, Landing
from perptape.store.parquet import Unreadable
from perptape.store.quarantine import damage_records
from perptape.store.segment import Segment


def rebuilt(fs: FileSystem, landing: Landing, found: Sequence[Segment], grids: set[str]) -> tuple[Claim, ...] | None:
    """The claims that data files prove; None when there is no row that the segments `found` do not hold."""
    if not isinstance(landing, DataFiles):
        return None
    tables = list(data_tables(fs, landing))
    if not tables:
        return None
    loose = landing.joined([s.rows for s in found])[0]
    if landing.joined([loose, *tables])[0].num_rows == loose.num_rows:
        return None
    lost = _lost(damage_records(fs, landing.venue, landing.dataset)[0]) if landing.dataset == "liquidations" else ()
    return (*claims_of_rows(landing.dataset, landing.joined(tables)[0], grids), *lost)


def data_tables(fs: FileSystem, landing: DataFiles) -> Iterator[pa.Table]:
    """The rows of every data file that can be read."""
    for entry in fs.list(landing.folder):
        place = landing.place(entry.path)
        if place is None:
            continue
        try:
            yield landing.decode(place, fs.read(entry.path).data)
        except (Absent, Unreadable):
            continue


def claims_of_rows(dataset: str, rows: pa.Table, grids: Iterable[str]) -> Iterator[Claim]:
    """The claims that rows prove by themselves. `grids` are those that are known of: samples do not say how often they were wanted."""
    if dataset == "liquidations":
        yield from _stream(rows)
        return
    names = ["instrument_id", "ts_event", "ts_received"]
    names += {"open_interest": ["period_minutes"], "funding": ["interval"]}.get(dataset, [])
    samples = [(grid, step) for grid in grids if grid.startswith("sample/") and (step := grid_step(grid))]
    for instrument, event, received, *extra in zip(*(rows[name].to_pylist() for name in names), strict=True):
        at, asked = event // NS, received // NS
        if dataset == "funding":
            start, end = at - (extra[0] or 0) * MINUTE, min(at + 1, asked - PUBLISHED_WITHIN)
            if start < end:
                yield Claim(instrument, SETTLED, "complete", start, end, "", asked, asked).coarse()
        elif extra and extra[0]:
            period = extra[0] * MINUTE
            start = slot_of(at, period)
            if start + period + PUBLISHED_WITHIN <= asked:
                yield Claim(instrument, period_grid(period), "complete", start, start + period, "", asked, asked).coarse()
        else:
            for grid, step in samples:
                yield Claim(instrument, grid, "complete", floor(at, step), floor(at, step) + step, "", asked, asked).coarse()


def _stream(rows: pa.Table) -> Iterator[Claim]:
    """From the first event to the last, by the connection only: that is no proof, and counts as unproven."""
    pairs = zip(rows["instrument_id"].to_pylist(), rows["ts_event"].to_pylist(), strict=True)
    for instrument, group in groupby(sorted(pairs), key=lambda pair: pair[0]):
        times = [time // NS for _, time in group]
        yield _unproven(instrument, Interval(times[0], times[-1] + 1))


def _lost(damage: Iterable[Damage]) -> Iterator[Claim]:
    """The stream time that lost files may have held."""
    for record in damage:
        yield _unproven(record.instrument, record.over(STREAM))


def _unproven(instrument: str, time: Interval) -> Claim:
    return Claim(instrument, STREAM, "live", time.start, time.end, "connection", time.start, time.end, cause=REBUILT).coarse()
