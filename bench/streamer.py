"""A collector of liquidations as a pod starts it, seen through its port, and what a burst of them left: shared by two benches."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import running

from perptape.collect.mark_rules import Rules
from perptape.collect.report import standings
from perptape.exchanges.registry import traits
from perptape.interval import HOUR, SECOND, Interval
from perptape.store.tape import Tape
from perptape_api import names
from support.minio import free_port
from support.simulator import Simulator

VENUE = "bybit"
UNSAID = 4 * SECOND
"""Of the end of a stream nothing is claimed: a push interval and up to a control message."""
FRAMED_S = 15_000
"""Events that the simulator frames in a second, beside other work: a burst begins when it has."""
FIGURE = re.compile(r"^perptape_(stream_\w+)\{[^}]*\} (\S+)$", re.MULTILINE)
Event = tuple[int, float]
"""(ms, base coins): no two events of a burst have the same."""


@dataclass(frozen=True, slots=True)
class Streamer:
    """A running collector."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def figures(self) -> dict[str, float]:
        """Its metrics of the stream by name, without `perptape_stream_`."""
        return {name.removeprefix("stream_"): float(value) for name, value in FIGURE.findall(self.get(names.METRICS_PATH))}

    def told(self) -> tuple[str, str]:
        """(what its status says of the store, what its line says)."""
        status = json.loads(self.get(names.STATUS_PATH))
        (line,) = status["collections"]
        return str(status.get("store_error") or ""), str(line.get("error") or "")

    def ready(self) -> bool:
        """As Kubernetes asks it: its subscription is acknowledged and its connection spoke."""
        try:
            self.get(names.READY_PATH)
        except OSError:  # an HTTP status that is none of success, too
            return False
        return True

    def end(self) -> int:
        """Tells it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def until(self, such: Callable[[], bool], seconds: float, what: str) -> float:
        """How long it took."""
        began = time.monotonic()
        while not such():
            if self.process.poll() is not None or time.monotonic() - began > seconds:
                raise SystemExit(f"{what}: not within {seconds:g} s: {self.log.read_text()[-2000:]}")
            time.sleep(0.2)
        return time.monotonic() - began


@contextmanager
def streaming(venues: Simulator, catalog: str, writer: str, environ: Mapping[str, str]) -> Iterator[Streamer]:
    """A collector of one contract's liquidations at VENUE. `writer` is its pod's name."""
    port = free_port()
    variables = venues.environ(**environ) | {
        names.ENV_PORT: str(port),
        names.ENV_CATALOG: catalog,
        names.ENV_WRITER: writer,
        names.ENV_LOG_FORMAT: "json",
    }
    spec = venues.spec(VENUE, collect="{liquidations: {replicas: 1}}")
    command = [sys.executable, "-m", "perptape", "run", str(spec), "--exchange", VENUE, "--dataset", "liquidations"]
    log = venues.folder / f"{writer}.log"
    with running(command, log, variables) as process:
        yield Streamer(process, port, log)


def burst(venues: Simulator, rate: int, seconds: float, per_frame: int) -> None:
    """Begins one of the contract that a `Streamer` collects; it is under way when this returns."""
    framing = 1 + rate * seconds / FRAMED_S
    asked = {"venue": VENUE, "contracts": ["BTCUSDT"], "rate": rate, "seconds": seconds, "per_frame": per_frame, "delay_s": framing}
    venues.control("POST", "burst", asked)
    time.sleep(framing)


def sent_to(sessions: Iterable[Mapping[str, Any]], before: float = float("inf")) -> Counter[Event]:
    """What connections were sent until a moment of the venue's clock (ms): of each event the most that one connection was."""
    found = Counter[Event]()
    for session in sessions:
        pushes = [push for push in session["sent"] if push["at"] < before]
        found |= Counter((one["time"], float(one["base"])) for push in pushes for one in push["liquidations"])
    return found


def push_ms() -> int:
    """How late the venue may push what was, as its marks count it."""
    feed = traits(VENUE).feed
    assert feed is not None
    return Rules.of(feed, ()).push


def holes_until(tape: Tape, end: int) -> list[tuple[Interval, str]]:
    """What is missing before `end` (ms), with its reason, once nobody is waited for who might have heard it."""
    (line,) = standings(tape, end + HOUR, [VENUE], ["liquidations"])
    return [(span, reason) for span, reason in (*line.holes("lost"), *line.holes("open"), *line.holes("pending")) if span.start < end]


def stored(tape: Tape) -> Counter[Event]:
    """The tape's liquidations, after everything was published."""
    for report in tape.publish():
        if report.error:
            raise SystemExit(f"publish: {report.error}")
    rows = tape.read("liquidations")
    times, sizes = rows["ts_event"].to_pylist(), rows["quantity"].to_pylist()
    return Counter((at // 1_000_000, float(size)) for at, size in zip(times, sizes, strict=True))
