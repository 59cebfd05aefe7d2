"""Logs that a dead process left: replayed into the segments that it made or would have made, then removed.

Blocking. A replay claims no more than the log's last mark, names its segments as the writer did, and may itself be killed at any
point: the next one makes the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import pyarrow as pa
import structlog

from perptape.claims import Claim, Want
from perptape.collect.stream_replay import Replay
from perptape.collect.stream_tail import PART, Segment, Tail
from perptape.errors import StoreError
from perptape.store.log import Log
from perptape.store.log_record import Closed, Mark, Marks, Record
from perptape.store.logs import Logs

_log = structlog.get_logger(__name__)

KEPT_ASIDE: Final = (
    "what can be read of it is in the store, the time of the rest is lost: look at the disk it was on; the file is kept until four more "
    "were damaged, delete it when nobody wants to look at it"
)
"""What is said of a log that had something unreadable in it."""


class Segments(Protocol):
    """The part of a tape that streams need. Blocks; putting the same name again puts the same."""

    def put(self, name: str, venue: str, dataset: str, rows: pa.Table, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> None:
        """The segment is in the store when this returns. Raises StoreError."""


def put(segments: Segments, segment: Segment) -> None:
    segments.put(segment.name, segment.venue, segment.dataset, segment.rows, segment.claims, segment.wants)


@dataclass(slots=True)
class Adopted:
    """What the logs of dead processes said, and how far."""

    said: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """(venue, dataset) -> instrument -> the time up to which everything is claimed or known to be missed."""
    rows: int = 0
    logs: int = 0
    waiting: list[str] = field(default_factory=list)
    """Logs whose segments the store did not take, or that somebody looked at; they are left to a later adoption."""
    foreign: list[str] = field(default_factory=list)
    """Logs of another store, or of this place's store before it was made anew: they are left alone."""

    damaged: list[str] = field(default_factory=list)
    """Where logs are kept of which something could not be read; all else of them is in the store."""
    unreadable: list[str] = field(default_factory=list)
    """Why a log could not be read, and which: they are left alone."""

    def since(self, venue: str, dataset: str) -> dict[str, int]:
        return self.said.get((venue, dataset), {})

    def hear(self, venue: str, dataset: str, said: Mapping[str, int]) -> None:
        """A log said everything up to these times; what another one said for longer stays known."""
        known = self.said.setdefault((venue, dataset), {})
        for instrument, time in said.items():
            known[instrument] = max(time, known.get(instrument, time))

    def go_on(self, later: Adopted) -> None:
        """Takes over what a later adoption found, which looked at every log anew."""
        for (venue, dataset), said in later.said.items():
            self.hear(venue, dataset, said)
        self.waiting, self.unreadable = later.waiting, later.unreadable

    def named(self, failed: Sequence[str], before: Sequence[str] = ()) -> list[str]:
        """What failed of a stream, with the logs that cannot be read in place of those that could not be `before`."""
        return [*(line for line in failed if line not in (*before, *self.unreadable)), *self.unreadable]


def adopt(logs: Logs, segments: Segments, part: int = 2 * PART, stored: set[str] | None = None) -> Adopted:
    """Brings every log of this store whose lock is free into it, whatever venue's it is. A store that is away leaves them for the
    next call. `part`: bytes of rows that are in memory at once, about. `stored`: names of segments that this process has put, more with
    each call: a log that cannot be ended, as on a full disk, is gone through again and again, and its segments are in the store.

    Call it once before the streams begin, so that each knows since when nobody listened, and again while any are `waiting`.
    """
    found, stored = Adopted(), set() if stored is None else stored
    looked_at = list[str]()
    for log, records in logs.adopt(found.unreadable, looked_at):
        try:
            replay = Replay.of(records, part)
            if logs.owner.owns(replay.head):
                _adopt_one(log, replay, segments, found, stored)
            else:
                found.foreign.append(log.name)
                _log.warning("log left alone", log=log.name, outcome="of another store", store=replay.head.store, origin=replay.head.origin)
        except OSError as error:
            found.unreadable.append(logs.stays(log.name, error))
        finally:
            log.release()
    for name in looked_at:
        found.logs += 1
        found.waiting.append(name)
        _log.warning("log waits", log=name, outcome="somebody looks at it")
    for said in found.unreadable:
        _log.error("log left alone", outcome=said)
    return found


def _adopt_one(log: Log, replay: Replay, segments: Segments, found: Adopted, stored: set[str]) -> None:
    """Raises OSError where the log cannot be read to its end."""
    head, made, refused, kept = replay.head, 0, "", ""
    found.logs += 1
    try:
        for segment in _segments(log, replay):
            made += 1
            refused = refused or _refused(segments, segment, found, stored)
        found.hear(head.venue, head.dataset, replay.tail.said)
        if not refused and replay.records.damaged:
            kept = log.put_aside()
        elif not refused:
            log.remove()
    except StoreError as error:
        refused = str(error)
    said = _log.bind(venue=head.venue, dataset=head.dataset, log=log.name, segments=made)
    if refused:
        found.waiting.append(log.name)
        said.warning("log waits", outcome=refused)
    elif kept:
        found.damaged.append(kept)
        said.warning("log damaged", outcome=KEPT_ASIDE, kept=kept)
    else:
        said.info("log adopted", outcome="in the store")


def _segments(log: Log, replay: Replay) -> Iterator[Segment]:
    """All that the store may not have, and the log is ended before the last of it; a damaged one, which is kept as it was found, in
    memory alone: its next replay ends it the same. Raises OSError, and StoreError where that fails."""
    yield from replay.segments()
    _end(None if replay.records.damaged else log, replay.tail)
    yield from replay.tail.unconfirmed.values()


def _refused(segments: Segments, segment: Segment, found: Adopted, stored: set[str]) -> str:
    """Why the store does not take a segment; empty where it does, or has."""
    if segment.name in stored:
        return ""
    try:
        put(segments, segment)
    except StoreError as error:
        return str(error)
    stored.add(segment.name)
    found.rows += segment.rows.num_rows
    return ""


def _end(log: Log | None, tail: Tail) -> None:
    """The end of what was open, the last roll, and the log's end, as far as they are missing. Each is durable before the next one
    is made: killed here, too, it comes out the same. Something may be behind the last roll of a closed log too: a full disk had
    room for its end and not for the roll.

    The time after the last proof is left to the next process, which knows how long it was.
    """
    if tail.open and not (tail.closed and tail.rolled):
        _write(log, tail, Marks(tuple(Mark("closed", name, tail.last, text="process down") for name in tail.open)))
    if not tail.rolled:
        _write(log, tail, tail.roll(tail.ends, ()))
    if not tail.closed:
        _write(log, tail, Closed())


def _write(log: Log | None, tail: Tail, record: Record) -> None:
    if log is not None:
        log.write([record])
    tail.add(record)
