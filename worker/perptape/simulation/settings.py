"""How venues are served, as one value.

Pure. The market itself (seed, symbols, delays of publication) is an argument of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from perptape.simulation.faults import Fault
from perptape.simulation.wires import WIRES


@dataclass(frozen=True, slots=True)
class Settings:
    """How the venues are served."""

    venues: tuple[str, ...] = tuple(WIRES)
    host: str = "127.0.0.1"
    port: int = 0
    """The first venue's; the others follow. 0: free ones."""
    offset_ms: float = 0
    speed: float = 1.0
    compress: float = 1.0
    """Divides the windows of all limits (benchmarks)."""
    unlimited: bool = False
    address_mode: str = "single"
    """single: all clients are one address to the limits; per-peer: each IP is its own."""
    faults: tuple[Fault, ...] = ()
    ticking: bool = True
    """False: pushes happen only when `tick` is called (tests with a clock turned by hand)."""

    def __post_init__(self) -> None:
        unknown = [venue for venue in self.venues if venue not in WIRES]
        if unknown:
            raise ValueError(f"no simulated venue {unknown[0]!r}: one of {', '.join(WIRES)}")
        if self.address_mode not in ("single", "per-peer"):
            raise ValueError("address_mode is single or per-peer")
