"""One venue's liquidation stream in a run: who wants it, where its log is, and what it came to.

Shell between `run` and `live`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog

from perptape.claims import STREAM, Claim, Want
from perptape.collect.figures import Figures, symbols
from perptape.collect.grids import Grid, stream_grid
from perptape.collect.live import LiveStream
from perptape.collect.outcome import Outcome
from perptape.collect.stream_adopt import Adopted, adopt
from perptape.collect.stream_figures import Followed
from perptape.collect.stream_report import LiveReport, Pace
from perptape.collect.targets import Session
from perptape.collect.together import until
from perptape.collect.unlogged import Unlogged
from perptape.collect.venue import Venue
from perptape.coverage import Coverage
from perptape.errors import StoreError, Unwritable
from perptape.store.log_place import log_root, logs_of
from perptape.store.logs import Logs
from perptape.store.looked import Looked
from perptape.store.tape import Tape
from perptape.store.usable import there
from perptape.times import iso
from perptape_api.names import LOG_RESERVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from perptape.collect.asking import Environment

log = structlog.get_logger("perptape")

AGAIN = 10.0
"""Seconds before a stream that could not begin (no log can be made, the store does not answer) tries again."""
LAST_LOOK_S = 1.0
"""For what the tape says at a stream's end, which its summary tells."""


@dataclass(frozen=True, slots=True)
class TapeSegments:
    """Puts a log's rolls into the tape under the names that the log gave them, so that a replay makes the same objects."""

    tape: Tape
    clock: Callable[[], int]

    def put(self, name: str, venue: str, dataset: str, rows: pa.Table, claims: tuple[Claim, ...], wants: tuple[Want, ...]) -> None:
        self.tape.commit(venue, dataset, rows, claims, wants, "", self.clock, name=name)


def adopted(tape: Tape, state: str | None, environment: Environment, stored: set[str] | None = None) -> Adopted:
    """Brings the logs of dead processes into the store. A store that is away leaves them for the next time. `stored`: as `adopt`."""
    logs, part = logs_of(tape, state, environment.log_disk), 2 * (environment.pace or Pace()).part
    found = adopt(logs, TapeSegments(tape, environment.clock), part, stored) if logs is not None else Adopted()
    if brought := found.logs - len(found.waiting):
        log.info("logs of a dead process adopted", dataset="liquidations", logs=brought, rows=found.rows, waiting=len(found.waiting))
    return found


async def stream(
    venue: Venue,
    session: Session,
    replicas: int,
    outcome: Outcome,
    *,
    state: str | None,
    since: Mapping[str, int] | None,
    stop: asyncio.Event,
    handed_over: Callable[[], bool] = lambda: False,
    reserve: int = LOG_RESERVE,
) -> None:
    """Streams a venue's liquidations until `stop`; what happened is in `outcome`.

    `reserve`: of its log, bytes. `since`: up to when the logs of dead processes say everything; None where a stream of this process goes
    on. `handed_over`, asked at the end: whether another one goes on with what is wanted.
    """
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
    root = log_root(venue.tape, state)
    if root is None:
        outcome.error = f"the log of {venue.tape.location} needs a folder on this machine: name one in PERPTAPE_STATE"
        log.error("the stream has no log to write to", venue=venue.name, dataset="liquidations", outcome="failed", error=outcome.error)
        return
    environment = venue.asking.environment
    unlogged = Unlogged(venue.name, venue.clock, environment.monotonic, venue.clock(), since or {}, environment.random, environment.aside)
    while not stop.is_set():
        try:
            first = since is not None
            await _streamed(
                venue, session, replicas, outcome, grid, unlogged, begins=first, state=state, stop=stop, handed_over=handed_over,
                reserve=reserve,
            )  # fmt: skip
            return
        except StoreError as error:
            outcome.error = str(error)
            log.error("the stream cannot begin: trying again", venue=venue.name, dataset="liquidations", outcome="retry", error=str(error))
            await until(stop, _waited(venue))
    if not (session.shared or handed_over()):
        await unlogged.end()


async def _waited(venue: Venue) -> None:
    await venue.asking.environment.sleep(AGAIN)


async def _streamed(
    venue: Venue,
    session: Session,
    replicas: int,
    outcome: Outcome,
    grid: Grid,
    unlogged: Unlogged,
    *,
    begins: bool,
    state: str | None,
    stop: asyncio.Event,
    handed_over: Callable[[], bool],
    reserve: int,
) -> None:
    """Begins once the store says what is known, which a stop does not wait for. Raises StoreError when it cannot begin."""
    known: list[tuple[Logs, Looked, Coverage]] = []

    async def look() -> None:
        logs = await venue.asking.environment.aside(lambda: logs_of(venue.tape, state, venue.asking.environment.log_disk))
        if logs is None:
            raise StoreError(f"{venue.tape.location} is not prepared: an origin and a format come first")
        known.append((logs, *await venue.asking.environment.aside(read)))

    def read() -> tuple[Looked, Coverage]:
        looked = venue.tape.looked(venue.name, "liquidations")
        return looked, looked.coverage()

    await until(stop, look())
    if not known:
        return
    ((logs, looked, coverage),) = known
    unlogged.since = {**stopped(coverage, session.spec, venue.clock()), **unlogged.since} if begins else unlogged.since
    targets = [target for target in venue.targets if target.instrument is not None]
    instruments = [target.instrument for target in targets if target.instrument is not None]

    def wants(now: int, first: int | None) -> tuple[Want, ...]:
        mine = [session.want_stream(grid, target, now, coverage, first) for target in targets]
        return (*mine, *session.given_up(coverage, [one.id for one in instruments], [grid], now))

    def before(now: int) -> tuple[Want, ...]:
        """Nothing is given up yet: one that cannot begin leaves it to the stream that it was to follow."""
        return tuple(session.want_before(grid, target, now, coverage) for target in targets)

    def judged(known: Coverage) -> Figures | None:
        now = live.told()
        return venue.figures(session, venue.standings(session, "liquidations", known, now), now)

    environment = venue.asking.environment
    followed = Followed(
        TapeSegments(venue.tape, environment.clock),
        outcome,
        coverage,
        read=looked.coverage,
        judge=judged,
        monotonic=environment.monotonic,
        alone=not (session.shared or venue.mends),
    )
    live = LiveStream(
        venue.exchange,
        instruments,
        logs=logs,
        segments=followed,
        wants=wants,
        before=before,
        clock=environment.clock,
        random=environment.random,
        since=unlogged.since,
        replicas=replicas,
        pace=environment.pace,
        lanes=environment.lanes,
        goes_on=lambda: session.shared or handed_over(),
        log_limit=reserve,
        look=lambda: there(venue.tape.fs),
    )
    outcome.live, outcome.error = live.report, ""
    report = live.report
    try:
        await live.run(stop)
    except StoreError as error:
        await unlogged.say(followed, wants(venue.clock(), None), error.reason if isinstance(error, Unwritable) else "unknown")
        raise
    if report.complete and not followed.alone:  # else all was told as of the last segment
        with suppress(TimeoutError):  # all is stored: a slow store only leaves the summary as it was
            async with asyncio.timeout(LAST_LOOK_S):
                await environment.aside(followed.look_again)
    report.log_error = ""  # what is not in the log now is in the store, or is told here
    outcome.listened()
    outcome.error = trouble(report, unlogged.began)


def stopped(coverage: Coverage, spec: str, now: int) -> dict[str, int]:
    """Instrument -> up to when the store says everything, of what a dead process of this spec wanted: its log may be in the store
    already, or gone. Of one that was killed before it proved anything, since when it is wanted. Pure."""
    wants = [want for want in coverage.wants if (want.spec, want.grid, want.ended) == (spec, STREAM, None) and want.start <= now]
    found = {want.instrument: [claim.end for claim in coverage.of_grid(want.instrument, STREAM)] for want in wants}
    starts = {want.instrument: want.start for want in sorted(wants, key=lambda want: -want.start)}
    return {one: max(ends, default=starts[one]) for one, ends in found.items()}


def trouble(report: LiveReport, began: int) -> str:
    """What is wrong at a stream's end; empty where all is well. Pure."""
    if report.lost_to:
        after = iso(began if report.durable_until is None else report.durable_until)
        return f"{report.lost_to}: what was heard after {after} is lost, and that it was wanted is not known: {report.last_error}"
    if not report.complete:
        return "not all is in the store yet: the log keeps it, and the next run brings it in"
    if report.ended == "" and not report.counts.connections:
        return report.last_error
    return report.ended
