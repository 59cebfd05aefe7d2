"""Who says what about which time, and how such sayings join.

Pure. A claim is made only by who can prove it, in the same object as its rows. Claims join pointwise per instrument, grid and
kind, and what was asked also per cause, so that an answer which is not believed takes nothing from honest ones: commutative,
associative, idempotent, so the order of writers and repeats change nothing. Times are ms on the venue's clock.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from perptape.interval import DAY, MINUTE, Interval, floor

Kind = Literal["complete", "sampled", "asked", "live", "hole"]
KINDS: tuple[Kind, ...] = ("complete", "sampled", "asked", "live", "hole")
SETTLED, STREAM = "settled", "stream"


def period_grid(period_ms: int) -> str:
    """``5m``: the grid of a venue's own buckets."""
    return _duration(period_ms)


def sample_grid(every_ms: int) -> str:
    """``sample/5m``: the grid of our own samples."""
    return f"sample/{_duration(every_ms)}"


def grid_step(grid: str) -> int | None:
    """The slot length in ms of a period or sample grid; None for `settled` and `stream`."""
    if grid in (SETTLED, STREAM):
        return None
    text = grid.removeprefix("sample/")
    return int(text[:-1]) * {"m": MINUTE, "h": 60 * MINUTE, "d": DAY}[text[-1]]


def is_period(grid: str) -> bool:
    """Whether a grid is of a venue's own buckets."""
    return grid_step(grid) is not None and not grid.startswith("sample/")


def _duration(ms: int) -> str:
    for unit, size in (("d", DAY), ("h", 60 * MINUTE), ("m", MINUTE)):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    raise ValueError(f"a grid is made of whole minutes, not {ms} ms")


NOBODY: frozenset[str] = frozenset()
"""No connections: one set for all claims without, since each new empty one takes 216 bytes."""


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """One saying about ``[start, end)`` of an instrument's grid.

    kind: `complete` (a row for each slot; all rows of the time), `sampled` (the venue itself drops events; `basis` is its rule),
    `asked` (asked, and no row came), `live` (a stream's time; `basis` is ``connection`` < ``feed``), `hole` (a writer knows
    that it missed this; `cause` says why). asked_first/asked_last: when the venue was first and last asked (or listened to).
    """

    instrument: str
    grid: str
    kind: Kind
    start: int
    end: int
    basis: str = ""
    asked_first: int = 0
    asked_last: int = 0
    connections: frozenset[str] = NOBODY
    cause: str = ""

    @property
    def span(self) -> Interval:
        return Interval(self.start, self.end)

    def coarse(self) -> Claim:
        """The same claim with its asking times floored to the day and without who heard it, for kinds whose minute matters to nobody.

        Flooring commutes with least and greatest, so joining stays a join, and neighbouring claims merge: coverage stays small. It errs
        to the safe side: damage masks claims last asked before it, and of the day of the damage itself that is all of them. Connections
        are held against one another by their segments; kept in the coverage, each reconnect of each replica would split it for ever.
        """
        first, last = floor(self.asked_first, DAY), floor(self.asked_last, DAY)
        if self.kind in ("asked", "hole") or (first, last, NOBODY) == (self.asked_first, self.asked_last, self.connections):
            return self
        return replace(self, asked_first=first, asked_last=last, connections=NOBODY)


_Value = tuple[str, int, int, frozenset[str], str]
Key = tuple[str, str, Kind, str]


def _value(claim: Claim) -> _Value:
    return claim.basis, claim.asked_first, claim.asked_last, claim.connections, claim.cause


def _joined(a: _Value, b: _Value) -> _Value:
    return max(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), a[3] | b[3] or NOBODY, max(a[4], b[4])


def join(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """The pointwise join: per (instrument, grid, kind) disjoint, sorted, with equal neighbours merged; so `asked` ones of each cause."""
    by_key: dict[Key, list[Claim]] = {}
    for claim in claims:
        if claim.start < claim.end:
            cause = claim.cause if claim.kind == "asked" else ""
            by_key.setdefault((claim.instrument, claim.grid, claim.kind, cause), []).append(claim)
    out: list[Claim] = []
    for key in sorted(by_key):
        out.extend(_pieces(key, by_key[key]))
    return tuple(out)


def _pieces(key: Key, claims: list[Claim]) -> Iterator[Claim]:
    instrument, grid, kind, _ = key
    pending: tuple[int, int, _Value] | None = None
    for start, end, value in _sweep(claims):
        if pending is not None and pending[1] == start and pending[2] == value:
            pending = (pending[0], end, value)
            continue
        if pending is not None:
            yield Claim(instrument, grid, kind, pending[0], pending[1], *pending[2])
        pending = (start, end, value)
    if pending is not None:
        yield Claim(instrument, grid, kind, pending[0], pending[1], *pending[2])


def _sweep(claims: list[Claim]) -> Iterator[tuple[int, int, _Value]]:
    """Elementary pieces in order, each with the join of all claims over it."""
    ordered = sorted(claims, key=lambda c: (c.start, c.end))
    if all(a.end <= b.start for a, b in itertools.pairwise(ordered)):
        for claim in ordered:
            yield claim.start, claim.end, _value(claim)
        return
    edges = sorted({edge for c in ordered for edge in (c.start, c.end)})
    active: list[Claim] = []
    i = 0
    for start, end in itertools.pairwise(edges):
        active = [c for c in active if c.end > start]
        while i < len(ordered) and ordered[i].start <= start:
            active.append(ordered[i])
            i += 1
        if active:
            value = _value(active[0])
            for claim in active[1:]:
                value = _joined(value, _value(claim))
            yield start, end, value


@dataclass(frozen=True, slots=True, order=True)
class Want:
    """Somebody wants an instrument's grid from `start` on. Times in ms on the venue's clock.

    It reaches to `ended`, else to the last assertion plus a horizon. `spec` is namespace/name, or file and name on a laptop.
    """

    spec: str
    session: str
    instrument: str
    grid: str
    start: int
    asserted_at: int
    ended: int | None = None
    asked: str = ""
    """The symbol asked for, so that all pods agree on what it resolved to."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What later assertions of the same want share with it."""
        return self.spec, self.session, self.instrument, self.grid

    def reach(self, horizon: int) -> int:
        """Where the want ends for now."""
        return self.ended if self.ended is not None else self.asserted_at + horizon


def join_wants(wants: Iterable[Want]) -> tuple[Want, ...]:
    """Per (spec, session, instrument, grid): the least start, the greatest assertion, the greatest end, which beats assertions."""
    out: dict[tuple[str, str, str, str], Want] = {}
    for want in wants:
        other = out.get(want.key)
        if other is not None:
            ends = [end for end in (want.ended, other.ended) if end is not None]
            want = replace(
                want,
                start=min(want.start, other.start),
                asserted_at=max(want.asserted_at, other.asserted_at),
                ended=max(ends) if ends else None,
                asked=max(want.asked, other.asked),
            )
        out[want.key] = want
    return tuple(sorted(out.values(), key=lambda want: want.key))


def ended(wants: Iterable[Want], end: int) -> tuple[Want, ...]:
    """The same wants, of which those that went on end at `end`."""
    return tuple(want if want.ended is not None else replace(want, ended=max(end, want.start)) for want in wants)


def reaches(wants: Iterable[Want], horizon: int) -> Iterator[tuple[Want, int]]:
    """The wants of one instrument and grid, each with where it ends for now.

    A session that died wants for a horizon more, in which its spec's next session is expected. Where one began within it and was ended,
    its end is also that of the dead one: nobody wants what is after both. That is derived and never stored: should the first session be
    alive after all, its next assertion is later than that end, and all is wanted again.
    """
    wants = tuple(wants)
    lives = sorted((one.spec, one.start, one.ended) for one in wants if one.ended is not None)
    for want in wants:
        reach = want.reach(horizon)
        if want.ended is None:
            after, before = bisect_left(lives, (want.spec, want.asserted_at + 1)), bisect_left(lives, (want.spec, reach + 1))
            reach = min([reach, *(ended for _, _, ended in lives[after:before])])
        yield want, reach


def horizon(every_ms: int) -> int:
    """How far past its last assertion a want reaches."""
    return max(3 * every_ms, 10 * MINUTE)
