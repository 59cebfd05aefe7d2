"""Defects that the campaign must see: each is the real thing with one rule broken, given to a world in place of it.

`needs` are the faults without which a defect does no harm: other schedules need not be tried.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from campaign.stage import Parts
from campaign.stream_defects import AcrossReconnects, DistinctLine, ResetLine
from campaign.venue import Line
from campaign.views import ProcessDisk
from perptape.claims import Claim
from perptape.errors import Retry
from perptape.exchanges.base import Traits
from perptape.raw import Answer
from perptape.simulation.schedule import Schedule
from perptape.standing import DOUBTED
from perptape.store.filesystem import Entry
from perptape.store.fold import old_enough
from perptape.store.landing import Place
from perptape.store.log_record import HEAD as HEAD_OF_RECORD
from perptape.store.log_record import checksum
from perptape.store.log_space import HEAD, Ring
from perptape.store.publish import Publisher
from perptape.store.segment import Segment
from perptape.store.tape import Tape

LIQUIDATIONS = "liquidations"


class CoverageFirst(Publisher):
    def join_files(self, segments: dict[str, Segment]) -> set[Place]:
        self.say(self.covered(), list(segments.values()))
        return super().join_files(segments)


class CoverageFirstTape(Tape):
    publisher = CoverageFirst


class Unread(Publisher):
    """Neither the data files nor the coverage are read back before an old segment goes."""

    def deletable(self, listed: Sequence[Entry], segments: dict[str, Segment]) -> list[str]:
        return [entry.path for entry in old_enough(listed, self.fs.now(), self.keep) if entry.path in segments]


class UnreadTape(Tape):
    publisher = Unread


class Undoubting(Tape):
    """What was doubted counts like any answer."""

    def commit(self, venue: str, dataset: str, rows: Any, claims: Any, *rest: Any, **more: Any) -> str:
        plain: list[Claim] = [replace(claim, cause="") if claim.cause == DOUBTED else claim for claim in claims]
        return super().commit(venue, dataset, rows, plain, *rest, **more)


class Unrenewed(Tape):
    """Who goes on wanting a stream says so once, at its beginning."""

    def commit(self, venue: str, dataset: str, rows: Any, claims: Any, wants: Any, *rest: Any, **more: Any) -> str:
        if dataset == LIQUIDATIONS:
            wants = [replace(want, asserted_at=want.start) for want in wants]
        return super().commit(venue, dataset, rows, claims, wants, *rest, **more)


class Unbelieving(Tape):
    """What a feed proved is thrown away: that its connection was there is all that is kept."""

    def commit(self, venue: str, dataset: str, rows: Any, claims: Any, *rest: Any, **more: Any) -> str:
        if dataset == LIQUIDATIONS:
            claims = [claim for claim in claims if claim.kind not in ("complete", "sampled")]
        return super().commit(venue, dataset, rows, claims, *rest, **more)


class Unheard(Tape):
    """Nor is that, of a venue that tells nothing later."""

    def commit(self, venue: str, dataset: str, rows: Any, claims: Any, *rest: Any, **more: Any) -> str:
        if dataset == LIQUIDATIONS and venue in ("binance", "bybit"):
            claims = [claim for claim in claims if claim.kind == "hole"]
        return super().commit(venue, dataset, rows, claims, *rest, **more)


class Misnamed(Tape):
    """Whatever kept a stream from hearing, it is said that no process was there."""

    def commit(self, venue: str, dataset: str, rows: Any, claims: Any, *rest: Any, **more: Any) -> str:
        claims = [replace(claim, cause="process down") if claim.cause == "disconnected" else claim for claim in claims]
        return super().commit(venue, dataset, rows, claims, *rest, **more)


class TornKept(ProcessDisk):
    """Who reads a log takes the torn record at its end for a whole one: its checksum is not looked at."""

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        data = super().read_at(path, offset, size)
        ring = Ring.found(self._disk, path) if path.endswith("/records") and offset >= HEAD else None
        if ring is None:
            return data
        ring.read()  # up to where it is torn
        place = HEAD + ring.end % ring.capacity
        head = self._disk.read_at(path, place, HEAD_OF_RECORD.size)
        if len(head) < HEAD_OF_RECORD.size or head[-1:] not in (b"E", b"M", b"R"):
            return data
        length, _, kind = HEAD_OF_RECORD.unpack(head)
        payload = self._disk.read_at(path, place + len(head), length)
        good = HEAD_OF_RECORD.pack(length, checksum(kind, payload, ring.end), kind)
        whole = bytearray(self._disk.read(path))
        whole[place : place + len(good)] = good
        return bytes(whole[offset : offset + size])


class NoFolderSync(ProcessDisk):
    def fsync_dir(self, path: str) -> None:
        pass


class AtOnce(Line):
    """Takes the newest page for final."""

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        told, history = self._told, self._told.open_interest_history
        buckets = None if history is None else replace(history, publication_delay=0)
        return replace(told, open_interest_history=buckets, funding_history=replace(told.funding_history, publication_delay=0))

    @traits.setter
    def traits(self, told: Traits) -> None:
        self._told = told


class NoPause(Line):
    """Does not pass on what the venue said of a pause."""

    async def _through(self, *, past: bool = False) -> str:
        try:
            return await super()._through(past=past)
        except Retry as error:
            raise Retry(str(error)) from error


class HtmlIsEmpty(Line):
    """HTML tells the time, too (its Date header): the clock is asked no more once it is known."""

    async def now(self, *, anew: bool = False) -> int:
        if anew or self._measured is None:
            await self._through()
        return self._world.clock(self._process) + self.offset

    async def _asked(self, call: Callable[[], Awaitable[Answer[Any]]], **more: Any) -> Answer[Any]:
        try:
            return await super()._asked(call, **more)
        except Retry as error:
            if "HTML" not in str(error):
                raise
            return Answer((), self._world.clock(self._process) + self.offset)


class LocalClock(Line):
    offset = 0


@dataclass(frozen=True)
class Defect:
    """`shows`: what the judge says of it, as a regular expression. A schedule in which it does no harm is told by the rest."""

    parts: Parts
    shows: str
    needs: Collection[str] = ()
    streams: bool = False
    store: str = ""

    def may_show(self, schedule: Schedule) -> bool:
        """Whether a schedule holds what the defect takes to do harm."""
        met = not self.needs or bool(schedule.kinds & set(self.needs))
        return met and schedule.streams >= self.streams and self.store in ("", schedule.store)

    def shown(self, findings: Iterable[str]) -> bool:
        """Whether it is by what it breaks, and not by chance, that something was found."""
        return any(re.search(self.shows, one) for one in findings)


GONE = "committed rows are gone"
DEFECTS = {
    "coverage written before data": Defect(Parts(tape=CoverageFirstTape), "in coverage before it is in data files"),
    "a segment deleted before it was read back": Defect(Parts(tape=UnreadTape), GONE, ("disk full",), store="folder"),
    "a torn tail kept": Defect(Parts(disk=TornKept), "UnicodeDecodeError|rows more than", ("kill in a write", "power loss"), streams=True),
    "a skipped fsync of the directory": Defect(Parts(disk=NoFolderSync), GONE, ("power loss",), store="folder"),
    "DISTINCT instead of ordinals": Defect(Parts(line=DistinctLine), r"with \d of \d events", streams=True),
    "a claim across a reconnect": Defect(
        Parts(tape=AcrossReconnects), r"claimed .*with \d of \d events", ("disconnect", "silent socket"), streams=True
    ),
    "the newest page claimed at once": Defect(Parts(line=AtOnce), "claimed complete .*(without the row|in place of)"),
    "Retry-After ignored": Defect(Parts(line=NoPause), "before the venue's pause was over", ("429", "418")),
    "the ordinal reset by a roll": Defect(Parts(line=ResetLine), r"with \d of \d events", ("burst",), streams=True),
    "`empty` counted from HTML with 200": Defect(
        Parts(line=HtmlIsEmpty, tape=Undoubting), "empty .*where|lost retention .*inside retention", ("html",)
    ),
    "a claim on the local clock": Defect(Parts(line=LocalClock), "claimed .*(without|in place of|of . events)", ("clock skew",)),
    "a want that is asserted once": Defect(Parts(tape=Unrenewed), "stream: .* not wanted", streams=True),
    "proven time said to be unproven": Defect(Parts(tape=Unbelieving), "unproven .*its feed was heard", streams=True),
    "a lost connection said to be a dead process": Defect(
        Parts(tape=Misnamed), "lost process down .*though a process lived", ("disconnect", "silent socket"), streams=True
    ),
    "time with a connection said to be lost": Defect(Parts(tape=Unheard), "lost .*somebody listened", streams=True),
}
