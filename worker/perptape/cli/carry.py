"""Carries out an order to collect: who is asked, for what, into which tape; then runs the collector until it ends or is told to."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from perptape import logs, output
from perptape.cli import left, places, times
from perptape.errors import UsageError
from perptape.interval import SECOND
from perptape.settings import Settings

if TYPE_CHECKING:
    from perptape.collect.request import Request
    from perptape.collect.summary import Summary
    from perptape.pod.server import Board
    from perptape_api.collection import Collection


@dataclass(frozen=True, slots=True)
class Order:
    """What `run` and `daemon start` were told."""

    collection: Collection
    source: str
    exchanges: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    once: bool = False
    live: bool = False
    deadline: str | None = None
    endpoints: tuple[str, ...] = ()
    catalog: str | None = None
    as_json: bool = False


def request(order: Order, settings: Settings, writer: str) -> Request:
    """The collector's request. Pure. Raises UsageError for what cannot be asked."""
    from perptape.collect.request import Request

    spec, name = order.collection.spec, order.collection.metadata.name
    if spec.symbols.names is None:
        raise UsageError(
            f"{order.source}: spec.symbols.select is for the operator, which is not there yet: write the symbols under spec.symbols.names"
        )
    asked = places.venues(order.exchanges, among=(venue.exchange for venue in spec.venues), of=order.source)
    wanted = places.datasets(order.datasets, among=spec.wanted(), of=order.source)
    return Request(
        name=name,
        source=order.source,
        spec=spec,
        venues=asked,
        datasets=wanted,
        once=order.once,
        deadline_s=deadline(order, settings),
        scheduled=settings.time_budget_s is not None,
        session=settings.session,
        since=settings.wanted_since,
        work_hash=settings.work_hash,
        access=places.access(asked, order.endpoints, settings, None if order.live else spec),
        writer=writer,
        state=settings.state,
        namespace=settings.namespace,
    )


def deadline(order: Order, settings: Settings) -> float | None:
    """Seconds that the run may take: as the option says, else what the start has left of the schedule's budget."""
    if order.deadline is not None:
        return times.length(order.deadline, "--deadline") / SECOND
    if settings.time_budget_s is None:
        return None
    spent = 0.0 if settings.started is None else time.monotonic() - settings.started
    return max(settings.time_budget_s - spent, 0.0)


def out(order: Order, settings: Settings) -> int:
    """Runs it to its end and prints the summary. SIGTERM and SIGINT ask for a clean end; a second one does not ask."""
    logs.configure(settings.log_level or "info", settings.log_format or "console", secrets=settings.secrets)
    asked = request(order, settings, settings.writer or writer())
    where = places.place(order.catalog, order.collection.spec.store, settings, live=order.live)
    if asked.spec.suspend:
        output.note(f"{order.source}: spec.suspend is true: nothing is collected")
        return 0
    summary = asyncio.run(_run(asked, where, None if order.once else settings.port))
    told = logs.redacted(summary.as_json(), settings.secrets)
    left.leave(settings, told)
    for line in [told] if order.as_json else summary.lines():
        output.line(logs.redacted(line, settings.secrets))
    return summary.exit_code


def writer() -> str:
    """A name that no other writer has."""
    host = "".join(letter for letter in socket.gethostname().lower() if letter.isalnum())[:24]
    return f"{host or 'host'}{secrets.token_hex(4)}"


def _imported() -> None:
    """Imports what carries a request out: the collector, the store with pyarrow, structlog."""
    logs.structured()
    import_module("perptape.collect.run")


async def _run(asked: Request, where: places.Place, port: int | None) -> Summary:
    """The run; one that stays in a pod tells how it stands at `port` from here on."""
    if port is None:
        return await _carried(asked, where, None)
    from perptape.pod.server import Board, serve

    board = Board()
    async with await serve(board, port):
        return await _carried(asked, where, board)


async def _carried(asked: Request, where: places.Place, board: Board | None) -> Summary:
    from perptape.cli.venue_calls import connected, environment

    connect = connected(asked.venues, asked.access)
    await asyncio.to_thread(_imported)  # while the venues answer
    from perptape.cli.progress import progress
    from perptape.cli.tapes import tape
    from perptape.collect.run import Run

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)  # the next one ends the process at once

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    opened = tape(where)
    with progress() as shown:
        under_way = Run(asked, opened, connect, environment(), stop, shown)
        if board is None:
            return await under_way.carry_out()
        from perptape.pod.told import Told

        told = Told(under_way)
        told.show(board)
        proving = asyncio.ensure_future(told.prove_store(asyncio.sleep))
        try:
            return await under_way.carry_out()
        finally:
            proving.cancel()
