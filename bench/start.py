"""How soon a fetch job asks, and how much memory it takes: 50 symbols of 700 listed, bytecode present.

    python bench/start.py [VENUE]…

The job is `perptape run FILE --once`, as a CronJob runs it; the venue is `perptape simulate` of all 700, a process of its own. Start: from
exec to the arrival, by the simulator's clock, of the first request (the list of contracts, without which nothing can be asked);
median of 10 increments. Memory: ru_maxrss of those increments (the venue's clock is set 10 minutes ahead before each, so that there are
rows), on a folder and on MinIO, after a first fill of 30 days was published; and that of the fill itself.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from measure import against, against_at_speed, bare_import, compiled, load, names, say

from support.minio import Minio, serving
from support.simulator import Simulator, simulator

SYMBOLS, LISTED, TURNS = 50, 700, 10
START_S, FOLDER_MB, S3_MB, FILL_MORE_MB = 0.40, 120.0, 145.0, 25.0
COLLECT = "{openInterest: {every: 5m, backfill: 30d}}"


@dataclass(frozen=True, slots=True)
class Job:
    """One run: seconds to the first request and to the end, ru_maxrss, and what it did."""

    start: float
    length: float
    rss_mb: float
    rows: int


def job(venues: Simulator, venue: str, spec: Path, catalog: str, environ: Mapping[str, str]) -> Job:
    venues.control("POST", "forget")
    command = [str(Path(sys.executable).with_name("perptape")), "run", str(spec), "--once", "--catalog", catalog, "--format", "json"]
    began = time.monotonic()
    process = subprocess.Popen(command, env=dict(environ), cwd=venues.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    told, errors = process.stdout.read(), process.stderr.read()
    _, code, used = os.wait4(process.pid, 0)
    length = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        raise SystemExit(f"the job failed:\n{errors.decode()[-2000:]}")
    first = min(call["at_mono"] for call in venues.data_requests(venue))
    return Job(first - began, length, used.ru_maxrss / 1024, json.loads(told)["collections"][0].get("rows", 0))


def measured(venue: str, folder: Path, server: Minio | None) -> bool:
    place = str(folder / "tape") if server is None else f"s3://{server.bucket()}/tape"
    what, limit = ("folder", FOLDER_MB) if server is None else ("S3 (MinIO)", S3_MB)
    with simulator(folder, "-e", venue, "--symbols", str(LISTED), "--unlimited") as venues:
        environ = {k: v for k, v in venues.environ().items() if k != "PYTHONDONTWRITEBYTECODE"} | (server.environ() if server else {})
        spec = venues.spec(venue, symbols=", ".join(names(SYMBOLS)), collect=COLLECT)
        fill = job(venues, venue, spec, place, environ)
        subprocess.run([sys.executable, "-m", "perptape", "publish", "--catalog", place], env=environ, check=True, capture_output=True)
        jobs = []
        for turn in range(TURNS):
            venues.skew(**{venue: 600_000 * (turn + 1)})
            jobs.append(job(venues, venue, spec, place, environ))
    starts, most = sorted(one.start for one in jobs), max(one.rss_mb for one in jobs)
    say(f"{venue}, {what}: {SYMBOLS} of {LISTED} symbols; {load()}")
    spread = f"median of {TURNS}, {starts[0]:.2f} to {starts[-1]:.2f}"
    good = against_at_speed("exec to first request", statistics.median(starts), START_S, "s", spread, bare_import())
    rows = f"largest of {TURNS} increments of {min(one.rows for one in jobs)} to {max(one.rows for one in jobs)} rows"
    good &= against("ru_maxrss of an increment", most, limit, "MB", rows)
    more = f"{fill.rows} rows in {fill.length:.0f} s, {fill.rss_mb - most:+.0f} MB beside an increment"
    return against("ru_maxrss of a first fill of 30 days", fill.rss_mb, limit + FILL_MORE_MB, "MB", more) and good


def main() -> int:
    compiled()
    good = True
    for venue in sys.argv[1:] or ["binance", "bybit"]:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perptape-start-")))
            for part in ("folder", "s3"):
                (folder / part).mkdir()
            good &= measured(venue, folder / "folder", None)
            good &= measured(venue, folder / "s3", stack.enter_context(serving(folder / "minio")))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
