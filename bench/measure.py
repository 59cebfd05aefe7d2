"""What every bench needs: how a figure is said beside its limit, how loaded the machine is, the simulated venues as a process.

Importing it makes `tests/support` importable, whose simulator and MinIO the benches use.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def against(name: str, value: float, limit: float, unit: str, how: str) -> bool:
    """Prints a figure, its limit and their ratio; True when it is within. `python -m bench` reads these lines."""
    return _beside(name, value, limit, unit, how, "over")


def _beside(name: str, value: float, limit: float, unit: str, how: str, over: str) -> bool:
    within, ratio = value <= limit, value / limit if limit else value
    say(f"  {name}: {value:.3g} {unit}, limit {limit:g}, ratio {ratio:.2f}{'' if within else f'  {over}'} ({how})")
    return within


def at_least(name: str, value: float, limit: float, unit: str, how: str) -> bool:
    """The same of a figure that must not be less."""
    within = value >= limit
    say(f"  {name}: {value:.4g} {unit}, limit >= {limit:g}, ratio {value / limit:.2f}{'' if within else '  over'} ({how})")
    return within


SET_AT_S = 0.60
"""What a bare `import ccxt.pro` takes on the machine that limits of time and CPU were set on."""


def bare_import(*, cpu: bool = False) -> float:
    """Seconds of a bare `import ccxt.pro` in a process of its own, bytecode present: the yardstick of this machine's speed. Median of 5.

    cpu: of the processor, as what is held against it is: else a busy machine would make the verdict milder.
    """
    took = []
    for _ in range(5):
        began = children_cpu() if cpu else time.monotonic()
        subprocess.run([sys.executable, "-c", "import ccxt.pro"], check=True)
        took.append((children_cpu() if cpu else time.monotonic()) - began)
    return statistics.median(took)


def children_cpu() -> float:
    """CPU seconds of the processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def against_at_speed(name: str, value: float, limit: float, unit: str, how: str, bare: float) -> bool:
    """Prints a time or CPU figure twice: as measured here, and divided by how much slower than the limit's machine this one is.

    `bare`: `bare_import`, measured in the same run. The second is the verdict: a limit in seconds says nothing of a slower machine.
    """
    _beside(name, value, limit, unit, how, "over here")
    scale = f"bare `import ccxt.pro` takes {bare:.2f} s in this run, {SET_AT_S:.2f} s there"
    return against(f"{name}, at the speed of the limit's machine", value * SET_AT_S / bare, limit, unit, scale)


@contextmanager
def running(command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is told to end, and after 30 s made to. What it prints goes to `log`."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environ, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load() -> str:
    """How busy the machine is besides, for whoever reads the figures."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"


def compiled() -> None:
    """Bytecode of the project's own modules is there, as in an image."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "crds"), str(ROOT / "worker")], check=False)


def names(count: int) -> list[str]:
    """The first contracts that every simulated venue lists, as a spec names them."""
    from perptape.simulation import listing

    return [f"{base}USDT-PERP" for base in listing.bases(count)]
