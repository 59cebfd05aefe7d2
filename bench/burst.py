"""A burst of liquidations against the streamer, and beside it the loop that CCXT's documentation shows.

    python bench/burst.py [--seconds 10] [--venue bybit]… [--without-naive]

The venue is `perptape simulate`, a process of its own that keeps its own pace and drops a client with 1 MiB unsent; a run in which it
did not keep its pace is void. The streamer is a process of its own too: its CPU is user + system of all its threads, from before the
first frame until the last event is fsynced; what segment and stop cost is printed apart. What counts as received is what the log
file held at an fsync not later than a second after the last frame, and what the data files hold after `publish`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import against_at_speed, at_least, bare_import, compiled, load
from measure import say as line

LIMIT_US, IN_TIME_S, TRIES = 12.0, 1.0, 3
CLIENTS = str(Path(__file__).with_name("burst_clients.py"))


@dataclass(frozen=True, slots=True)
class Case:
    """What a venue sends: `rate` events a second, `per_frame` of one contract in a frame."""

    venue: str
    rate: int
    per_frame: int


CASES = (Case("bybit", 10_000, 5), Case("binance", 2_000, 1), Case("okx", 2_000, 3))


@contextmanager
def child(*words: str) -> Iterator[Callable[[str], Any]]:
    """A process that answers each word on stdin with a line of JSON."""
    environment = {**os.environ, "PERPTAPE_LOG_LEVEL": "error"}
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(word: str) -> Any:
        process.stdin.write(word + "\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        while True:
            line = process.stdout.readline()  # type: ignore[union-attr]
            if line.startswith("{"):
                return json.loads(line)
            if not line:
                raise SystemExit(f"{words[2]} died")

    try:
        yield ask
    finally:
        process.kill()
        process.wait()


@contextmanager
def simulated(venue: str, folder: Path) -> Iterator[str]:
    """`perptape simulate` of one venue; its endpoint."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "perptape", "simulate", "-e", venue, "--port", "0", "--unlimited", "--ready-file", str(ready)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not ready.exists() or not ready.read_text():
            if process.poll() is not None:
                raise SystemExit("the simulated venue did not start")
            time.sleep(0.05)
        found = json.loads(ready.read_text())
        yield found.get("endpoints", found)[venue]
    finally:
        process.terminate()
        process.wait()


def control(endpoint: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/_control/{path}", data), timeout=60) as reply:
        return json.load(reply)


def burst(case: Case, endpoint: str, contracts: list[str], seconds: float, ask: Callable[[str], Any]) -> tuple[Any, float, Any]:
    """Runs one burst: (the venue's report, CPU before it, the client's state a second after its end)."""
    for contract in contracts:
        control(endpoint, "rate", {"venue": case.venue, "contract": contract, "per_second": 0})
    while not (state := ask("state"))["connected"]:
        time.sleep(0.1)
    time.sleep(2)
    before = ask("state")["cpu"]
    body = {"venue": case.venue, "contracts": contracts, "rate": case.rate, "seconds": seconds, "per_frame": case.per_frame, "delay_s": 2}
    number = control(endpoint, "burst", body)["id"]
    while not (report := control(endpoint, "bursts")[number])["finished"]:
        time.sleep(0.5)
    time.sleep(IN_TIME_S + 0.2)
    state = ask("state")
    return report, before, state


def measured(case: Case, seconds: float, *, compare: bool) -> bool:
    """Whether a burst was as it should be. One whose venue lost its pace says nothing: it is made again, three times at most."""
    for _ in range(TRIES):
        good = tried(case, seconds, compare=compare)
        if good is not None:
            return good
    return False


def tried(case: Case, seconds: float, *, compare: bool) -> bool | None:
    from perptape.simulation.market import Market

    contracts = [one.id for one in Market.standard(1).contracts(case.venue)[:5]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with simulated(case.venue, folder) as endpoint:
            told = [case.venue, endpoint, name, *contracts]
            with child(sys.executable, CLIENTS, "--streamer", *told) as ask:
                report, before, state = burst(case, endpoint, contracts, seconds, ask)
                ended = ask("stop")
            good = judged(case, folder, report, before, state, ended, seconds)
        if compare and good is not None:
            with (
                simulated(case.venue, Path(tempfile.mkdtemp(dir=name))) as endpoint,
                child(sys.executable, CLIENTS, "--naive", case.venue, endpoint, name, *contracts) as ask,
            ):
                theirs, before, state = burst(case, endpoint, contracts, seconds, ask)
                sent = theirs["burst"]["rate"] * theirs["burst"]["seconds"]
                cpu = (state["cpu"] - before) / sent * 1e6
                line(f"  documented loop:       {state['events'] / sent:8.2%} of the events, {cpu:.1f} us of CPU per event sent")
    return good


def judged(case: Case, folder: Path, report: Any, before: float, state: Any, ended: Any, seconds: float) -> bool | None:
    """Prints what was measured; whether it is as it should be, None when the venue did not keep its pace."""
    sent = round(case.rate * seconds / case.per_frame) * case.per_frame
    took = report["ended_mono"] - report["began_mono"]
    what = f"{case.venue}: {case.rate} events/s, {case.per_frame} a frame"
    if not report["kept_pace"]:
        line(f"{what}, {took:.2f} s: void, the venue lost its pace")
        return None
    durable, last = logged(folder / "log-copy", ended["fsyncs"], report["ended_mono"] + IN_TIME_S)
    rows = published(folder / "tape")
    cpu, rest = (state["cpu"] - before) / sent * 1e6, (ended["cpu"] - state["cpu"]) / sent * 1e6
    line(f"{what}, {took:.2f} s; {load()}")
    late = f"of {sent}, {IN_TIME_S:g} s after the last frame; the last event after {last - report['ended_mono']:.2f} s"
    good = at_least(f"{case.venue}, events in the fsynced log", durable / sent * 100, 100, "%", late)
    good &= at_least(f"{case.venue}, events in data files", rows / sent * 100, 100, "%", "after publish")
    more = f"max RSS {ended['rss_kb'] / 1024:.0f} MB, {ended['reconnects']} reconnects; segment and stop took {rest:.2f} us more an event"
    within = against_at_speed(f"{case.venue}, CPU to the log", cpu, LIMIT_US, "us an event", more, bare_import(cpu=True))
    return within and good and durable == rows == sent


def logged(copy: Path, fsyncs: list[tuple[float, int]], until: float) -> tuple[int, float]:
    """(different events that were fsynced in time, when the last of all events was)."""
    import pyarrow as pa

    from perptape.datasets import LIQUIDATIONS
    from perptape.datasets.base import join
    from perptape.store.log_record import Events
    from perptape.store.log_space import HEAD
    from support.logged import decode

    data = copy.read_bytes()[HEAD:]
    size = max((size for at, size in fsyncs if at <= until), default=0)
    tables = [pa.Table.from_batches([one.rows]) for one in decode(data[:size], 0)[0] if isinstance(one, Events)]
    whole = sum(one.rows.num_rows for one in decode(data, 0)[0] if isinstance(one, Events))
    complete = next(
        (at for at, upto in fsyncs if sum(r.rows.num_rows for r in decode(data[:upto], 0)[0] if isinstance(r, Events)) == whole), 0.0
    )
    return join(LIQUIDATIONS, tables).num_rows if tables else 0, complete


def published(tape: Path) -> int:
    """Rows in data files after publishing."""
    import pyarrow.parquet as pq

    from perptape.store.tape import Tape

    Tape.open(str(tape)).publish()
    return sum(pq.read_metadata(path).num_rows for path in (tape / "data").rglob("*.parquet"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--venue", action="append")
    parser.add_argument("--without-naive", action="store_true")
    asked = parser.parse_args()
    compiled()
    cases = [case for case in CASES if asked.venue is None or case.venue in asked.venue]
    good = [measured(case, asked.seconds, compare=not asked.without_naive) for case in cases]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
