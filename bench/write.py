"""How fast rows become durable, and how large they are: `python bench/write.py [FOLDER]`.

Prints, for each dataset, one segment of 1 M rows from Arrow columns to durable bytes, and bytes per row of segment and data files; the
cost of a row from Python to Arrow; and publishing 1 M rows of open interest into day files of 288 beside a bare loop of write_table,
fsync, replace and fsync of the folder over the same tables. Exits 1 when a promise of issue 4 is not kept.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from catalog_rows import MAKERS, RECEIVED, START
from measure import against, at_least, load, say

from perptape.datasets import DATASETS
from perptape.interval import NS
from perptape.store.landing import DataFiles
from perptape.store.tape import Tape

INSTRUMENTS, ROWS = 50, 1_000_000
RATE, RATIO = 1_000_000.0, 1.3


def timed(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def clock() -> int:
    return time.time_ns() // NS


def segments(root: Path) -> bool:
    kept = True
    for name, maker in MAKERS.items():
        rows = maker(INSTRUMENTS, ROWS // INSTRUMENTS)
        tape = Tape.open(str(root / name))
        tape.prepare("live", "nautilus1")
        seconds = statistics.median(
            timed(lambda rows=rows, name=name, tape=tape: tape.commit("binance", name, rows, (), (), "bench", clock)) for _ in range(5)
        )
        size = tape.fs.list("perptape/segments")[0].size / ROWS
        rate = ROWS / seconds
        kept &= at_least(f"segment of 1 M rows, {name}", rate / 1e6, RATE / 1e6, "M rows/s", f"median of 5; {size:.1f} bytes a row")
        shutil.rmtree(root / name)
    return kept


def python_to_arrow() -> None:
    for name, maker in MAKERS.items():
        rows = [tuple(row.values()) for row in maker(1, 100_000).to_pylist()]
        seconds = statistics.median(timed(lambda rows=rows, name=name: DATASETS[name].table(rows)) for _ in range(3))
        say(f"  Python to Arrow {name}: {seconds / len(rows) * 1e6:.2f} us a row (median of 3 times 100 000 tuples)")


def bare(folder: Path, tables: Sequence[tuple[str, pa.Table]]) -> None:
    """What nobody can do without: write, fsync, rename, fsync of the folder."""
    for path, table in tables:
        target, temporary = folder / path, folder / "temporary"
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, temporary, compression="zstd")
        handle = os.open(temporary, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        os.replace(temporary, target)
        handle = os.open(target.parent, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def publishing(root: Path) -> bool:
    rows = MAKERS["open_interest"](INSTRUMENTS, ROWS // INSTRUMENTS)
    kind = DATASETS["open_interest"]
    landing = DataFiles("binance", kind, "nautilus1")
    tables = [(place.path, kind.to_file(part, "nautilus1", place.instrument)) for place, part in landing.parts(landing.joined([rows])[0])]
    ratios, ours, theirs = [], [], []
    for turn in range(3):
        tape = Tape.open(str(root / f"ours{turn}"))
        tape.prepare("live", "nautilus1")
        tape.commit("binance", "open_interest", rows, (), (), "bench", clock)
        (root / f"bare{turn}").mkdir()
        theirs.append(timed(lambda turn=turn: bare(root / f"bare{turn}", tables)))
        ours.append(timed(lambda tape=tape: tape.publish()))
        ratios.append(ours[-1] / theirs[-1])
        size = sum(e.size for e in tape.fs.list("data")) / ROWS
        bare_size = sum(p.stat().st_size for p in (root / f"bare{turn}").rglob("*.parquet")) / ROWS
        shutil.rmtree(root / f"ours{turn}")
        shutil.rmtree(root / f"bare{turn}")
    ratio = statistics.median(ratios)
    pairs = ", ".join(f"{one:.2f}" for one in ratios)
    how = (
        f"{statistics.median(ours):.2f} s, the bare loop over the same tables {statistics.median(theirs):.2f} s; median of 3 pairs, {pairs}"
    )
    good = against(f"publishing 1 M rows into {len(tables)} day files", ratio, RATIO, "x", how)
    say(f"  bytes a row in day files of 288: {size:.1f} (bare loop: {bare_size:.1f})")
    return good


def data_files(root: Path) -> None:
    for name, maker in MAKERS.items():
        each = {"funding": 93, "open_interest": 288, "funding_prediction": 288, "liquidations": 12_000}[name]
        tape = Tape.open(str(root / f"size-{name}"))
        tape.prepare("live", "nautilus1")
        tape.commit("binance", name, maker(10, each), (), (), "bench", clock)
        tape.publish()
        size = sum(e.size for e in tape.fs.list("data")) / (10 * each)
        say(f"  data files {name}: {size:.1f} bytes a row at about {each} rows a file")


def main() -> int:
    assert START < RECEIVED
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        say(load())
        kept = segments(Path(folder))
        python_to_arrow()
        data_files(Path(folder))
        kept &= publishing(Path(folder))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
