"""One venue's liquidation stream in a run: who wants it, where its log is, and what it came to.

Shell between `run` and `live`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog

from perptape.claims import Claim, Want
from perptape.collect.figures import symbols
from perptape.collect.grids import stream_grid
from perptape.collect.live import LiveStream
from perptape.collect.outcome import Outcome
from perptape.collect.stream_adopt import Adopted, adopt
from perptape.collect.stream_figures import Followed
from perptape.collect.targets import Session
from perptape.collect.venue import Venue
from perptape.errors import StoreError
from perptape.store.catalog import Tape
from perptape.store.folder import Folder
from perptape.store.log import Logs, Owner
from perptape.store.log_disk import LocalLogDisk

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger("perptape")


@dataclass(frozen=True, slots=True)
class TapeSegments:
    """Puts a log's rolls into the tape under the names that the log gave them, so that a replay makes the same objects."""

    tape: Tape
    clock: Callable[[], int]

    def put(self, name: str, venue: str, dataset: str, rows: pa.Table, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> None:
        self.tape.commit(venue, dataset, rows, claims, wants, "", self.clock, name=name)


def log_root(tape: Tape, state: str | None) -> str | None:
    """Where stream logs are: in the store when it is a folder, else in the state directory of this machine, if it has one."""
    if isinstance(tape.fs, Folder):
        return os.path.join(tape.location, "perptape", "log")
    store = hashlib.blake2b(tape.location.encode(), digest_size=6).hexdigest()
    return os.path.join(state, "log", store) if state is not None else None


def logs_of(tape: Tape, state: str | None) -> Logs | None:
    """The logs of a tape, where it has been made and there is a place for them. Raises StoreError.

    Those of two stores that share a location (at two endpoints, or made anew with other data) are told apart by their owner.
    """
    made, root = tape.made(), log_root(tape, state)
    return Logs(root, LocalLogDisk(), Owner(tape.fs.identity, made.origin)) if made is not None and root is not None else None


def adopted(tape: Tape, state: str | None, clock: Callable[[], int]) -> Adopted:
    """Brings the logs of dead processes into the store. A store that is away leaves them for the next time."""
    logs = logs_of(tape, state)
    found = adopt(logs, TapeSegments(tape, clock)) if logs is not None else Adopted()
    if found.logs:
        log.info("logs of a dead process adopted", dataset="liquidations", logs=found.logs, rows=found.rows, waiting=len(found.waiting))
    return found


async def stream(
    venue: Venue,
    session: Session,
    replicas: int,
    outcome: Outcome,
    *,
    state: str | None,
    since: Mapping[str, int],
    stop: asyncio.Event,
) -> None:
    """Streams a venue's liquidations until `stop`; what happened is in `outcome`."""
    grid = stream_grid(venue.exchange.traits)
    if grid is None:
        outcome.unsupported = venue.exchange.traits.no_feed
        log.info("no liquidation feed", venue=venue.name, dataset="liquidations", outcome="unsupported", reason=outcome.unsupported)
        return
    targets = [target for target in venue.targets if target.instrument is not None]
    instruments = [target.instrument for target in targets if target.instrument is not None]
    outcome.instruments, outcome.symbols = len(instruments), symbols(venue.targets)
    if not instruments:
        return
    logs = await asyncio.to_thread(logs_of, venue.tape, state)
    if logs is None:
        outcome.error = f"the log of {venue.tape.location} needs a folder on this machine: name one in PERPTAPE_STATE"
        log.error("the stream has no log to write to", venue=venue.name, dataset="liquidations", outcome="failed", error=outcome.error)
        return
    coverage = await asyncio.to_thread(venue.tape.coverage, venue.name, "liquidations")

    def wants(now: int, first: int | None) -> tuple[Want, ...]:
        mine = [session.want_stream(grid, target, now, coverage, first) for target in targets]
        given_up = session.given_up(coverage, [one.id for one in instruments], [grid], now)
        return (*mine, *given_up)

    environment = venue.asking.environment
    followed = Followed(
        TapeSegments(venue.tape, environment.clock),
        outcome,
        coverage,
        read=lambda: venue.tape.coverage(venue.name, "liquidations"),
        judge=lambda known: venue.figures(session, venue.standings(session, "liquidations", known)),
        monotonic=environment.monotonic,
    )
    live = LiveStream(
        venue.exchange,
        instruments,
        logs=logs,
        segments=followed,
        wants=wants,
        clock=environment.clock,
        random=SystemRandom(),
        since=since,
        replicas=replicas,
        goes_on=session.shared,
    )
    outcome.live = report = live.report
    try:
        await live.run(stop)
    except StoreError as error:
        outcome.error = str(error)
        log.error("the stream has no log to write to", venue=venue.name, dataset="liquidations", outcome="failed", error=str(error))
        return
    outcome.listened()
    outcome.error = report.ended
    if not report.complete:
        outcome.error = "not all is in the store yet: the log keeps it, and the next run brings it in"
    elif report.ended == "" and not report.counts.connections and report.last_error:
        outcome.error = report.last_error
