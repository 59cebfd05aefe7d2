"""Carries out an order to collect: who is asked, for what, into which tape; then runs the collector until it ends or is told to."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shlex
import signal
import socket
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from perptape import logs, output
from perptape.cli import left, places
from perptape.cli.order import Order, overridden, request
from perptape.cli.stop import told as told_before
from perptape.errors import Stopped, StoreError
from perptape.settings import Settings

if TYPE_CHECKING:
    from perptape.collect.request import Request
    from perptape.collect.summary import Summary
    from perptape.pod.server import Board
    from perptape_api.collection import Collection


def out(order: Order, settings: Settings) -> int:
    """Runs it to its end and prints the summary. SIGTERM and SIGINT ask for a clean end; a second one does not ask."""
    settings = keyed(order, settings)
    logs.configure(settings.log_level or "info", settings.log_format or "console", secrets=settings.secrets)
    if ignored := overridden(order, settings):
        output.note(f"--live asks the real exchanges and ignores {', '.join(ignored)}")
    summary = asyncio.run(carried_out(order, settings))
    if summary is None:
        output.note(f"{order.source}: spec.suspend is true: nothing is collected")
        return 0
    told = logs.redacted(summary.as_json(), settings.secrets)
    left.leave(settings, told)
    seen = summary.logged if settings.log_level in (None, "debug", "info") else ()
    if order.as_json:  # in a pod's log people read, too
        for line in summary.lines(seen):
            logging.getLogger("perptape").info(line)
    with suppress(output.Unread):  # what it came to is the exit code, too
        for line in [told] if order.as_json else summary.lines(seen):
            output.line(logs.redacted(line, settings.secrets))
    if not (summary.published or settings.namespace) and any(one.rows for one in summary.outcomes):
        where = places.place(order.catalog, order.collection.spec.store, settings, live=order.live)
        tell = logging.getLogger("perptape").info if settings.log_format == "json" else output.note
        tell(unpublished(where.location))
    return summary.exit_code


def unpublished(location: str) -> str:
    """What is still to do for those who read data files. Pure."""
    command = shlex.join(["perptape", "publish", "--catalog", location])
    return f"not published yet: `{command}` makes the data files that NautilusTrader, DuckDB and Polars read"


def keyed(order: Order, settings: Settings) -> Settings:
    """With the venues' keys out of mounted Secrets, which are secrets from here on. Raises UsageError for an incomplete one."""
    if settings.keys is None:
        return settings
    from perptape.pod import keys

    asked = places.venues(order.exchanges, among=(venue.exchange for venue in order.collection.spec.venues), of=order.source)
    found = {venue: mounted for venue in asked if (mounted := keys.of_venue(settings.keys, venue))}
    hidden = {value for mounted in found.values() for value in mounted.values()} | set(settings.secrets)
    ordered = tuple(sorted(hidden, key=lambda value: (-len(value), value)))
    return replace(settings, credentials={**settings.credentials, **found}, secrets=ordered)


def writer() -> str:
    """A name that no other writer has."""
    host = "".join(letter for letter in socket.gethostname().lower() if letter.isalnum())[:24]
    return f"{host or 'host'}{secrets.token_hex(4)}"


def _imported() -> None:
    """Imports what carries a request out: the collector, the store with pyarrow, structlog."""
    logs.structured()
    import_module("perptape.collect.run")


async def carried_out(order: Order, settings: Settings) -> Summary | None:
    """The run. None: it is suspended. Raises Stopped when it is told to end before it is under way: here and not in whatever task is at
    work just then, which nobody would ask what became of it."""
    loop, mine, told = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()

    def end() -> None:
        told.set()
        if mine is not None:
            mine.cancel()

    if told_before():
        raise Stopped
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:  # of a command that ends cleanly from its first moment on
        loop.add_signal_handler(signal.SIGTERM, end)
    try:
        return await _served(order, settings)
    except asyncio.CancelledError:
        if told.is_set():
            raise Stopped from None
        raise


async def _served(order: Order, settings: Settings) -> Summary | None:
    """One that stays in a pod tells how it stands from here on."""
    if settings.port is None or order.once:
        return await _begun(order, settings, None)
    from perptape.pod.server import Board, serve

    board = Board()
    async with await serve(board, settings.port):
        return await _begun(order, settings, board)


async def _begun(order: Order, settings: Settings, board: Board | None) -> Summary | None:
    if settings.start_delay_s:
        await asyncio.sleep(settings.start_delay_s)
    if settings.work_hash:
        order = await _as_wanted(order, settings.work_hash)
    if order.collection.spec.suspend:
        return None
    asked = request(order, settings, settings.writer or writer())
    where = places.place(order.catalog, order.collection.spec.store, settings, live=order.live)
    if order.live:
        await asyncio.to_thread(_of_the_market, where)
    if settings.namespace:
        logging.getLogger("perptape").info("%s; into %s", asked.said(), where.location)
    if settings.budget_url is None and settings.budget_fallback is None:
        return await _carried(asked, where, board)
    from perptape.pod.budgets import kept, steered

    logs.structured()  # what the budget says is said from its first answer on
    asked = replace(asked, access=steered(asked.access))
    async with kept(asked.access, settings.budget_url, settings.budget_fallback):
        return await _carried(asked, where, board)


def _of_the_market(where: places.Place) -> None:
    """Raises OriginConflict before anybody is asked: whose data the real exchanges give is known beforehand."""
    from perptape.cli.tapes import tape
    from perptape.raw import LIVE

    found = tape(where)
    with suppress(StoreError):  # the run itself tells of a store that cannot be read
        found.prepared(LIVE)


async def _as_wanted(order: Order, wanted: str) -> Order:
    """The order with the spec that this pod was made for, once the kubelet has brought it. Raises Stale."""
    from perptape.pod.mounted import current
    from perptape_api.work import work_hash

    def digest(found: Collection) -> str:
        try:
            venue, dataset = order.exchanges[0], order.datasets[0]
            return work_hash(found.spec, venue, places.datasets((dataset,))[0])
        except (KeyError, IndexError):
            return ""

    if order.again is None or digest(order.collection) == wanted:
        return order
    return replace(order, collection=await current(order.again, digest, wanted, asyncio.sleep, said=logging.getLogger("perptape").info))


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
