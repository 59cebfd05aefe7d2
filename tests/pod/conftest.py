"""Worker pods without a cluster: the environment that the operator gives them, the ports that it asks, and simulated venues."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from perptape_api import names
from perptape_api.document import load
from perptape_api.work import work_hash
from support.minio import free_port
from support.simulator import Simulator, simulator


@pytest.fixture(scope="module")
def venues(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("pods"), "--unlimited") as found:
        yield found


@pytest.fixture
def simulated(venues, tmp_path):
    """The module's simulator, with an empty folder to work in and calm weather."""
    venues.folder = tmp_path
    venues.calm()
    yield venues
    venues.calm()


@dataclass
class Pod:
    """A worker process as a pod runs it. `get` asks its port."""

    name: str
    process: subprocess.Popen[str]
    port: int

    def get(self, path: str) -> tuple[int, str]:
        """The answer; (0, "") while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> str:
        """Why it is not ready; "" when it is."""
        status, text = self.get(names.READY_PATH)
        return "" if status == 200 else text.strip() or "nobody listens"

    def until_ready(self, seconds: float = 60) -> list[str]:
        """Waits until it is ready. What it said before, in order."""
        said: list[str] = []
        end = time.monotonic() + seconds
        while why := self.ready():
            if not said or said[-1] != why:
                said.append(why)
            assert time.monotonic() < end, said
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        return said

    def status(self) -> str:
        code, text = self.get(names.STATUS_PATH)
        assert code == 200, text
        return text


class Pods:
    """Makes pods for one spec, ends them all."""

    def __init__(self, simulated: Simulator, folder: Path) -> None:
        self.simulated, self.folder = simulated, folder
        self.made: list[Pod] = []

    def mount(self, collect: str, venue: str, symbols: str = "BTCUSDT-PERP, ETHUSDT-PERP") -> Path:
        """A collection.json as a ConfigMap gives it."""
        spec = self.simulated.spec(venue, symbols=symbols, collect=collect)
        collection = load(spec.read_text(), "spec")
        path = self.folder / names.COLLECTION_FILE
        path.write_text(json.dumps(collection.model_dump(mode="json", by_alias=True, exclude_none=True)))
        return path

    def environ(self, spec: Path, venue: str, dataset: str, name: str, **more: str) -> dict[str, str]:
        collection = load(spec.read_text(), "spec")
        return {
            names.ENV_LOG_FORMAT: "json",
            names.ENV_CATALOG: str(self.folder / "tape"),
            names.ENV_WRITER: name,
            names.ENV_NAMESPACE: "trading",
            names.ENV_WORK_HASH: work_hash(collection.spec, venue, dataset),
            names.ENV_WANTED_SINCE: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            names.ENV_SESSION: "hash@since",
            names.ENV_TERMINATION_LOG: str(self.folder / f"{name}.termination"),
            **more,
        }

    def stays(self, spec: Path, venue: str, dataset: str, name: str = "pod-0", **more: str) -> Pod:
        """A streamer or a resident collector."""
        port = free_port()
        environ = self.environ(spec, venue, dataset, name, **{names.ENV_PORT: str(port)} | more)
        process = self.simulated.start("run", spec, "--exchange", venue, "--dataset", dataset, **environ)
        self.made.append(Pod(name, process, port))
        return self.made[-1]


@pytest.fixture
def pods(simulated, tmp_path):
    found = Pods(simulated, tmp_path)
    yield found
    for pod in found.made:
        if pod.process.poll() is None:
            pod.process.kill()
            pod.process.communicate()
