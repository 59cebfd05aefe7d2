"""What the connections of one slot say, as rows with their ordinals and as marks, into the stream's batch.

Nothing here blocks, raises or touches a disk: it runs inside the read loop, thousands of times a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from perptape.collect.ordinals import Ordinals
from perptape.collect.stream_batch import Intake
from perptape.datasets.base import Invalid, kept_time
from perptape.datasets.liquidations import Row, Unit, key, row
from perptape.interval import NS, SECOND
from perptape.raw import RawLiquidation
from perptape.store.log_record import Mark, MarkKind

AHEAD: Final = 15 * SECOND
"""A feed is heard no later than so long after the connection's control topic, by the venue's own stamps: that topic is never silent for
longer, so whatever says so is a clock that was set meanwhile, and would prove a feed that has died. And a control topic whose stamp is that
far ahead tells that this machine's clock is behind."""
DOUBTED: Final = 120.0
"""Seconds for which nothing is proven then: the clock is looked at meanwhile (`exchanges.clock_watch`). It is the stamps that are wrong
where they still are."""
REPEATED = 2.0
"""Seconds after an acknowledgement in which a venue may repeat old orders (OKX): no sign that its feed speaks now."""
COALESCED = 200  # ms; marks of one topic that are nearer than that say nothing more than the last of them
SHORTENED = 2_000  # characters of a malformed frame that are kept


class ConnectionSink:
    """The Sink of one connection slot; it may see many connections, one after the other."""

    def __init__(
        self,
        intake: Intake,
        unit: Unit,
        *,
        market: bool,
        on_row: Callable[[Row], None] | None,
        on_malformed: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._intake = intake
        self._unit = unit
        self._market = market
        self._on_row = on_row
        self._on_malformed = on_malformed
        self._clock = clock
        self._ordinals = Ordinals()
        self.counted = ""
        """The connection that ordinals are counted for: the newest one."""
        self._said: dict[str | None, int] = {}
        self._unsaid: dict[str | None, int] = {}
        self._shown: int | None = None
        """What the control topic proved last, ms."""
        self._early: dict[str, int] = {}
        """Topics of the feed that spoke before the control topic did -> when last, ms by this machine's clock, which may be off."""
        self._doubted: float | None = None
        """Since when the control topic's stamps are ahead of this machine's clock, on our monotonic clock."""
        self.connection: str | None = None
        self.since: int | None = None
        """Since when that connection counts (ms on the venue's clock): its last acknowledgement."""
        self.first: int | None = None
        """The first time that a connection of this slot proved."""
        self.proven = False
        """Whether the control topic has spoken since that connection was acknowledged."""
        self.heard: float | None = None
        """When the control topic spoke last, on our monotonic clock (the acknowledgement counts)."""
        self.acknowledged_at: float | None = None
        """When that connection was acknowledged, on the same clock."""
        self.fed: dict[str, float] = {}
        """Topic of the feed (empty: the whole market's) -> when it spoke last, on the same clock."""

    def listens(self, fresh: float) -> int | None:
        """Since when its connection counts (ms on the venue's clock), if that spoke within the last `fresh` seconds."""
        return self.since if self.heard is not None and self._clock() - self.heard <= fresh else None

    def acknowledged(self, connection: str, received: int) -> None:
        if self.connection is not None:
            self.closed(self.connection, "subscribed anew", received)
        if connection != self.counted:  # events may come before the last of several acknowledgements: their count goes on
            self.counted, self._ordinals = connection, Ordinals()
        self.connection, self.proven, self._shown = connection, False, None
        self._early.clear()
        self.heard = self.acknowledged_at = self._clock()
        self.fed.clear()
        self._intake.counts.connections += 1
        self._counts_from(connection, received // NS)

    def again(self, time: int) -> None:
        """Something was dropped: whatever the connection proves, it proves from `time` on."""
        self._said.clear()
        self._unsaid.clear()
        self._early.clear()
        if self.connection is not None:
            self._counts_from(self.connection, time)

    def _counts_from(self, connection: str, time: int) -> None:
        self.since = time
        self._intake.mark(Mark("acknowledged", connection, time))

    def control(self, connection: str, time: int | None, received: int) -> None:
        if connection == self.connection:
            try:
                time = None if time is None else kept_time(time)
            except Invalid as error:
                self.malformed(connection, f"control topic: {error}", received)
                return
            self.heard = self._clock()
            at = received // NS
            if self._behind(time, at):
                return
            self.proven = True
            at = at if time is None or time > at else time
            self._shown = at
            self._intake.spoke = at, self.heard
            if self.first is None and self.since is not None:
                self.first = max(at, self.since)
            self._mark(None, at)
            for topic, spoke in self._early.items():  # it was before this: where our clock says much later, that is wrong
                self._mark(topic, min(spoke, at + AHEAD))
            self._early.clear()

    def _behind(self, time: int | None, at: int) -> bool:
        """Whether this machine's clock is so far behind the control topic's that it would prove time before the connection was there."""
        if time is None or time <= at + AHEAD:
            self._doubted = None
            return False
        now = self._clock()
        self._doubted = now if self._doubted is None else self._doubted
        return now - self._doubted < DOUBTED

    def feed(self, connection: str, instrument: str | None, received: int) -> None:
        if connection == self.connection:
            topic = "" if self._market or instrument is None else instrument
            if self.acknowledged_at is not None and (now := self._clock()) - self.acknowledged_at > REPEATED:
                self.fed[topic] = now
            if self._shown is None:
                self._early[topic] = received // NS
            else:
                self._mark(topic, min(received // NS, self._shown + AHEAD))

    def _mark(self, topic: str | None, time: int) -> None:
        """A mark of a feed's topic, or of the control topic (None)."""
        said = self._said.get(topic)
        if said is not None and 0 <= time - said < COALESCED:
            self._unsaid[topic] = time
            return
        if self._unsaid:
            self._unsaid.pop(topic, None)
        self._say(topic, time)

    def _say(self, topic: str | None, time: int) -> None:
        self._said[topic] = time
        if self.connection is not None:
            kind: MarkKind = "control" if topic is None else "feed"
            self._intake.mark(Mark(kind, self.connection, time, topic or ""))

    def settle(self) -> None:
        """Says the marks that were held back: before a write, and before the connection's end."""
        unsaid, self._unsaid = self._unsaid, {}
        for topic, time in unsaid.items():
            self._say(topic, time)

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        if connection != self.counted:
            self.counted, self._ordinals = connection, Ordinals()
        try:
            made = row(event, self._unit, self._ordinals.count(key(event), received), received)
        except Invalid as error:
            self.malformed(connection, f"{error}: {event}", received)
            return
        if not self._intake.add(made):
            return
        if self._on_row is not None:
            self._on_row(made)

    def malformed(self, connection: str, message: str, received: int) -> None:
        self._intake.counts.malformed += 1
        self.settle()
        self._said.clear()
        self._early.clear()
        self._intake.mark(Mark("malformed", connection, received // NS, text=message[:SHORTENED]))
        self._on_malformed(connection, message)

    def closed(self, connection: str, reason: str, received: int) -> None:
        """Also called by the slot's owner where the venue's side did not come to it: the second time changes nothing."""
        if self.connection != connection:
            return
        self.settle()
        self._said.clear()
        self.connection = self.since = self.heard = self.acknowledged_at = None
        self.fed.clear()
        self._intake.mark(Mark("closed", connection, received // NS, text=reason[:SHORTENED]))
