"""What the pages of one window come to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from perptape.claims import SETTLED, Claim
from perptape.collect.harvest import Harvest
from perptape.collect.plan import Window
from perptape.damage import Damage, repaired
from perptape.instruments import Instrument
from perptape.interval import Interval, intersection, total
from perptape.raw import RawFunding
from perptape.standing import DOUBTED, REFUSED, UNUSABLE
from perptape.times import span

UNSURE = (DOUBTED, UNUSABLE)
"""Causes of claims that mend no damage: nothing is known by them."""


@dataclass(slots=True)
class Pages:
    """What the pages of one window gave so far."""

    window: Window
    wanted: Sequence[Interval] = ()
    """The time that is asked for; a window holds more."""
    rows: list[tuple[object, ...]] = field(default_factory=list)
    raws: list[RawFunding] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    suspicious: int = 0
    received: int = 0
    """When the last settlements came, ms on the venue's clock."""
    _spoilt: list[Interval] = field(default_factory=list)

    def due(self, harvest: Harvest) -> Harvest:
        """The harvest, which spoils no more than what is asked for."""
        return replace(harvest, spoilt=intersection(harvest.spoilt, self.wanted)) if harvest.spoilt else harvest

    def add(self, harvest: Harvest) -> None:
        self.rows.extend(harvest.rows)
        self.raws.extend(harvest.raws)
        self.claims.extend(harvest.claims)
        self.dropped.extend(harvest.dropped)
        self.suspicious += harvest.suspicious
        self._spoilt.extend(harvest.spoilt)
        self.received = max(self.received, harvest.received)

    @property
    def spoilt(self) -> list[str]:
        """One line where time stays open because of values that cannot be used."""
        if not self._spoilt:
            return []
        where, missing = self.window, span(total(self._spoilt))
        return [
            f"{where.instrument}: {missing} of the grid {where.grid} stay open, for values that cannot be used: the next run asks again"
        ]

    def refuse(self, one: Instrument, asked: Interval, now: int) -> None:
        """What a venue will not answer of a contract that it has delisted is claimed as refused, so that it need not stay open.

        What was doubted of it is no more than that: said twice, it would pass for time without a row.
        """
        self.claims = [claim for claim in self.claims if claim.cause != DOUBTED]
        if (both := asked.intersection(one.life)) is not None:
            self.claims.append(Claim(one.id, self.window.grid, "asked", both.start, both.end, "", now, now, cause=REFUSED))

    def claimed(self, one: Instrument, damage: Iterable[Damage]) -> Sequence[Claim]:
        """The claims, with the damage that they mend. No settlement of a contract that is delisted is as good as a refusal."""
        silent = one.delisted is not None and self.window.grid == SETTLED
        refused = [replace(c, cause=REFUSED) for c in self.claims if c.cause == REFUSED or (silent and c.kind == "asked")]
        doubted = [c for c in self.claims if c.cause in UNSURE]
        plain = [c for c in self.claims if c.cause not in (*UNSURE, REFUSED) and not (silent and c.kind == "asked")]
        return [*repaired(plain, damage), *doubted, *refused]
