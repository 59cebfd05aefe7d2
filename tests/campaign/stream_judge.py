"""Holds what the tape says of live events against what each connection was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa

from campaign.feed import Connection, Feed, Key
from campaign.heard import listening, proving
from campaign.market import Market
from campaign.wanted import by_those_that_live
from perptape.interval import NS, SECOND, Interval, intersection
from perptape.simulation.schedule import Fault
from perptape.standing import STREAM_PENDING, State
from perptape.times import iso

if TYPE_CHECKING:
    from campaign.process import Process

FLUSHED = 41.0
"""Seconds after which what was received is in the log: two flushes of twenty, and their turn."""


class StreamJudge:
    """`excused`: events that a topic withheld for less than its quiet limit, which nobody can see.

    `flushed`: seconds after which what was received is in the log. `open_longer`: so long a socket stays open after what surely came.
    `near`: seconds around a fault in which what it led to begins or ends; so long a process that began may take to listen, too.
    """

    def __init__(
        self, market: Market, feed: Feed, processes: Sequence[Process], *, flushed: float = FLUSHED, open_longer: float = 1.0,
        near: float = 60.0,
    ) -> None:  # fmt: skip
        self._flushed, self._open_longer, self._near = flushed, open_longer, near
        self._market, self._feed, self._processes = market, feed, processes
        self._happened = {one.id: feed.events(one.id) for one in market.lives}
        self.excused: set[Key] = set()

    def unlike(self, instrument: str, span: Interval, have: Counter[Key]) -> str:
        """How the rows differ from all that happened to an instrument in a span that is claimed."""
        for key, count in self._happened.get(instrument, Counter()).items():
            if key[1] in span and have[key] < count:
                if not self._withheld(key):
                    return f"with {have[key]} of {count} events of {iso(key[1])}"
                self.excused.add(key)
        return ""

    def _withheld(self, key: Key) -> bool:
        """Whether a topic was silent then, for less than its quiet limit."""
        feed, limit = self._market.traits.feed, 0
        if feed is not None:
            limit = feed.quiet_limit
        return any(fault.seconds * SECOND <= limit for fault in self._feed.withheld.get(key, ()))

    def rows(self, have: Counter[Key], lost: Mapping[str, Sequence[State]]) -> list[str]:
        """What is wrong with the rows themselves. `lost`: the holes of each instrument."""
        found = []
        feed = self._market.traits.feed
        most: Counter[Key] = Counter()
        if feed is not None and feed.repair != "none":  # by REST, too
            for happened in self._happened.values():
                most |= happened
        safe: Counter[Key] = Counter()
        first = lambda keys: iso(min(key[1] for key in keys))  # noqa: E731
        for connection in self._feed.connections:
            most |= Counter(key for key, _, _ in connection.sent)
            safe |= Counter(
                key
                for key, at, once in connection.sent
                if once and self._safe(connection, at) and not self._refused(connection, at, key, lost)
            )
        if strange := have - most:
            found.append(f"{strange.total()} rows more than any connection was sent, one of {first(strange)}")
        full = {name: [state.span for state in states if state.reason == "disk full"] for name, states in lost.items()}
        missing = {key: count for key, count in (safe - have).items() if not any(key[1] in span for span in full.get(key[0], ()))}
        if missing:
            found.append(f"{sum(missing.values())} events that were received are missing, one of {first(missing)}")
        return found

    def _safe(self, connection: Connection, at: float) -> bool:
        """Whether the process lived, and the socket stayed open, long enough after something was handed over."""
        process = connection.process
        died = process.died if process.died is not None else float("inf")
        return died > at + self._flushed and (connection.ended is None or connection.ended > at + self._open_longer or process.ended_well)

    def _refused(self, connection: Connection, at: float, key: Key, lost: Mapping[str, Sequence[State]]) -> bool:
        """Whether a full disk refused even the log's own room, as one that copies on writing may, until the process died: what waited in
        memory went with it, and its time is lost by either's name."""
        died = connection.process.died
        full = [one for one in self._market.schedule.of("disk full") if one.start <= at + self._flushed and at <= one.end]
        unwritten = died is not None and any(died <= one.end + self._flushed for one in full)
        return unwritten and any(key[1] in state.span for state in lost.get(key[0], ()))

    def wrong(self, state: State, instrument: str, have: Counter[Key], now: int) -> str:
        """What is wrong with a state of the stream's grid. `now`: as of when it is."""
        if state.status in ("complete", "sampled"):
            return self.unlike(instrument, state.span, have)
        if state.status == "pending":
            return "" if state.span.start >= now - STREAM_PENDING else "which is long over"
        if state.status == "unproven":
            return self._heard(state.span, self._proving(instrument), "its feed was heard")
        inside = [key for key in self._happened.get(instrument, Counter()) if key[1] in state.span]
        if state.status == "open":
            feed = self._market.traits.feed
            if feed is None or feed.repair == "none":
                return "which nobody can obtain"
            return f"still obtainable: {len(inside)} events" if inside else ""
        if state.status == "empty":
            return f"where {len(inside)} events are" if inside else ""
        if state.status != "lost":
            return "no such thing can be"
        return self._reason(state, instrument)

    def _heard(self, span: Interval, spans: Sequence[Interval], what: str) -> str:
        """Whether there is more in a span than its edges, in which something was heard that proves it."""
        near = round(self._near * SECOND)
        inner = [Interval(span.start + near, span.end - near)] if len(span) > 2 * near else []
        faults = self._market.schedule.of("disk full", "clock skew")  # what is dropped, and what time it was, nobody knows then
        found = [one for one in intersection(inner, spans) if not any(self._touches(fault, one) for fault in faults)]
        longest = max(found, key=len, default=None)
        return f"though {what} {iso(longest.start)} to {iso(longest.end)}" if longest is not None and len(longest) > near else ""

    def _touches(self, fault: Fault, span: Interval, after: float | None = None) -> bool:
        return fault.touches(self._seconds(span.start), self._seconds(span.end), self._near, self._near if after is None else after)

    def _seconds(self, time: int) -> float:
        return (time - self._market.start) / SECOND

    def _proving(self, instrument: str) -> tuple[Interval, ...]:
        feed = self._market.traits.feed
        assert feed is not None, "there are events"
        market, quiet = feed.scope == "market", feed.quiet_limit / SECOND
        return proving(self._feed.connections, instrument, self._market.start, self._flushed, market=market, quiet=quiet)

    def _reason(self, state: State, instrument: str) -> str:
        """Whether the reason of a hole is true: what it names touches it, and nobody listened meanwhile."""
        span, start, end = state.span, self._seconds(state.span.start), self._seconds(state.span.end)
        if state.reason == "disk full":
            faults = self._market.schedule.of("disk full", "store away")
            small = bool(self._market.schedule.of("disk full"))  # of such a schedule: a burst uses it up between two flushes
            used_up = (
                small
                and len(span) <= 3 * self._near * SECOND
                and any(self._touches(one, span) for one in self._market.schedule.of("burst"))
            )
            return "" if used_up or any(self._touches(fault, span, 600) for fault in faults) else "though there was room"
        listened = listening(self._feed.connections, instrument, self._market.start, self._flushed)
        if heard := self._heard(span, listened, "somebody listened"):
            return heard
        if state.reason == "process down":
            down = any(start < until + self._near and since - self._near < end for since, until in self._down())
            return "" if down else "though a process lived all the time"
        if state.reason == "disconnected":
            alive = any(one.streams and one.began < end + self._near and (one.died or end) > start - self._near for one in self._processes)
            return "" if alive else "though no process lived"
        over = self._market.schedule.storm - 30
        began, ended = end - 20, start + self._flushed  # what a process read last goes with it where it dies before it is written
        heard_any = [c for c in self._feed.connections if instrument in c.wanted and c.began < began and (c.ended or over) > ended]
        return "" if state.reason == "unknown" and not heard_any else f"a reason that nothing touches, with {len(heard_any)} connections"

    def wanted(self) -> tuple[Interval, ...]:
        """When somebody streamed, who must have wanted it."""
        return by_those_that_live(self._market.schedule, (one for one in self._processes if one.streams), self._market.start)

    def _down(self) -> list[tuple[float, float]]:
        """When a streaming process was not there, or heard nothing yet: seconds, of each place in which one process follows another. Such a
        hole ends with the first word of the control topic to the successor (another place that hears may leave its end of it alone)."""
        places: dict[str, list[Process]] = {}
        for one in self._processes:
            if one.streams:
                places.setdefault(one.name.rstrip("0123456789"), []).append(one)
        found = []
        for lived in places.values():
            found.append((float("-inf"), lived[0].began + self._near))
            found += [
                (before.died if before.died is not None else after.began, max(after.began + self._near, self._listened(after)))
                for before, after in pairwise(lived)
            ]
            found.append((lived[-1].died if lived[-1].died is not None else float("inf"), float("inf")))
        return found

    def _listened(self, process: Process) -> float:
        """Since when it heard a control topic; its end, where it never did; its beginning, where nobody took that down (layer 2)."""
        if not any(one.heard for one in self._feed.connections):
            return process.began
        heard = (at for one in self._feed.connections if one.process is process for at, topic in one.heard if topic is None)
        return min(heard, default=float("inf") if process.died is None else process.died)


def events_of(rows: pa.Table) -> Counter[Key]:
    """The rows of live events as a multiset."""
    columns = ("instrument_id", "ts_event", "side", "price", "quantity_venue", "venue_id")
    found = zip(*(rows[column].to_pylist() for column in columns), strict=True)
    return Counter((name, time // NS, side, price, quantity, venue_id) for name, time, side, price, quantity, venue_id in found)
