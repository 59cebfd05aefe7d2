"""How a simulated venue misbehaves: which faults are set, and which of them a request or a topic meets.

Deterministic: chances are hashes of the seed, the fault and its count of hits; the time is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from perptape.simulation.chance import uniform

ANSWERS: Mapping[str, str] = {
    "status": "answers `status`, with Retry-After when `retry_after` is given",
    "maintenance": "answers what the venue answers during maintenance",
    "html": "200 with a page of HTML",
    "empty": "200 with an empty body",
    "list": "200 with []",
    "reset": "closes the connection without an answer",
    "cut": "ends the connection in the middle of the body",
    "blackhole": "accepts and never answers",
    "latency": "answers after `delay_ms` (real milliseconds)",
    "nan": "a row in the middle of the page holds NaN",
    "negative": "a row in the middle of the page holds negative figures",
    "missing": "a row in the middle of the page holds null",
    "duplicate": "a row in the middle of the page comes twice",
    "unsorted": "the page's rows come in a mixed-up order",
}
"""Faults of HTTP answers; those that give an answer of their own also refuse WebSocket handshakes."""
SOCKETS: Mapping[str, str] = {
    "silent_ack": "acknowledges a subscription and never sends anything on it",
    "no_ack": "neither acknowledges a subscription nor sends anything on it",
    "mute": "keeps a topic silent while others flow",
    "half_open": "stops sending and answering pings, and keeps the connection open",
    "twice": "sends every event twice",
    "malformed": "sends a frame that is not JSON before the events",
    "close": "closes the connection as a server does (1001)",
    "abort": "drops the connection (1006)",
}
KINDS = {**ANSWERS, **SOCKETS}
ROWS = frozenset({"nan", "negative", "missing", "duplicate", "unsorted"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, and for whom."""

    kind: str
    venue: str | None = None
    path: str = ""
    """A regular expression, searched for in the path with its query, or in the name of the topic."""
    share: float = 1.0
    """The chance that a matching request or push is hit."""
    after: int = 0
    """How many matching ones pass before the first is hit."""
    count: int | None = None
    """How many are hit at most."""
    start: int | None = None
    end: int | None = None
    """The span of venue time in ms, half-open, in which it happens."""
    status: int = 500
    retry_after: int | None = None
    delay_ms: int = 1000

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}: one of {', '.join(KINDS)}")
        re.compile(self.path)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Fault:
        """A fault from JSON; wrong names are errors that say what is known."""
        known = [one.name for one in fields(cls)]
        wrong = sorted(set(given) - set(known))
        if wrong or "kind" not in given:
            raise ValueError(f"no field {wrong[0]!r}: one of {', '.join(known)}" if wrong else "a fault needs a kind")
        return cls(**given)


@dataclass(slots=True)
class _Set:
    fault: Fault
    id: int
    seen: int = 0
    hits: int = 0


@dataclass(slots=True)
class Faults:
    """The faults that are set now."""

    seed: int = 0
    _sets: list[_Set] = field(default_factory=list)
    _next: int = 1

    def add(self, faults: Iterable[Fault]) -> list[int]:
        """Sets faults; their ids."""
        added = [_Set(fault, self._next + number) for number, fault in enumerate(faults)]
        self._sets += added
        self._next += len(added)
        return [one.id for one in added]

    def clear(self, id: int | None = None) -> None:
        """Ends one fault, or all."""
        self._sets = [] if id is None else [one for one in self._sets if one.id != id]

    def report(self) -> list[dict[str, Any]]:
        """Every fault that is set, with how often it hit."""
        return [{"id": one.id, "hits": one.hits, **asdict(one.fault)} for one in self._sets]

    def met(self, venue: str, where: str, now: int, kinds: Iterable[str]) -> list[Fault]:
        """The faults of these kinds that this request, subscription or push meets; each counts as a hit."""
        return [one.fault for one in self._sets if one.fault.kind in kinds and self._hits(one, venue, where, now)]

    def _hits(self, one: _Set, venue: str, where: str, now: int) -> bool:
        fault = one.fault
        if fault.venue not in (None, venue) or not re.search(fault.path, where):
            return False
        if (fault.start is not None and now < fault.start) or (fault.end is not None and now >= fault.end):
            return False
        one.seen += 1
        if one.seen <= fault.after or (fault.count is not None and one.hits >= fault.count):
            return False
        if fault.share < 1 and uniform(self.seed, "fault", one.id, one.seen) >= fault.share:
            return False
        one.hits += 1
        return True
