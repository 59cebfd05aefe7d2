"""What the pages of one window come to. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from perptape.claims import Claim
from perptape.collect.harvest import Harvest
from perptape.collect.plan import Window
from perptape.exchanges.base import RawFunding


@dataclass(slots=True)
class Pages:
    """What the pages of one window gave so far."""

    window: Window
    rows: list[tuple[object, ...]] = field(default_factory=list)
    raws: list[RawFunding] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    suspicious: int = 0

    def add(self, harvest: Harvest) -> None:
        self.rows.extend(harvest.rows)
        self.raws.extend(harvest.raws)
        self.claims.extend(harvest.claims)
        self.dropped.extend(harvest.dropped)
        self.suspicious += harvest.suspicious
