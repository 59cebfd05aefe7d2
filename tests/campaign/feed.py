"""The venue's live feed: what happens on the market, and what each connection is sent of it.

The market's events are a pure function of the seed. What was handed to a connection is noted, since that is what the tape is held against.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from campaign.market import Market
from perptape.exchanges.base import Sink
from perptape.instruments import Instrument
from perptape.interval import NS, SECOND
from perptape.raw import RawFill, RawLiquidation
from perptape.simulation.schedule import STORM, Fault

if TYPE_CHECKING:
    from campaign.process import Process

TICK = 12.0
"""Seconds between messages of the control topic; a real one speaks more often, and costs more."""
ENDS = ("disconnect", "no acknowledgement")
"""Faults that end connections: the second kind answers those that follow with silence."""
REPLAYED = 20 * SECOND
"""What OKX sends again after a subscription."""
MALFORMED = "malformed"
"""The topic of what could not be read: it may have held anything."""
Key = tuple[str, int, str, float, float, str | None]
"""What makes two events equal: instrument, time, side, price, quantity, id."""


@dataclass(frozen=True, slots=True)
class Message:
    """Sent at `at` (seconds). No event: the control topic (topic None), or the feed says something that nobody wants (its topic)."""

    at: float
    topic: str | None = None
    event: RawLiquidation | None = None


@dataclass(eq=False)
class Connection:
    """What one connection was handed, and when."""

    name: str
    process: Process
    began: float
    wanted: tuple[str, ...] = ()
    ended: float | None = None
    sent: list[tuple[Key, float, bool]] = field(default_factory=list)
    """(event, when, whether it is no mere repetition of one that was just sent)."""
    heard: list[tuple[float, str | None]] = field(default_factory=list)
    """(when, topic) of all that was handed over, the control topic is None; nothing where nobody noted it (layer 2)."""


class Feed:
    """All messages of the storm and a little longer, in order, and all connections that there were."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._replays = market.schedule.venue == "okx"
        self._ids = market.schedule.venue == "deribit"
        self.messages = tuple(self._drawn())
        self._times = [message.at for message in self.messages]
        self.connections: list[Connection] = []
        self.withheld: dict[Key, set[Fault]] = {}
        """The events that were not sent because their topic was silent, with what silenced it."""

    def events(self, instrument: str) -> Counter[Key]:
        """Everything that happened to an instrument."""
        return Counter(key_of(m.event) for m in self.messages if m.event is not None and m.event.instrument.id == instrument)

    def _drawn(self) -> list[Message]:
        schedule, market = self._market.schedule, self._market
        chance = random.Random(f"feed {schedule.seed}")
        end = STORM + 120
        found = [Message(tick * TICK) for tick in range(int(end / TICK) + 1)]
        scope = "" if market.traits.feed is None else market.traits.feed.scope
        for one in {one.id: one for one in market.lives}.values():
            moments = _moments(chance, 90.0, end)
            for burst in schedule.of("burst"):
                moments += [burst.start + chance.random() * max(burst.seconds, 1.0) for _ in range(20 + int(burst.size * 200))]
            for at in sorted(moments):
                topic = "" if scope == "market" else one.id
                event = self._event(chance, one, market.start + int(at * SECOND), len(found))
                for _ in range(1 if self._ids or chance.random() < 0.7 else chance.choice((2, 3))):
                    found.append(Message(at + chance.random() * 1.2, topic, event))
        if scope == "market":
            found += [Message(at, "") for at in _moments(chance, 30.0, end)]
        return sorted(found, key=lambda message: message.at)

    def _event(self, chance: random.Random, one: Instrument, time: int, number: int) -> RawLiquidation:
        price, quantity = str(60_000 + chance.randrange(20)), f"{chance.randrange(1, 30) / 10}"
        return RawLiquidation(one, time, chance.choice(("BUY", "SELL")), price, None, quantity, f"t{number}" if self._ids else None)

    @property
    def past(self) -> list[tuple[str, RawFill]]:
        """What the venue shows of the past by REST: each event, and where it shows trades, those between them."""
        found = [(m.event.instrument.id, RawFill(m.event.time, (m.event,))) for m in self.messages if m.event is not None]
        if self._ids:
            end = self._market.start + int((STORM + 120) * SECOND)
            for one in {life.id for life in self._market.lives}:
                found += [(one, RawFill(time)) for time in range(self._market.start, end, 30 * SECOND)]
        return found

    # -- connections

    async def pump(
        self, connection: Connection, wanted: Sequence[str], sink: Sink, faults: Sequence[Fault], met: set[str], clock: Callable[[], int],
        seconds: Callable[[], float], chance: random.Random,
    ) -> str:  # fmt: skip
        """Hands messages over until the connection ends; why it did. `clock`: ms that count as receipt."""
        name, mine = connection.name, [fault for fault in faults if self._concerns(fault, connection)]
        connection.wanted = tuple(wanted)
        self.connections.append(connection)
        number = bisect_left(self._times, seconds())
        sink.acknowledged(name, clock() * NS)
        if self._replays:
            for message in self.messages[:number]:
                if message.event is not None and message.at > seconds() - REPLAYED / SECOND:
                    self._hand_over(connection, message, wanted, sink, clock() * NS, seconds(), replayed=True)
        try:
            while number < len(self.messages):
                message = self.messages[number]
                if (wait := message.at - seconds()) > 0:
                    await asyncio.sleep(wait)
                connection.process.look()
                number += 1
                now = seconds()
                kinds = {fault.kind for fault in mine if fault.start <= now < fault.end}
                if ends := {fault.kind for fault in mine if fault.kind in ENDS and connection.began < fault.start <= now}:
                    met.update(ends & {"disconnect"})
                    return "closed by the venue (1006)"
                if any(fault.kind == "burst" and fault.start <= now <= fault.end + 2 for fault in mine) and message.event is not None:
                    met.add("burst")
                met.update(kinds & {"silent socket", "silent topic", "malformed"})
                if message.event is not None and "silent topic" in kinds:
                    silent = {fault for fault in mine if fault.kind == "silent topic" and fault.start <= now < fault.end}
                    self.withheld.setdefault(key_of(message.event), set()).update(silent)
                if "silent socket" in kinds or ("silent topic" in kinds and message.topic is not None):
                    continue
                if "malformed" in kinds and message.topic is not None and chance.random() < 0.5:
                    connection.heard.append((now, MALFORMED))
                    sink.malformed(name, "not JSON: {", clock() * NS)
                    continue
                self._hand_over(connection, message, wanted, sink, clock() * NS, now)
                if "duplicates" in kinds and message.event is not None and chance.random() < 0.3:
                    self._hand_over(connection, message, wanted, sink, clock() * NS, now, again=True)
            await asyncio.get_running_loop().create_future()
        finally:
            connection.ended = seconds()
            if connection.process.alive:
                sink.closed(name, "the connection ended", clock() * NS)
        return ""

    def _hand_over(
        self, connection: Connection, message: Message, wanted: Sequence[str], sink: Sink, received: int, now: float, *,
        again: bool = False, replayed: bool = False,
    ) -> None:  # fmt: skip
        if not replayed:
            connection.heard.append((now, message.topic))
        if message.topic is None:
            sink.control(connection.name, self._market.start + int(message.at * SECOND), received)
            return
        if not replayed:
            sink.feed(connection.name, message.topic or None, received)
        if message.event is not None and message.event.instrument.id in wanted:
            connection.sent.append((key_of(message.event), now, not again))
            sink.liquidation(connection.name, message.event, received)

    def _concerns(self, fault: Fault, connection: Connection) -> bool:
        """Half of the faults meet every connection, the others every other one."""
        return fault.whom < 2 or len(self.connections) % 2 == fault.whom % 2


def _moments(chance: random.Random, mean: float, end: float) -> list[float]:
    found, at = [], chance.expovariate(1 / mean)
    while at < end:
        found.append(at)
        at += chance.expovariate(1 / mean)
    return found


def key_of(event: RawLiquidation) -> Key:
    one, time, side, price, _, quantity, venue_id = event
    return one.id, time, side, float(price), float(quantity), venue_id  # type: ignore[arg-type, return-value]
