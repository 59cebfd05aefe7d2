"""Commands run in this process, against simulated venues in another one."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from perptape.cli.shell import run

READY_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, object]]:
        """The JSON that it printed."""
        found = json.loads(self.out)
        assert isinstance(found, list)
        return found


Perptape = Callable[..., Result]


@pytest.fixture
def perptape(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Perptape]:
    """Runs one command with exactly the environment given, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level

    def command(*arguments: str, environ: Mapping[str, str] | None = None) -> Result:
        capfd.readouterr()
        code = run(list(arguments), dict(environ or {}))
        out, err = capfd.readouterr()
        return Result(code, out, err)

    yield command
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Five simulated venues, served by `perptape simulate` on free ports: their endpoints by venue."""
    ready = tmp_path_factory.mktemp("simulate") / "endpoints.json"
    command = [sys.executable, "-m", "perptape", "simulate", "--port", "0", "--ready-file", str(ready), "--compress", "20"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ)) as server:
        until = time.monotonic() + READY_WITHIN
        while not ready.exists():
            assert server.poll() is None, "the simulated venues did not start"
            assert time.monotonic() < until, "the simulated venues were not ready in time"
            time.sleep(0.02)
        yield json.loads(ready.read_text())
        server.terminate()
        assert server.wait(10) == 0
    assert not ready.exists()


@pytest.fixture
def venues(endpoints: dict[str, str]) -> dict[str, str]:
    """The environment that leads to the simulated venues."""
    return _led(endpoints)


def _led(endpoints: Mapping[str, str]) -> dict[str, str]:
    return {f"PERPTAPE_{venue.upper()}_ENDPOINT": url for venue, url in endpoints.items()}


@pytest.fixture(scope="session")
def warm(endpoints: dict[str, str]) -> None:
    """This process has imported what asking takes, CCXT above all: whoever measures afterwards measures the asking."""
    assert run(["fetch-oi", "BTCUSDT-PERP", "--timeout", "60"], _led(endpoints)) == 0
