"""What one publisher did to one venue and dataset, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What one run did. `oldest` is the time (ms) in the name of the oldest segment that is left.

    `unfolded` are the segments left whose rows are not all in data files yet: the others only await their hour.
    """

    venue: str
    dataset: str
    segments: int = 0
    oldest: int | None = None
    unfolded: int = 0
    oldest_unfolded: int | None = None
    files: int = 0
    rows: int = 0
    revised: int = 0
    damaged: tuple[str, ...] = ()
    lease: bool = True
    error: str | None = None
