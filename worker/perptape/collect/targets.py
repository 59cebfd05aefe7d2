"""Which instruments a spec's symbols are on each venue, and who wants them since when.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from perptape.claims import Want, horizon, reaches
from perptape.collect.grids import Grid
from perptape.coverage import Coverage
from perptape.errors import UsageError
from perptape.exchanges.base import Traits
from perptape.instruments import Instrument, Resolution, resolve
from perptape.interval import SECOND, ceil, floor

CONNECTING = 30 * SECOND
"""As fast as a session may be expected to connect: later, the time since its start counts as missed."""


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


def followed(before: Sequence[Resolution], found: Sequence[Resolution], now: int) -> list[Resolution]:
    """What symbols are after a venue was listed again. A contract that comes to a run under way is not wanted before: nobody could."""
    if not before:
        return list(found)
    since = {one.instrument.id: one.since for one in before if one.instrument is not None}
    return [one if one.instrument is None else replace(one, since=since.get(one.instrument.id, now)) for one in found]


def former(targets: Iterable[Resolution]) -> Iterator[tuple[Resolution, ...]]:
    """The lives that ended as targets of their own, the latest of each first; in one tuple no instrument is twice."""
    lists = [[replace(target, instrument=one, message="", ended=()) for one in reversed(target.ended)] for target in _each(targets)]
    for generation in zip_longest(*lists):
        yield tuple(one for one in generation if one is not None)


def _each(targets: Iterable[Resolution]) -> Iterable[Resolution]:
    """Those with ended lives, each instrument once, whatever words it was asked for by."""
    return {target.ended[0].id: target for target in targets if target.ended}.values()


@dataclass(frozen=True, slots=True)
class Session:
    """Who wants: `spec` is file and name (namespace/name in a cluster); `since` is ms on the venue's clock.

    once: a run on a laptop that does not stay: its samples are wanted for their own slot only. shared: other processes carry it too,
    so that the end of one ends nothing. insists: somebody waits for the answer: what is open is asked for whenever it was asked last.
    """

    spec: str
    id: str
    since: int
    once: bool = False
    shared: bool = False
    insists: bool = False

    def begins(self, coverage: Coverage) -> bool:
        """Whether it stays, wants from its own beginning on, and the store does not know of it yet."""
        return not (self.once or self.shared or any(want.session.startswith(self.id) for want in coverage.wants))

    def want(self, grid: Grid, resolution: Resolution, now: int, coverage: Coverage) -> Want:
        """The want of one instrument's grid.

        Streams and samples go on where the session before stopped, if it was not ended. A session whose want was ended (the symbol
        was dropped and comes back) begins another life: an end beats later assertions of its own session.
        """
        assert resolution.instrument is not None
        one = resolution.instrument.id
        mine = [w for w in coverage.wants if (w.spec, w.instrument, w.grid) == (self.spec, one, grid.name)]
        if not grid.lasting:
            return Want(self.spec, f"{self.id}/past", one, grid.name, max(self.since - grid.backfill, 0), now, self.since, resolution.asked)
        if self.once and grid.sampled:
            return self._slot(grid, one, resolution.asked, now, mine)
        start = max(self.since - grid.backfill, 0)
        if grid.sampled or (grid.period is None and not grid.backfill):
            came = ceil(resolution.since, grid.every) if grid.sampled else resolution.since  # of a slot under way nobody owes a row
            start = max(min(start, self._resumed(mine, grid)), came)
        if grid.sampled and start == self.since:
            start = self._first_slot(grid, now, mine)
        return Want(self.spec, self._life(mine), one, grid.name, start, now, None, resolution.asked)

    def want_stream(self, grid: Grid, resolution: Resolution, now: int, coverage: Coverage, first: int | None) -> Want:
        """The want of one instrument's stream; `first`: when its first connection began to prove anything (None: none did yet).

        A session that connects as fast as may be expected wants from there: nobody can listen sooner.
        """
        want = self.want(grid, resolution, now, coverage)
        if want.start != max(self.since, resolution.since):  # it goes on where another session stopped
            return want
        known = [other.start for other in coverage.wants if other.key == want.key]
        asserted = [start for start in known if start != want.start + CONNECTING]  # but by one that had only begun
        if asserted:  # by a process of this session before this one
            return replace(want, start=max(want.start, *asserted))
        return replace(want, start=first) if first is not None and 0 < first - want.start <= CONNECTING else want

    def want_before(self, grid: Grid, resolution: Resolution, now: int, coverage: Coverage) -> Want:
        """The same before anything is dialled: of one that is killed before it proves anything. From where a connection is late, since
        it cannot be known yet when the first one proves; what is wanted later begins no later, and wants join by the least start.
        """
        want = self.want_stream(grid, resolution, now, coverage, None)
        late = want.start + CONNECTING
        return replace(want, start=late) if want.start == max(self.since, resolution.since) and now <= late else want

    def _first_slot(self, grid: Grid, now: int, mine: Sequence[Want]) -> int:
        """Where samples of a session that goes on for no other are wanted from: the slot in which it began, unless that ended while its
        first process was connecting, as fast as may be expected: then nobody could sample in it.
        """
        asserted = [w.start for w in mine if w.session == self._life(mine)]
        if asserted:
            return max(self.since, *asserted)
        following = ceil(self.since, grid.every)
        return following if following <= now <= self.since + CONNECTING else self.since

    def _slot(self, grid: Grid, one: str, asked: str, now: int, mine: Sequence[Want]) -> Want:
        """A once run's sample is wanted for its own slot only; slots that adjoin are one want, so that wants stay few."""
        slot, end = floor(now, grid.every), ceil(now + 1, grid.every)
        session = next((w.session for w in mine if w.ended in (slot, end) and w.session.startswith(f"{self.id}/")), f"{self.id}/{slot}")
        return Want(self.spec, session, one, grid.name, slot, now, end, asked)

    def _resumed(self, mine: Sequence[Want], grid: Grid) -> int:
        """Where the newest other session of this spec stopped listening; now, when it was ended or there is none."""
        others = [w for w in mine if not w.session.startswith(self.id)]
        newest = max(others, key=lambda w: w.asserted_at, default=None)
        if newest is None or newest.ended is not None:
            return self.since
        return max(newest.reach(horizon(grid.every)), newest.start)

    def _life(self, mine: Sequence[Want]) -> str:
        """This session's name for the want: another one after each that was ended."""
        ended = sum(1 for w in mine if w.ended is not None and (w.session == self.id or w.session.startswith(f"{self.id}#")))
        return f"{self.id}#{ended + 1}" if ended else self.id

    def given_up(self, coverage: Coverage, listed: Iterable[str], grids: Sequence[Grid], now: int) -> list[Want]:
        """The unended wants of this spec that it no longer lists, ended."""
        keep, every = set(listed), {grid.name: grid.every for grid in grids}
        dropped: dict[tuple[str, str], list[Want]] = {}
        for want in coverage.wants:
            if want.spec == self.spec and (want.instrument not in keep or want.grid not in every):
                dropped.setdefault((want.instrument, want.grid), []).append(want)
        return [
            replace(want, ended=min(now, reach))
            for (_, grid), wants in dropped.items()
            for want, reach in reaches(wants, horizon(every.get(grid, 0)))
            if want.ended is None
        ]
