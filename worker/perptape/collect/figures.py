"""How far a collection is, in a few figures: up to when all is on the tape, how many holes there are. Pure.

Out of the standings of what one spec wants; told in a run's summary, in a pod's status, and so in the CollectionSpec's.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from perptape.claims import STREAM
from perptape.collect.report import Standing, of_coverage
from perptape.coverage import Coverage
from perptape.datasets.instruments import SeenInstrument
from perptape.instruments import Resolution
from perptape.standing import REASONS, State

EXAMPLES = 5
OURS: Final = frozenset(REASONS) - {"retention", "missed sample", "unknown"}
"""Why time is lost that somebody wanted and was to keep, whenever that was: by an earlier process of a laptop's, too."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Times are ms on the venue's clock; holes are numbers of intervals, over all instruments.

    watermark: the least over instruments, None while one of them has nothing. due: up to when rows could be had by now.
    why: the reasons of what is lost by a fault of ours or of the line. pending: ms before the watermark (of a stream that proved
    nothing: until now) that are too young to be judged, of the instrument that has the most.
    reach: up to when time was wanted that was out of the venue's reach before anybody wanted it, None where none was.
    """

    watermark: int | None = None
    due: int | None = None
    open: int = 0
    lost: int = 0
    unproven: int = 0
    reach: int | None = None
    why: tuple[str, ...] = ()
    pending: int = 0

    def fields(self) -> dict[str, object]:
        """For the summary."""
        found: dict[str, object] = {"gaps": {"open": self.open, "lost": self.lost, "unproven": self.unproven}}
        for name in ("watermark", "due", "reach"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        return found


def wanted_by(spec: str, venue: str, dataset: str, coverage: Coverage, instruments: Iterable[SeenInstrument], now: int) -> list[Standing]:
    """The standings of what one spec wants; what else the tape has is of no concern to it."""
    mine = tuple(want for want in coverage.wants if want.spec == spec)
    return of_coverage(venue, dataset, replace(coverage, wants=mine), instruments, now, unwanted=False)


def figures(standings: Sequence[Standing], now: int, since: int, over: Container[str] = ()) -> Figures | None:
    """None where nothing is wanted. `since`: when it was first wanted; `over`: instruments that are not listed any more.

    What was out of reach before anybody wanted it is no hole of ours: `lost` counts from `since` on and what is `OURS`, and `reach` says
    how far the rest goes.
    """
    wanted = [one for one in standings if one.states]
    if not wanted:
        return None
    listed = [one for one in wanted if one.instrument not in over]
    marks = [mark(one) for one in listed]
    return Figures(
        watermark=None if None in marks else min(at for at in (now, *marks) if at is not None),
        due=min((due(one.states, now) for one in listed), default=now),
        open=_count(wanted, "open"),
        lost=sum(len(_lost(one, since)) for one in wanted),
        unproven=_count(wanted, "unproven"),
        why=tuple(sorted({state.reason for one in wanted for state in _lost(one, since)} & OURS)),
        pending=max((_pending(one, now) for one in listed), default=0),
        reach=max((state.span.end for one in wanted for state in one.states if _beyond(state, since)), default=None),
    )


def _count(standings: Iterable[Standing], status: str) -> int:
    return sum(state.status == status for one in standings for state in one.states)


def _lost(one: Standing, since: int) -> list[State]:
    return [state for state in one.states if state.status == "lost" and not _beyond(state, since)]


def _beyond(state: State, since: int) -> bool:
    return state.status == "lost" and state.span.end <= since and state.reason not in OURS


def _pending(one: Standing, now: int) -> int:
    """ms that are not judged yet though later time is: a hole just now, but for the edge where nobody can have anything yet. A stream of
    which nothing is proven may have heard nothing all the while."""
    upto = one.watermark or (now if one.grid == STREAM else 0)
    young = (state.span for state in one.states if state.status == "pending" and state.span.start < upto)
    return sum(min(span.end, upto) - span.start for span in young)


def mark(one: Standing) -> int | None:
    """Up to when it is complete. Where nothing wanted is due yet, nothing is missing: then it is where the want begins. Of a stream
    all is due at once."""
    if one.grid != STREAM and one.watermark is None and all(state.status == "pending" for state in one.states):
        return one.states[0].span.start
    return one.watermark


def due(states: Sequence[State], now: int) -> int:
    """Where that begins which nobody can have yet."""
    return min((state.span.start for state in states if state.status == "pending"), default=now)


def symbols(targets: Sequence[Resolution]) -> dict[str, object]:
    """What became of the symbols asked for: counts, and a few sentences about those that were not taken as asked."""
    taken = [one for one in targets if one.instrument is not None]
    said = [one.message for one in targets if one.message]
    return {
        "wanted": len(targets),
        "collected": len(taken),
        "substituted": sum(one.substituted for one in taken),
        "skipped": len(targets) - len(taken),
        **({"examples": said[:EXAMPLES]} if said else {}),
    }
