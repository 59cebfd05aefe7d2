"""All that is claimed and wanted of one venue and dataset, less what damage took away. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perptape.claims import Claim, Want, grid_step, join, join_wants
from perptape.damage import Damage, masked


@dataclass(frozen=True, slots=True)
class Coverage:
    """All that is claimed and wanted of one venue and dataset, joined."""

    claims: tuple[Claim, ...] = ()
    wants: tuple[Want, ...] = ()
    damage: tuple[Damage, ...] = ()
    trusted: bool = True
    """False: no coverage could be read; grids were rebuilt from rows and stream time is unproven."""
    _index: Mapping[tuple[str, str], tuple[Claim, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, claims: Iterable[Claim], wants: Iterable[Want] = (), damage: Iterable[Damage] = (), *, trusted: bool = True) -> Coverage:
        """The join of everything given, with damage masking the claims last asked before it."""
        records = tuple(sorted(set(damage)))
        joined = join(masked(join(claims), records))
        index: dict[tuple[str, str], list[Claim]] = {}
        for claim in joined:
            index.setdefault((claim.instrument, claim.grid), []).append(claim)
        return cls(joined, join_wants(wants), records, trusted, {key: tuple(found) for key, found in index.items()})

    @property
    def named(self) -> frozenset[str]:
        """The instruments of which anything is claimed, wanted or known to be lost."""
        return frozenset(one.instrument for kind in (self.claims, self.wants, self.damage) for one in kind)

    def of_grid(self, instrument: str, grid: str) -> tuple[Claim, ...]:
        """The claims of one instrument and grid, of all kinds."""
        return self._index.get((instrument, grid), ())

    def grids(self, instrument: str) -> tuple[str, ...]:
        """The grids that anything is claimed of."""
        return tuple(sorted({grid for one, grid in self._index if one == instrument}))


def finer_claims(coverage: Coverage, instrument: str, grid: str) -> tuple[Claim, ...]:
    """The claims of period grids that divide this one: wanted 1h is satisfied by claimed 5m."""
    step = grid_step(grid)
    if step is None or grid.startswith("sample/"):
        return ()
    return tuple(
        claim
        for other in coverage.grids(instrument)
        if other != grid and not other.startswith("sample/") and (size := grid_step(other)) is not None and step % size == 0
        for claim in coverage.of_grid(instrument, other)
    )
