"""Defects of streams: sinks that tell less, or more, than a venue said, lines that hand them out, and a tape that claims too much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from campaign.feed import key_of
from campaign.venue import Line
from perptape.claims import STREAM, Claim
from perptape.exchanges.base import Sink
from perptape.exchanges.registry import traits
from perptape.instruments import Instrument
from perptape.raw import RawLiquidation
from perptape.store.tape import Tape


@dataclass
class Told:
    """A sink that passes everything on."""

    sink: Sink

    def acknowledged(self, connection: str, received: int) -> None:
        self.sink.acknowledged(connection, received)

    def control(self, connection: str, time: int | None, received: int) -> None:
        self.sink.control(connection, time, received)

    def feed(self, connection: str, instrument: str | None, received: int) -> None:
        self.sink.feed(connection, instrument, received)

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        self.sink.liquidation(connection, event, received)

    def malformed(self, connection: str, message: str, received: int) -> None:
        self.sink.malformed(connection, message, received)

    def closed(self, connection: str, reason: str, received: int) -> None:
        self.sink.closed(connection, reason, received)


@dataclass
class Distinct(Told):
    seen: set[Any] = field(default_factory=set)

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        if key_of(event) not in self.seen:
            self.seen.add(key_of(event))
            super().liquidation(connection, event, received)


class AcrossReconnects(Tape):
    """What lies between two connections is claimed as if nobody had been away."""

    def commit(self, venue: str, dataset: str, rows: Any, claims: Any, *rest: Any, **more: Any) -> str:
        feed, told = traits(venue).feed, list[Claim]()
        for claim in claims:
            if feed is None or (claim.grid, claim.kind, claim.cause) != (STREAM, "hole", "disconnected"):
                told.append(claim)
                continue
            basis = feed.rule if feed.completeness == "sampled" else "feed"
            told.append(replace(claim, kind=feed.completeness, basis=basis, cause=""))
            told.append(replace(claim, kind="live", basis="feed", cause=""))
        return super().commit(venue, dataset, rows, told, *rest, **more)


@dataclass
class ResetByRolls(Told):
    """Ordinals begin anew once a minute, at which a real stream rolls."""

    def liquidation(self, connection: str, event: RawLiquidation, received: int) -> None:
        self.sink.liquidation(f"{connection}/{received // 60_000_000_000}", event, received)


class SinkLine(Line):
    """A line whose sink is another one."""

    told: Callable[[Sink], Told] = Told
    _kept: Told | None = None

    async def liquidations(self, instruments: Sequence[Instrument], sink: Sink) -> None:
        if self._kept is None or self._kept.sink is not sink:
            self._kept = type(self).told(sink)
        await super().liquidations(instruments, self._kept)


class DistinctLine(SinkLine):
    told = Distinct


class ResetLine(SinkLine):
    told = ResetByRolls
