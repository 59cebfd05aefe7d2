"""When a pod that stays is ready: it listens to all that it should, and once could write to the store. Pure.

How quiet a feed is makes time unproven, never a pod unready. A fetch that fails is told in status; only a stream's readiness is tied to
its connections, because a rollout must not end the old stream before the new one listens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listening:
    """One stream's connections: how many there should be, are acknowledged for all symbols, and have since heard the control topic."""

    venue: str
    wanted: int
    acknowledged: int
    proven: int


def unready(reached: Mapping[str, str], streams: Iterable[Listening], *, stored: bool, store_error: str = "") -> str:
    """Why the pod is not ready; nothing when it is. `reached`: venue -> why it is not, "" when it is; `stored`: one write was done."""
    for venue, why in reached.items():
        if why:
            return f"{venue} is not reached: {why}"
    for one in streams:
        if one.acknowledged < one.wanted:
            return f"{one.venue}: {one.acknowledged} of {one.wanted} connections are acknowledged"
        if one.proven < one.wanted:
            return f"{one.venue}: the control topic has not spoken on {one.wanted - one.proven} of {one.wanted} connections yet"
    if not stored:
        return f"the store cannot be written: {store_error}" if store_error else "nothing was written to the store yet"
    return ""
