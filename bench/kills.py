"""Real SIGKILLs spread over the measured length of a run and the publishing after it: 200 on a folder, 100 on MinIO.

    python bench/kills.py [--folder N] [--s3 N] [--jobs N]

Three simulated venues, open interest and funding of two days. The k-th of N kills comes (k + ½)/N of the measured length after exec.
Then one more `run --once` and `publish`: the history must equal the truth, nothing may be claimed that is not there, `verify` must be
clean. The phase that a kill hit is told by the process' own JSON log, by what the venues were asked, and by what is in the store.
"""

from __future__ import annotations

import argparse
import collections
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import compiled, load, say

from support.completeness import whole
from support.minio import Minio, serving
from support.simulator import Simulator, ended, simulator

VENUES = ("binance", "bybit", "hyperliquid")
HISTORIES = {"binance": "BTCUSDT", "bybit": "BTCUSDT"}
COLLECT = "{openInterest: {backfill: 2d}, funding: {backfill: 2d}}"
DATA = ("openInterestHist", "open-interest", "fundingRate", "funding/history", "tickers")


@dataclass
class Place:
    """Where the catalogs are, how processes reach them, and the simulator of this thread."""

    venues: Simulator
    server: Minio | None
    bucket: str
    environ: Mapping[str, str] = field(default_factory=dict)

    def location(self, name: str) -> str:
        return str(self.venues.folder / name) if self.server is None else f"s3://{self.bucket}/{name}"

    def options(self) -> Any:
        return None if self.server is None else self.server.options()

    def commands(self, name: str) -> tuple[tuple[str | Path, ...], ...]:
        spec = self.venues.spec(*VENUES, collect=COLLECT)
        return ("run", spec, "--once", "--catalog", self.location(name)), ("publish", "--catalog", self.location(name))

    def paths(self, name: str) -> list[str]:
        from perptape.store.location import filesystem

        fs = filesystem(self.location(name), self.options())
        return [entry.path for folder in ("data", "perptape") for entry in fs.list(folder)]


def lengths(place: Place) -> list[float]:
    """Seconds of the run and of publishing after it, median of three."""
    took: list[list[float]] = []
    for turn in range(3):
        took.append([])
        for command in place.commands(f"clean-{turn}"):
            began = time.monotonic()
            done = place.venues.run(*command, **place.environ)
            took[-1].append(time.monotonic() - began)
            assert done.returncode == 0, done.stderr
        whole(place.venues, place.location(f"clean-{turn}"), HISTORIES, place.options())
    return [statistics.median(column) for column in zip(*took, strict=True)]


def killed(place: Place, name: str, after: float) -> str:
    """Starts the run, and publishing when it has ended, and kills what is under way `after` seconds; the phase that was hit."""
    place.venues.control("POST", "forget")
    until = time.monotonic() + after
    for command in place.commands(name):
        process = place.venues.start(*command, **place.environ, PERPTAPE_LOG_FORMAT="json")
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            errors = process.communicate()[1]
            return phase(place, name, str(command[0]), errors)
        process.communicate()
    return "after its end"


def phase(place: Place, name: str, command: str, errors: str) -> str:
    paths = place.paths(name)
    if command == "publish":
        for part, said in (("perptape/coverage/", "publish: coverage written"), ("data/", "publish: data files written")):
            if any(path.startswith(part) for path in paths):
                return said
        return "publish: nothing written yet"
    asked = [call["path"] for venue in VENUES for call in place.venues.data_requests(venue)]
    segments = sum('"segment written"' in line for line in errors.splitlines())
    landed = sum(path.startswith("perptape/segments/") for path in paths)
    if landed > segments:
        return "run: in a commit, after its last write"
    if not asked:
        return "run: start, nobody asked yet"
    if not any(part in path for path in asked for part in DATA):
        return "run: instruments"
    if not landed:
        return "run: store made or windows, nothing committed"
    datasets = {path.split("/")[3] for path in paths if path.startswith("perptape/segments/")}
    return "run: windows, instruments committed" if datasets == {"instruments"} else "run: windows, some rows committed"


def made_good(place: Place, name: str) -> None:
    for command in place.commands(name):
        done = ended(place.venues.start(*command, **place.environ), 120)
        assert done.returncode == 0, done.stderr
    whole(place.venues, place.location(name), HISTORIES, place.options())


def campaign(what: str, kills: int, jobs: int, server: Minio | None, folder: Path) -> bool:
    hit: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    with ExitStack() as stack:
        places: list[Place] = []
        for number in range(jobs):
            (folder / f"{what}-{number}").mkdir()
            venues = stack.enter_context(simulator(folder / f"{what}-{number}", "--unlimited"))
            environ = {"PYTHONDONTWRITEBYTECODE": ""} | (server.environ() if server is not None else {})
            places.append(Place(venues, server, server.bucket() if server is not None else "", environ))
        run, publish = lengths(places[0])
        say(f"{what}: {kills} kills over {run:.2f} s of run and {publish:.2f} s of publish, {jobs} at once; {load()}")
        order, lock = iter(range(kills)), threading.Lock()

        def work(place: Place) -> None:
            while True:
                with lock:
                    kill = next(order, None)
                if kill is None:
                    return
                name = f"killed-{kill}"
                try:
                    hit[killed(place, name, (run + publish) * (kill + 0.5) / kills)] += 1
                    made_good(place, name)
                except (AssertionError, OSError, ValueError) as error:
                    wrong.append(f"kill {kill}: {type(error).__name__}: {str(error)[:500]}")

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(work, places))
    for name, count in sorted(hit.items()):
        say(f"  {count:4d}  {name}")
    say(f"  {len(wrong)} of {kills} catalogs were not whole after one more run" + ("" if not wrong else "  over"))
    for line in wrong[:5]:
        say(f"    {line}")
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=int, default=200)
    parser.add_argument("--s3", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    compiled()
    good = True
    with tempfile.TemporaryDirectory(prefix="perptape-kills-") as name:
        folder = Path(name)
        if asked.folder:
            good &= campaign("folder", asked.folder, asked.jobs, None, folder)
        if asked.s3:
            with serving(folder / "minio") as server:
                good &= campaign("MinIO", asked.s3, asked.jobs, server, folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
