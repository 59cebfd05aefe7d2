"""How long a process was kept from going on by the machine and by what else it does: no fault of what is tested."""

from __future__ import annotations

from pathlib import Path


def waited(pid: int | str = "self") -> float:
    """Seconds that a process' first thread, which does its work, was ready to run and did not (Linux; 0 where nobody counts them)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
