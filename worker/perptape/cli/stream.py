"""`perptape stream-liquidations`: live liquidations on stdout, or why a venue has none."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from perptape import logs, output
from perptape.cli import options, places, times
from perptape.errors import UsageError
from perptape.interval import SECOND
from perptape.settings import Settings


class Lines(StrEnum):
    """How events are printed: text, JSON (one object a line) or CSV."""

    table = "table"
    json = "json"
    csv = "csv"


def stream_liquidations(
    ctx: typer.Context,
    symbols: options.Symbols,
    exchange: options.Exchanges = None,
    store: Annotated[bool, typer.Option("--store", help="Also keep them in the catalog, as `perptape run` does.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no events (with --store).")] = False,
    duration: Annotated[str | None, typer.Option("--for", metavar="T", help="End after this long, as in 90s.")] = None,
    exact: options.Exact = False,
    endpoint: options.Endpoints = None,
    catalog: options.Catalog = None,
    form: Annotated[Lines, typer.Option("--format", "-f", help="How events are printed; JSON is one object a line.")] = Lines.table,
) -> int:
    """Print liquidations as they happen."""
    from perptape.cli.streaming import Streaming
    from perptape.exchanges.registry import traits

    settings: Settings = ctx.obj
    logs.structured()
    if quiet and not store:
        raise UsageError("--quiet without --store would do nothing: give --store too")
    if catalog is not None and not store:
        raise UsageError("--catalog without --store would do nothing: give --store too")
    asked = places.venues(exchange)
    silent = [traits(venue) for venue in asked if traits(venue).feed is None]
    for one in silent:
        output.note(f"{one.venue}: {one.no_feed}")
    speaking = tuple(venue for venue in asked if traits(venue).feed is not None)
    if not speaking:
        return 0
    streaming = Streaming(
        words=tuple(symbols),
        venues=speaking,
        access=places.access(speaking, endpoint, settings),
        form=form.value,
        exact=exact,
        quiet=quiet,
        seconds=times.length(duration, "--for") / SECOND if duration is not None else None,
        place=places.place(catalog, None, settings) if store else None,
    )
    import asyncio

    return asyncio.run(streaming.run(settings))
