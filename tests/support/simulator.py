"""A simulator in a process of its own, and the `perptape` command against it: for tests that kill, starve and lie."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.control import Control
from support.forked import Forked

SPEC = """\
apiVersion: perptape.io/v1alpha1
kind: CollectionSpec
metadata: {{name: test}}
spec:
  venues: [{venues}]
  symbols: {{names: [{symbols}]}}
  collect: {collect}
  store: {{persistentVolumeClaim: {{}}, format: {form}}}
"""


def free_of_perptape(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without anything that would steer perptape."""
    return {name: value for name, value in environ.items() if not name.startswith(("PERPTAPE_", "CCXT_", "AWS_"))}


Started = subprocess.Popen[str] | Forked


@dataclass
class Simulator(Control):
    """Endpoints by venue, and the control API. `run` and `start` call `perptape` with these endpoints."""

    endpoints: dict[str, str]
    folder: Path
    process: Started = field(repr=False)
    begun: dict[str, int] = field(default_factory=dict)
    """Each venue's clock, ms, when `perptape run` was last started: what was due by then that run must have, and what falls due later
    it need not."""

    def control(self, method: str, name: str, body: Any = None, **query: Any) -> Any:
        """One request of the control API; query values as they are."""
        base = next(iter(self.endpoints.values()))
        text = "&".join(f"{key}={value}" for key, value in query.items())
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{base}/_control/{name}?{text}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def spec(
        self, *venues: str, symbols: str = "BTCUSDT-PERP", collect: str = "{openInterest: {backfill: 1d}}", form: str = "nautilus1"
    ) -> Path:
        """A spec file over these venues (all when none is given)."""
        chosen = venues or tuple(self.endpoints)
        path = self.folder / f"{'-'.join(chosen)}.yaml"
        text = SPEC.format(venues=", ".join(f"{{exchange: {v}}}" for v in chosen), symbols=symbols, collect=collect, form=form)
        path.write_text(text)
        return path

    def environ(self, **more: str) -> dict[str, str]:
        return {
            **free_of_perptape(os.environ),
            **{f"PERPTAPE_{venue.upper()}_ENDPOINT": url for venue, url in self.endpoints.items()},
            "PERPTAPE_STATE": str(self.folder / "state"),
            "COLUMNS": "200",
            **more,
        }

    def start(self, *arguments: str | Path, anew: bool = False, largest: int | None = None, **more: str) -> Started:
        """`perptape ARGUMENTS` under way, its output in pipes. `largest`: the bytes that a file of it may have (a full disk).

        anew: by an interpreter of its own, where its start belongs to what is tested.
        """
        words, environ = list(map(str, arguments)), self.environ(**more)
        if words[0] == "run":
            self.begun = self.control("GET", "clock")
        if not anew:
            return Forked(words, environ, self.folder, largest=largest)
        assert largest is None, "only forked ones are limited"
        command = [sys.executable, "-m", "perptape", *words]
        return subprocess.Popen(command, env=environ, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str | Path, timeout: float = 90, largest: int | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """`perptape ARGUMENTS` to its end."""
        return ended(self.start(*arguments, largest=largest, **more), timeout)


def ended(process: Started, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """What a process left behind; one that does not end is killed."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {timeout:g} s:\n{out}\n{err}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def room_again(process: Started) -> None:
    """Takes the limit of a started process away."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def simulator(folder: Path, *options: str) -> Iterator[Simulator]:
    """A simulator on free ports, stopped for sure."""
    ready = folder / "ready.json"
    words = ["simulate", "--port", "0", "--ready-file", str(ready), *options]
    process = Forked(words, free_of_perptape(os.environ), folder, log=folder / "simulator.log")
    try:
        end = time.monotonic() + 60
        while not ready.exists() or not ready.read_text().strip():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the simulator does not come up: {process.stdout.read()[-2000:]}")
            time.sleep(0.05)
        yield Simulator(json.loads(ready.read_text()), folder, process)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
