"""Holds what the tape says of live events against what each connection was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from campaign.feed import Connection, Feed, Key
from campaign.market import Market
from perptape.interval import NS, SECOND, Interval
from perptape.standing import State
from perptape.times import iso

if TYPE_CHECKING:
    from campaign.process import Process

FLUSHED = 41.0
"""Seconds after which what was received is in the log: two flushes of twenty, and their turn."""
NEAR = 60 * SECOND


class StreamJudge:
    """`excused`: events that a topic withheld for less than its quiet limit, which nobody can see.

    `flushed`: seconds after which what was received is in the log. `open_longer`: so long a socket stays open after what surely came.
    """

    def __init__(
        self, market: Market, feed: Feed, processes: Sequence[Process], flushed: float = FLUSHED, open_longer: float = 1.0
    ) -> None:
        self._flushed, self._open_longer = flushed, open_longer
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

    def rows(self, have: Counter[Key], lost: Sequence[State]) -> list[str]:
        """What is wrong with the rows themselves. `lost`: the holes, whatever instrument they are of."""
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
            safe |= Counter(key for key, at, once in connection.sent if once and self._safe(connection, at))
        if strange := have - most:
            found.append(f"{strange.total()} rows more than any connection was sent, one of {first(strange)}")
        full = [state.span for state in lost if state.reason == "disk full"]
        missing = {key: count for key, count in (safe - have).items() if not any(key[1] in span for span in full)}
        if missing:
            found.append(f"{sum(missing.values())} events that were received are missing, one of {first(missing)}")
        return found

    def _safe(self, connection: Connection, at: float) -> bool:
        """Whether the process lived, and the socket stayed open, long enough after something was handed over."""
        process = connection.process
        died = process.died if process.died is not None else float("inf")
        return died > at + self._flushed and (connection.ended is None or connection.ended > at + self._open_longer or process.ended_well)

    def wrong(self, state: State, instrument: str, have: Counter[Key]) -> str:
        """What is wrong with a state of the stream's grid."""
        if state.status in ("complete", "sampled"):
            return self.unlike(instrument, state.span, have)
        if state.status in ("unproven", "pending"):
            return ""
        if state.status == "open":
            feed, inside = self._market.traits.feed, self._inside(state, instrument)
            if feed is None or feed.repair == "none":
                return "which nobody can obtain"
            return f"still obtainable: {len(inside)} events" if inside else ""
        if state.status == "empty":
            inside = self._inside(state, instrument)
            if any(fault.seconds > 3600 for fault in self._market.schedule.of("empty list")):
                self.excused.update(inside)  # two empty answers an hour apart count (docs/architecture.md): known to be wrong
                return ""
            return f"where {len(inside)} events are" if inside else ""
        if state.status != "lost":
            return "no such thing can be"
        return self._reason(state, instrument)

    def _inside(self, state: State, instrument: str) -> list[Key]:
        return [key for key in self._happened.get(instrument, Counter()) if key[1] in state.span]

    def _reason(self, state: State, instrument: str) -> str:
        """Whether the reason of a hole is true: what it names touches it."""
        start, end = ((time - self._market.start) / SECOND for time in (state.span.start, state.span.end))
        over = self._market.schedule.storm - 30
        if state.reason == "process down":
            lives = sorted((p.began, p.died if p.died is not None else float("inf")) for p in self._processes if p.streams)
            whole = any(began < start - 60 and died > end + 60 for began, died in lives) and len(lives) == 1
            return "though the process lived" if whole else ""
        if state.reason == "disconnected":
            open_all = [c for c in self._feed.connections if c.began < start - 30 and (c.ended or float("inf")) > end + 30]
            silent = any(fault.touches(start, end, 60, 60) for fault in self._market.schedule.of("silent socket"))
            return "though a connection was open" if open_all and not silent else ""
        if state.reason == "disk full":
            faults = self._market.schedule.of("disk full", "store away")
            return "" if any(fault.touches(start, end, 60, 600) for fault in faults) else "though there was room"
        heard = [c for c in self._feed.connections if instrument in c.wanted and c.began < end - 20 and (c.ended or over) > start + 20]
        return "" if state.reason == "unknown" and not heard else f"a reason that nothing touches, with {len(heard)} connections"


def events_of(rows: pa.Table) -> Counter[Key]:
    """The rows of live events as a multiset."""
    columns = ("instrument_id", "ts_event", "side", "price", "quantity_venue", "venue_id")
    found = zip(*(rows[column].to_pylist() for column in columns), strict=True)
    return Counter((name, time // NS, side, price, quantity, venue_id) for name, time, side, price, quantity, venue_id in found)
