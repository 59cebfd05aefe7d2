"""A burst: so many liquidations a second for so long, framed beforehand and sent at their own pace.

Every event differs from every other in a value that is sent. The pace is this process' monotonic clock; the report says whether it
was kept, so that a measurement against a server that could not keep up is void.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from perptape.simulation.connection import Connection, text
from perptape.simulation.contract import Contract, Liquidation
from perptape.simulation.market import Market
from perptape.simulation.truth import Sent
from perptape.simulation.venue import Venue
from perptape.simulation.wire import Topic, Wire

_STEP_S = 0.005
_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Burst:
    """What to send: `rate` events a second for `seconds`, `per_frame` of one contract in a frame, contracts taking turns."""

    venue: str
    contracts: tuple[str, ...]
    rate: int
    seconds: float
    per_frame: int = 1
    delay_s: float = 0.2
    """From the call to the first frame."""

    @property
    def frames(self) -> int:
        """How many frames that makes."""
        return round(self.rate * self.seconds / self.per_frame)


@dataclass(slots=True)
class Report:
    """What became of a burst."""

    burst: Burst
    frames: int = 0
    events: int = 0
    began_mono: float = 0
    ended_mono: float = 0
    finished: bool = False
    receivers: int = 0

    @property
    def kept_pace(self) -> bool:
        """Whether it took as long as it was meant to."""
        return self.finished and abs(self.ended_mono - self.began_mono - self.burst.seconds) <= self.burst.seconds * _TOLERANCE

    def as_json(self) -> dict[str, Any]:
        """For the control API."""
        return {**asdict(self), "seconds": self.ended_mono - self.began_mono, "kept_pace": self.kept_pace}


@dataclass(frozen=True, slots=True)
class Framed:
    """One frame of a burst: its turn, its bytes and what is in it."""

    turn: int
    data: bytes
    events: tuple[Liquidation, ...]


def events(burst: Burst, contracts: Sequence[Contract], market: Market, begins: int) -> Iterator[tuple[int, tuple[Liquidation, ...]]]:
    """(turn, the frame's events) with times spread evenly from `begins` on."""
    for turn in range(burst.frames):
        contract = contracts[turn % len(contracts)]
        base_price = market.on_tick(contract, market.mark(contract.base, begins))
        group = []
        for number in range(turn * burst.per_frame, (turn + 1) * burst.per_frame):
            contracts_held = contract.lot * (1 + number)
            group.append(
                Liquidation(
                    id=f"burst-{begins}-{number}",
                    seq=begins * 1000 + number,
                    time=begins + number * 1000 // burst.rate,
                    contract=contract.id,
                    side="SELL" if number % 2 else "BUY",
                    price=base_price,
                    average_price=base_price,
                    bankruptcy_price=base_price,
                    base=market.base_amount(contract, contracts_held, base_price),
                    contracts=contracts_held,
                )
            )
        yield turn, tuple(group)


def framed(
    wire: Wire, topic: Topic, planned: Iterable[tuple[int, tuple[Liquidation, ...]]], begins: int, spacing_ms: float
) -> list[Framed]:
    """The frames of a topic, serialised; frames of other contracts are not among them."""
    return [
        Framed(turn, b"".join(text(one) for one in wire.liquidation_frames(topic, group, int(begins + turn * spacing_ms))), group)
        for turn, group in planned
        if topic.contract in (None, group[0].contract)
    ]


async def send(
    burst: Burst,
    by_topic: dict[Topic, list[Framed]],
    followers: Callable[[Topic], list[Connection]],
    now: Callable[[], int],
    report: Report,
) -> None:
    """Sends the frames at their turns to whoever follows the topics then."""
    loop = asyncio.get_running_loop()
    per_second = burst.rate / burst.per_frame
    positions = dict.fromkeys(by_topic, 0)
    report.began_mono = loop.time()
    while not report.finished:
        mono = loop.time()
        due = int((mono - report.began_mono) * per_second)
        for topic, frames in by_topic.items():
            position = positions[topic]
            while position < len(frames) and frames[position].turn < due:
                position += 1
            _hand_out(topic, frames[positions[topic] : position], followers(topic), now(), mono, report)
            positions[topic] = position
        report.finished = due >= burst.frames
        report.ended_mono = mono
        if not report.finished:
            await asyncio.sleep(_STEP_S)


def _hand_out(topic: Topic, frames: list[Framed], receivers: list[Connection], now: int, mono: float, report: Report) -> None:
    if not frames:
        return
    data = b"".join(frame.data for frame in frames)
    sent = Sent(topic.name, now, mono, len(frames), tuple(event for frame in frames for event in frame.events))
    report.frames += len(frames)
    report.events += len(sent.liquidations)
    report.receivers = max(report.receivers, len(receivers))
    for connection in receivers:
        if connection.send(data):
            connection.session.remember(sent)


async def carried_out(venue: Venue, listed: Sequence[Contract], topics: Iterable[Topic], market: Market, report: Report) -> None:
    """Frames the report's burst for `topics`, waits for its time, and sends it to whoever follows them by then.

    One that is not framed by its time begins late, and its events are stamped as if it had not.
    """
    burst, loop = report.burst, asyncio.get_running_loop()
    first = loop.time() + burst.delay_s
    begins = venue.clock() + int(burst.delay_s * 1000 * venue.clock.speed)
    spacing = 1000 * burst.per_frame / burst.rate

    def frames() -> dict[Topic, list[Framed]]:
        planned = list(events(burst, listed, market, begins))
        return {topic: framed(venue.wire, topic, planned, begins, spacing) for topic in topics}

    by_topic = await asyncio.to_thread(frames)  # a long one takes seconds, in which the venue speaks on
    await asyncio.sleep(max(0.0, first - loop.time()))

    def followers(topic: Topic) -> list[Connection]:
        return [one for one in venue.connections if topic.name in one.following and not one.following[topic.name].record.silent]

    await send(burst, by_topic, followers, venue.clock, report)
