"""A simulator in a process of its own, and the `perptape` command against it: for tests that kill, starve and lie."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass
class Simulator:
    """Endpoints by venue, and the control API. `run` and `start` call `perptape` with these endpoints."""

    endpoints: dict[str, str]
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def control(self, method: str, name: str, body: Any = None, **query: Any) -> Any:
        """One request of the control API; query values as they are."""
        base = next(iter(self.endpoints.values()))
        text = "&".join(f"{key}={value}" for key, value in query.items())
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{base}/_control/{name}?{text}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def fault(self, **fault: Any) -> None:
        self.control("POST", "faults", fault)

    def calm(self) -> None:
        """Ends all faults."""
        self.control("DELETE", "faults")

    def data_requests(self, venue: str) -> list[dict[str, Any]]:
        """The requests so far."""
        found = self.control("GET", "requests", venue=venue)
        assert isinstance(found, list)
        return found

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

    def start(self, *arguments: str | Path, **more: str) -> subprocess.Popen[str]:
        """`perptape ARGUMENTS` under way, its output in pipes."""
        command = [sys.executable, "-m", "perptape", *map(str, arguments)]
        return subprocess.Popen(
            command, env=self.environ(**more), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str | Path, timeout: float = 90, **more: str) -> subprocess.CompletedProcess[str]:
        """`perptape ARGUMENTS` to its end."""
        command = [sys.executable, "-m", "perptape", *map(str, arguments)]
        return subprocess.run(
            command, env=self.environ(**more), cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=False
        )  # fmt: skip


@contextmanager
def simulator(folder: Path, *options: str) -> Iterator[Simulator]:
    """A simulator on free ports, stopped for sure."""
    ready = folder / "ready.json"
    log = (folder / "simulator.log").open("wb")
    command = [sys.executable, "-m", "perptape", "simulate", "--port", "0", "--ready-file", str(ready), *options]
    process = subprocess.Popen(command, env=free_of_perptape(os.environ), stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while not ready.exists() or not ready.read_text().strip():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the simulator does not come up: {(folder / 'simulator.log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield Simulator(json.loads(ready.read_text()), folder, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
