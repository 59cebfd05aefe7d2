"""How fast `read` is beside DuckDB on the same files: `python bench/query.py [FOLDER]`.

30 days of 5-minute open interest of 50 instruments out of 60, an hour of unpublished segments at one a minute present, one process,
warm, equal Arrow output. DuckDB is given the paths, unites files and segments, drops what is in both, and sorts. Prints the ratio
(promised <= 1.1), bytes per row and files per instrument and span. Exits 1 when the promise is not kept.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from catalog_rows import DAY_NS, START, names, open_interest
from measure import against, load, say

from perptape.interval import MINUTE, NS
from perptape.store.layout import data_name
from perptape.store.tape import Tape

DAYS, INSTRUMENTS, OTHERS, PROMISED, TURNS = 30, 50, 10, 1.1, 9


def filled(location: str) -> Tape:
    """Published but for the last hour: one segment a minute, which holds the newest slot of every instrument again and again."""
    tape = Tape.open(location)
    tape.prepare("live", "nautilus1")
    rows = open_interest(INSTRUMENTS + OTHERS, DAYS * 288)
    edge = START + DAYS * DAY_NS - 60 * MINUTE * NS
    tape.commit("binance", "open_interest", rows.filter(pc.less(rows["ts_event"], edge)), (), (), "bench", lambda: START // NS)
    tape.publish()
    for path in [entry.path for entry in tape.fs.list("perptape/segments")]:
        tape.fs.delete(path)
    for minute in range(60):
        slot = edge + minute // 5 * 5 * MINUTE * NS
        late = rows.filter(pc.equal(rows["ts_event"], slot))
        received = pc.add(late["ts_received"], minute * NS)
        late = late.set_column(late.schema.get_field_index("ts_received"), late.schema.field("ts_received"), received)
        tape.commit("binance", "open_interest", late, (), (), "bench", lambda: START // NS)
    return tape


def by_duckdb(tape: Tape, wanted: list[str]) -> tuple[Callable[[], pa.Table], Callable[[], pa.Table]]:
    """The same answer; and the bare scan, without dropping doubles and without order."""
    connection = duckdb.connect()
    inside = ", ".join(f"'{name}'" for name in wanted)
    files = [f"{tape.location}/{e.path}" for e in tape.fs.list("data") if e.path.split("/")[2] in set(wanted)]
    segments = [f"{tape.location}/{e.path}" for e in tape.fs.list("perptape/segments")]
    listed, loose = (", ".join(f"'{path}'" for path in paths) for paths in (files, segments))
    most = "instrument_id, oi_contracts, oi_base, oi_usd, source_unit, period_minutes, ts_received"
    query = f"""
        SELECT * FROM (
            SELECT {most}, ts_event::BIGINT AS ts_event, ts_init::BIGINT AS ts_init FROM read_parquet([{listed}])
            UNION ALL SELECT {most}, ts_event, ts_init FROM read_parquet([{loose}])
        ) WHERE instrument_id IN ({inside}) AND ts_event >= {START} AND ts_event < {START + DAYS * DAY_NS}
        QUALIFY row_number() OVER (PARTITION BY instrument_id, period_minutes, ts_event ORDER BY ts_received DESC) = 1
        ORDER BY instrument_id, ts_init"""
    plain = query[: query.index("QUALIFY")]
    return lambda: connection.sql(query).to_arrow_table(), lambda: connection.sql(plain).to_arrow_table()


def timed(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def main() -> int:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        tape = filled(folder)
        wanted = names(INSTRUMENTS)
        start, end = START // NS, (START + DAYS * DAY_NS) // NS

        def ours() -> pa.Table:
            return tape.read("open_interest", wanted, start, end)

        theirs, bare = by_duckdb(tape, wanted)
        a, b = ours(), theirs()
        assert a.equals(b.cast(a.schema)), "the answers differ"
        times = [(timed(ours), timed(theirs), timed(bare)) for _ in range(TURNS)]
        mine, full, scan = (statistics.median(column) for column in zip(*times, strict=True))
        say(f"{a.num_rows} rows, {len(wanted)} instruments, {DAYS} days, 60 segments; {load()}")
        how = f"{mine * 1e3:.0f} ms, DuckDB {full * 1e3:.0f} ms, medians of {TURNS}; the answers are equal"
        good = against("read beside DuckDB on the same files", mine / full, PROMISED, "x", how)
        say(f"  DuckDB without dropping doubles and without order: {scan * 1e3:.0f} ms; ratio {mine / scan:.2f}")
        files = tape.fs.list("data")
        rows = tape.read("open_interest").num_rows
        size = sum(entry.size for entry in files) / rows
        spans = Counter((found[0], found[1].start // DAY_NS) for file in files if (found := data_name(file.path)) is not None)
        good &= sum(spans.values()) == len(files)
        good &= against(
            "data files for each instrument and span", max(spans.values()), 1, "files", f"{len(files)} files; {size:.1f} bytes a row"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
