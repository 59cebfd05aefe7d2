"""What a pod without a report is about: it is being placed, it works, or its venue does not answer it. Pure."""

from collections.abc import Mapping
from typing import Final

from perptape_operator import clock
from perptape_operator.kinds import Manifest, conditions_of, name_of
from perptape_operator.reasons import Sighting

PLACING_MS: Final = 120_000
"""So long a new pod may be without a node: its volume is being made, or a node for it."""


def placed_by(pod: Manifest) -> int | None:
    """Until when (ms) a pod may be without a node; None for one that has a node, or of which nobody says that it has none."""
    if unplaced(pod) is None:
        return None
    return (clock.ms(pod["metadata"].get("creationTimestamp")) or 0) + PLACING_MS


def unplaced(pod: Manifest) -> str | None:
    """What the scheduler says of a pod that no node takes."""
    said = (c.get("message", "") for c in conditions_of(pod) if c.get("type") == "PodScheduled" and c.get("status") == "False")
    return next(said, None)


def placing(pod: Manifest, now: int) -> Sighting | None:
    """That a pod has no node yet, within its grace."""
    end = placed_by(pod)
    return None if end is None or now >= end else Sighting("Progressing", f"pod {name_of(pod)} is being placed: {unplaced(pod)}")


def running(pod: Manifest) -> Sighting | None:
    """That a run is under way."""
    told = pod.get("status") or {}
    if told.get("phase") != "Running":
        return None
    return Sighting("Running", f"pod {name_of(pod)} runs since {told.get('startTime', 'a while')}, and tells how it went when it ends")


def unanswered(pod: Manifest, why: Mapping[str, str]) -> Sighting | None:
    """That a pod is at work and its venue does not answer it. `why`: what pods say of that, by name."""
    told, said = pod.get("status") or {}, why.get(name_of(pod))
    if said is None or told.get("phase") != "Running":
        return None
    return Sighting("NotAnswered", f"pod {name_of(pod)} runs since {told.get('startTime', 'a while')} and is not answered: {said}")
