"""What a venue pushes to its connections, tick by tick, paced by the venue's own clock.

A tick looks at the clock once: control topics speak once a second, events go out at every multiple of the venue's push interval
with all that happened since the last one. Frames are made once and shared by all connections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perptape.simulation.clock import Clock
from perptape.simulation.connection import Connection, Following, frame, text
from perptape.simulation.contract import Liquidation, Trade
from perptape.simulation.faults import Faults
from perptape.simulation.market import Market
from perptape.simulation.truth import Sent
from perptape.simulation.wire import Sampling, Topic, Trading, Wire

CONTROL_MS = 1000
_MALFORMED = frame(b'{"e":"forceOrder","o":{"s":')
_MISBEHAVIOUR = frozenset({"mute", "half_open", "twice", "malformed", "close", "abort"})


@dataclass(frozen=True, slots=True)
class _Batch:
    """What happened on a topic in a window, framed."""

    data: bytes
    frames: int
    liquidations: tuple[Liquidation, ...] = ()
    trades: tuple[Trade, ...] = ()


@dataclass(slots=True)
class Pusher:
    """One venue's pushes."""

    wire: Wire
    market: Callable[[], Market]
    clock: Callable[[], Clock]
    faults: Faults
    connections: set[Connection]
    mono: Callable[[], float]
    pushed: int = 0
    """Up to when events have been pushed."""

    def tick(self) -> None:
        """Pushes what is due now. Events first: when a control topic speaks of a time, what happened before it has been sent."""
        now = self.clock()()
        interval = self.wire.push_interval_ms
        due = now // interval * interval if interval else now
        start, self.pushed = self.pushed or due, due
        followed: dict[Topic, list[tuple[Connection, Following]]] = {}
        for connection in self.connections:
            for following in connection.following.values():
                if not following.record.silent:
                    followed.setdefault(following.topic, []).append((connection, following))
        for topic, followers in sorted(followed.items(), key=lambda one: one[0].kind == "control"):
            if topic.kind == "control":
                self._speak(topic, followers, now)
            elif due > start:
                self._tell(topic, followers, start, due, now)

    def _speak(self, topic: Topic, followers: list[tuple[Connection, Following]], now: int) -> None:
        """Sends a control topic to those who have not heard it for a second."""
        data: bytes | None = None
        for connection, following in followers:
            if following.spoke is not None and following.spoke <= now < following.spoke + CONTROL_MS:
                continue
            following.spoke = now
            if data is None:
                data = b"".join(text(one) for one in self.wire.control_frames(topic, self.market(), now))
            if data and self._send(connection, topic, data, now):
                connection.session.spoke(topic.name, now)

    def _tell(self, topic: Topic, followers: list[tuple[Connection, Following]], start: int, end: int, now: int) -> None:
        """Sends a topic's events of [start, end) to those who were subscribed when they happened."""
        happened = self._happened(topic, start, end)
        whole = self._batch(topic, happened, now)
        for connection, following in followers:
            since = following.record.since
            batch = whole if since <= start else self._batch(topic, [one for one in happened if one.time >= since], now)
            if batch.frames and (times := self._send(connection, topic, batch.data, now)):
                push = Sent(topic.name, now, self.mono(), batch.frames * times, batch.liquidations * times, batch.trades * times)
                connection.session.remember(push)

    def _happened(self, topic: Topic, start: int, end: int) -> Sequence[Liquidation | Trade]:
        market, venue = self.market(), self.wire.venue
        contracts = market.contracts(venue) if topic.contract is None else market.lifetimes(venue, topic.contract)
        if topic.kind == "trades":
            return sorted((one for each in contracts for one in market.trades(each, start, end)), key=lambda one: (one.time, one.seq))
        events = [one for each in contracts for one in market.liquidations(each, start, end)]
        events.sort(key=lambda one: (one.time, one.seq))
        return self.wire.sampled(events) if isinstance(self.wire, Sampling) else events

    def _batch(self, topic: Topic, happened: Sequence[Liquidation | Trade], now: int) -> _Batch:
        liquidations = tuple(one for one in happened if isinstance(one, Liquidation))
        trades = tuple(one for one in happened if isinstance(one, Trade))
        frames = self.wire.liquidation_frames(topic, liquidations, now) if liquidations else []
        if trades and isinstance(self.wire, Trading):
            frames = self.wire.trade_frames(topic, trades, now, self.market())
        return _Batch(b"".join(text(one) for one in frames), len(frames), liquidations, trades)

    def _send(self, connection: Connection, topic: Topic, data: bytes, now: int) -> int:
        """How often the data went out: not at all, once or (a fault) twice."""
        kinds = {fault.kind for fault in self.faults.met(self.wire.venue, topic.name, now, _MISBEHAVIOUR)}
        if "abort" in kinds:
            connection.drop("fault: abort")
        if "close" in kinds:
            connection.close("fault: close")
        connection.half_open |= "half_open" in kinds
        if "mute" in kinds:
            return 0
        times = 2 if "twice" in kinds else 1
        sent = connection.send((_MALFORMED if "malformed" in kinds else b"") + data * times)
        return times if sent else 0
