"""A collector of liquidations for a long time, cut off and published again and again: it must not grow.

`python -m bench soak [--minutes=32] [--events=4300000] [--leak=0]`. `--leak=20` keeps 20 bytes of every event in the streamer, outside of
the product, which must turn it red. A run of less than 30 minutes asks for proportionally fewer events, reconnects and publishes, and
shows less: the bound is as far from the slope as the allocator's ups and downs (some MB) are beside the millions of events.

Three processes beside this one: `perptape simulate` of Bybit and Deribit; the collector, which is `Run` of `perptape run FILE` with ten
connections to each, every event of which counts; a publisher, which folds the same tape over and over. The simulator drops all
connections of one venue, then of the other. The first fifth of the time is left out. Memory: the collector's RSS, read four times a second
from /proc, becomes the mean of each of 24 equal blocks of time; a straight line over (events received, RSS) is fitted to them by least
squares, and the upper end of the two-sided 95 % interval of its slope is what has the limit (`tests/support/growth.py`). Sockets,
files, threads and asyncio tasks: the median of the last fifth of the time against that of the second fifth (holes of Deribit are asked for
every five minutes, over connections that last a while).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from measure import against, at_least, compiled, load, running, say
from soak_processes import LOOK_S, rss

from support.growth import BLOCKS, growth

VENUES = ("bybit", "deribit")
SPEC = """\
apiVersion: perptape.io/v1alpha1
kind: CollectionSpec
metadata: {{name: soak}}
spec:
  venues: [{venues}]
  symbols: {{names: [BTCUSDT-PERP, ETHUSDT-PERP, SOLUSDT-PERP]}}
  collect: {{liquidations: {{replicas: 10}}}}
  store: {{persistentVolumeClaim: {{}}, publishEvery: 1d}}
"""
LONG_MIN, EVENTS, RECONNECTS, PUBLISHES = 30, 1_000_000, 500, 500
PER_MILLION_MB = 5.0
AS_MANY = 4_000_000
DROPPED = 0.2
REPLICAS = 10
PLACES = REPLICAS * len(VENUES)


@dataclass
class Child:
    """A process that tells how it stands in lines of JSON, until its stdin is closed."""

    process: subprocess.Popen[str]
    told: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def begun(cls, log: Path, *words: str) -> Child:
        command = [sys.executable, "-u", str(Path(__file__).with_name("soak_processes.py")), *words]
        environment = {"ARROW_DEFAULT_MEMORY_POOL": "system", **os.environ, "PERPTAPE_LOG_LEVEL": "error"}  # as the command has it
        child = cls(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("w"), text=True, env=environment)
        )
        threading.Thread(target=child._listen, daemon=True).start()
        return child

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.told = {**self.told, **json.loads(line)}

    def end(self, seconds: float = 60) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@dataclass(frozen=True, slots=True)
class Look:
    """The collector at one time. `at`: seconds since the beginning; `rss`: bytes."""

    at: float
    events: int
    rss: int
    sockets: int
    files: int
    threads: int
    tasks: int
    arrow: int
    """Bytes that Arrow counts as used."""
    blocks: int
    """Of memory, that Python's objects use."""


def look(child: Child, at: float) -> Look:
    pid, links = child.process.pid, list[str]()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue  # it was closed meanwhile
    sockets = sum(link.startswith("socket:") for link in links)
    threads = len(os.listdir(f"/proc/{pid}/task"))
    return Look(
        at,
        child.told["events"],
        rss(pid),
        sockets,
        len(links) - sockets,
        threads,
        child.told["tasks"],
        child.told["arrow"],
        child.told["blocks"],
    )


def control(endpoint: str, path: str, body: Any = None) -> Any:
    data = json.dumps(body or {}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/_control/{path}", data), timeout=60) as reply:
        return json.load(reply)


def medians(looks: Sequence[Look], start: float, end: float, of: Callable[[Look], int]) -> float:
    return statistics.median(of(one) for one in looks if start <= one.at <= end)


def soak(minutes: float, events: int, leak: int, folder: Path) -> bool:
    from perptape.simulation.market import Market

    seconds, share = minutes * 60, min(1.0, minutes / LONG_MIN)
    ready = folder / "ready.json"
    options = [f"--exchange={venue}" for venue in VENUES]
    command = [sys.executable, "-m", "perptape", "simulate", *options, "--port", "0", "--unlimited", "--ready-file", str(ready)]
    with running(command, folder / "simulator.log"):
        while not ready.exists() or not ready.read_text():
            time.sleep(0.1)
        told = json.loads(ready.read_text())
        endpoints = told.get("endpoints", told)
        spec, catalog = folder / "soak.yaml", folder / "tape"
        spec.write_text(SPEC.format(venues=", ".join(f"{{exchange: {venue}}}" for venue in VENUES)))
        for contract in [one.id for one in Market.standard(1).contracts("bybit")[:3]]:
            body = {"venue": "bybit", "contract": contract, "per_second": events * 1.1 / REPLICAS / 3 / seconds}
            control(endpoints["bybit"], "rate", body)
        roll = min(60.0, (1 - DROPPED) * seconds / BLOCKS)  # so that each block of the regression holds a whole one
        where = [f"{venue}={endpoints[venue]}" for venue in VENUES]
        collector = Child.begun(folder / "collector.log", "--collect", str(spec), str(catalog), str(leak), str(roll), *where)
        publisher: Child | None = None
        looks: list[Look] = []
        try:
            while collector.told.get("connected", 0) < PLACES:
                if collector.process.poll() is not None:
                    raise SystemExit(f"the collector did not begin: {(folder / 'collector.log').read_text()[-2000:]}")
                time.sleep(0.1)
            publisher = Child.begun(folder / "publisher.log", "--publish", str(catalog), str(seconds / (PUBLISHES * share * 1.2)))
            looks = watched(collector, endpoints, seconds)
        finally:
            last = dict(collector.told)
            code = collector.end()
            published = 0 if publisher is None else (publisher.end(), publisher.told.get("published", 0))[1]
        say(f"collector ended with exit code {code}: {collector.told}; publisher: {publisher and publisher.told}")
        return verdict(looks, last, published, share, minutes) and code == 0


def watched(collector: Child, endpoints: dict[str, str], seconds: float) -> list[Look]:
    """Looks at the collector for so long, and cuts it off all the while."""
    began, looks, drops = time.monotonic(), list[Look](), 0
    every = (1 - DROPPED) * seconds / BLOCKS / len(VENUES)  # each block of the regression has one reconnect of each connection
    while (at := time.monotonic() - began) < seconds:
        if collector.process.poll() is not None:
            raise SystemExit("the collector died")
        looks.append(look(collector, at))
        if at > every * (drops + 1):
            venue = VENUES[drops % len(VENUES)]
            control(endpoints[venue], "disconnect", {"venue": venue, "abort": drops % 4 < 2})
            drops += 1
        time.sleep(LOOK_S)
    return looks


def verdict(looks: Sequence[Look], last: dict[str, Any], published: int, share: float, minutes: float) -> bool:
    end = looks[-1].at
    judged = [one for one in looks if one.at >= DROPPED * end]
    found = growth(judged)
    say(f"mean RSS of each block, MB: {' '.join(f'{one:.1f}' for one in found.means)}")
    arrow = growth([replace(one, rss=one.arrow) for one in judged]).means
    say(f"of it in use by Arrow, MB: {' '.join(f'{one:.1f}' for one in arrow)}")
    blocks = growth([replace(one, rss=one.blocks) for one in judged]).means
    say(f"blocks that Python's objects use, in 2**20: {' '.join(f'{one:.2f}' for one in blocks)}")
    ends = f"from {judged[0].rss / 2**20:.0f} to {judged[-1].rss / 2**20:.0f} MB"
    how = f"slope {found.slope:.2f}, {ends}, sigma {found.sigma:.2f} MB; {load()}"
    good = at_least("events received", last["events"], EVENTS * share, "events", f"in {minutes:g} minutes, {last['malformed']} malformed")
    good &= at_least("reconnects", last["reconnects"], RECONNECTS * share, "of them", f"of {PLACES} connections")
    good &= at_least("publishes", published, PUBLISHES * share, "of them", "by one process, beside")
    good &= against("growth of RSS, upper 95 % bound", found.upper, PER_MILLION_MB, "MB per million events", how)
    for name in ("sockets", "files", "threads", "tasks"):
        before = medians(looks, DROPPED * end, 2 * DROPPED * end, lambda one, name=name: getattr(one, name))  # type: ignore[misc]
        after = medians(looks, (1 - DROPPED) * end, end, lambda one, name=name: getattr(one, name))  # type: ignore[misc]
        good &= against(f"{name} at the end", after, before, "of them", "the limit is what there was in the second fifth")
    return good


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--minutes", type=float, default=32.0)
    options.add_argument("--events", type=int, default=0, help="to receive; 4 million in 30 minutes, and as many in each")
    options.add_argument("--leak", type=int, default=0, help="bytes of every event that the collector keeps")
    chosen = options.parse_args()
    compiled()
    with tempfile.TemporaryDirectory() as name:
        return 0 if soak(chosen.minutes, chosen.events or round(AS_MANY * chosen.minutes / LONG_MIN), chosen.leak, Path(name)) else 1


if __name__ == "__main__":
    sys.exit(main())
