"""`perptape fetch-oi` and `fetch-funding`: what venues say now, or what they keep of the past, printed and perhaps stored."""

from __future__ import annotations

from typing import Annotated

import typer

from perptape import output
from perptape.cli import options, places, times
from perptape.cli.shell import now
from perptape.errors import UsageError
from perptape.settings import Settings

Store = Annotated[bool, typer.Option("--store", help="Also write the rows into the catalog.")]


def fetch_oi(
    ctx: typer.Context,
    symbols: options.Symbols,
    exchange: options.Exchanges = None,
    start: options.From = None,
    end: options.To = None,
    every: Annotated[str, typer.Option("--every", metavar="PERIOD", help="With --from: the period of the history, as in 5m or 1h.")] = "5m",
    store: Store = False,
    exact: options.Exact = False,
    endpoint: options.Endpoints = None,
    catalog: options.Catalog = None,
    timeout: options.Timeout = 5.0,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Open interest in contracts, base coin and USD: now, or with --from the venue's history."""
    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    asked = places.venues(exchange)
    where = places.place(catalog, None, settings)
    span = times.period(start, end, now())
    if span is None:
        from perptape.cli.present import Present

        access = places.access(asked, endpoint, settings, timeout=timeout)
        return Present("open_interest", tuple(symbols), asked, access, timeout, exact, where if store else None).show(
            settings, form.value, to
        )
    from perptape.cli.past import Past

    if start is None:
        raise UsageError("--to needs --from: give where the history begins")
    access = places.access(asked, endpoint, settings)
    past = Past("open_interest", tuple(symbols), asked, access, span, times.length(every, "--every"), exact, where, store)
    return past.answered(settings, form.value, to)


def fetch_funding(
    ctx: typer.Context,
    symbols: options.Symbols,
    exchange: options.Exchanges = None,
    start: options.From = None,
    end: options.To = None,
    store: Store = False,
    exact: options.Exact = False,
    endpoint: options.Endpoints = None,
    catalog: options.Catalog = None,
    timeout: options.Timeout = 5.0,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """The funding rate that accrues now, its time and the next one where predicted; with --from the settled rates."""
    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    asked = places.venues(exchange)
    where = places.place(catalog, None, settings)
    span = times.period(start, end, now())
    if span is None:
        from perptape.cli.present import Present

        access = places.access(asked, endpoint, settings, timeout=timeout)
        return Present("funding_prediction", tuple(symbols), asked, access, timeout, exact, where if store else None).show(
            settings, form.value, to
        )
    from perptape.cli.past import Past

    if start is None:
        raise UsageError("--to needs --from: give where the history begins")
    access = places.access(asked, endpoint, settings)
    past = Past("funding", tuple(symbols), asked, access, span, None, exact, where, store)
    return past.answered(settings, form.value, to)
