"""What every bench needs: how a figure is said beside its limit, how loaded the machine is, the simulated venues as a process.

Importing it makes `tests/support` importable, whose simulator and MinIO the benches use.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def against(name: str, value: float, limit: float, unit: str, how: str) -> bool:
    """Prints a figure, its limit and their ratio; True when it is within. `python -m bench` reads these lines."""
    within = value <= limit
    say(f"  {name}: {value:.3g} {unit}, limit {limit:g}, ratio {value / limit:.2f}{'' if within else '  over'} ({how})")
    return within


def at_least(name: str, value: float, limit: float, unit: str, how: str) -> bool:
    """The same of a figure that must not be less."""
    within = value >= limit
    say(f"  {name}: {value:.4g} {unit}, limit >= {limit:g}, ratio {value / limit:.2f}{'' if within else '  over'} ({how})")
    return within


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
