"""Which instruments a spec's symbols are on each venue, and who wants them since when.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from perptape.claims import Coverage, Want, horizon
from perptape.collect.grids import Grid
from perptape.errors import UsageError
from perptape.exchanges.base import Traits
from perptape.instruments import Instrument, Resolution, resolve
from perptape.interval import Interval, ceil, floor


def resolved(
    symbols: Sequence[str], known: Mapping[str, Sequence[Instrument]], traits: Mapping[str, Traits], *, exact: bool, all_reached: bool
) -> dict[str, list[Resolution]]:
    """For each venue in `known` what each symbol is there.

    Raises UsageError for a symbol that no venue knows, naming the nearest, when all venues were reached; otherwise a venue that
    is away may know it, and it is skipped with a message where it is unknown.
    """
    out: dict[str, list[Resolution]] = {venue: [] for venue in known}
    for symbol in symbols:
        answers: dict[str, Resolution] = {}
        unknown: dict[str, UsageError] = {}
        for venue, instruments in known.items():
            try:
                answers[venue] = resolve(symbol, venue, instruments, default=traits[venue].default_perpetual, exact=exact)
            except UsageError as error:
                unknown[venue] = error
        if unknown and not answers and all_reached:
            raise UsageError("; ".join(str(error) for error in unknown.values()))
        for venue in known:
            missing = unknown.get(venue)
            out[venue].append(answers[venue] if missing is None else Resolution(symbol, venue, None, str(missing)))
    return out


def lifetime(instrument: Instrument) -> Interval:
    """When the contract was listed, ms: before and after nothing is wanted."""
    return Interval(instrument.listed or 0, instrument.delisted if instrument.delisted is not None else 1 << 62)


@dataclass(frozen=True, slots=True)
class Session:
    """Who wants: `spec` is file and name (namespace/name in a cluster); `since` is ms on the venue's clock.

    once: a run on a laptop that does not stay: its samples are wanted for their own slot only.
    """

    spec: str
    id: str
    since: int
    once: bool = False

    def want(self, grid: Grid, resolution: Resolution, now: int, coverage: Coverage) -> Want:
        """The want of one instrument's grid. Streams and samples go on where an unended session of the same spec stopped."""
        assert resolution.instrument is not None
        one = resolution.instrument.id
        if grid.backfill or not (grid.sampled or grid.period is None):
            ended = None if grid.lasting else self.since
            return Want(self.spec, self.id, one, grid.name, max(self.since - grid.backfill, 0), now, ended, resolution.asked)
        if self.once and grid.sampled:
            slot = floor(now, grid.every)
            return Want(self.spec, f"{self.id}/{slot}", one, grid.name, slot, now, ceil(now + 1, grid.every), resolution.asked)
        start = self.since
        for other in coverage.wants:
            if (
                (other.spec, other.instrument, other.grid) == (self.spec, one, grid.name)
                and other.session != self.id
                and other.ended is None
            ):
                start = min(start, max(other.reach(horizon(grid.every)), other.start))
        return Want(self.spec, self.id, one, grid.name, start, now, None, resolution.asked)

    def given_up(self, coverage: Coverage, listed: Iterable[str], grids: Sequence[Grid], now: int) -> list[Want]:
        """The unended wants of this spec that it no longer lists, ended."""
        keep, every = set(listed), {grid.name: grid.every for grid in grids}
        return [
            replace(want, ended=min(now, want.reach(horizon(every.get(want.grid, 0)))))
            for want in coverage.wants
            if want.spec == self.spec and want.ended is None and (want.instrument not in keep or want.grid not in every)
        ]
