"""`perptape fetch-oi` and `fetch-funding`: what venues say now, or what they keep of the past, printed and perhaps stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from perptape import output
from perptape.cli import options, places, times
from perptape.cli.shell import now
from perptape.errors import UsageError
from perptape.interval import MINUTE
from perptape.settings import Settings

NOW, CALL = 5.0, 10.0
"""Seconds that one venue may take for its current values, and for one page of its history."""
Patience = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.1, max=86_400, help="How long one venue may take; with --from, without an answer. [5; 60]"
    ),
]
Store = Annotated[bool, typer.Option("--store", help="Also write the rows into the catalog.")]


def fetch_oi(
    ctx: typer.Context,
    symbols: options.Symbols,
    exchange: options.Exchanges = None,
    start: options.From = None,
    end: options.To = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="PERIOD", help="With --from: the period of the history, as in 1h. [5m]")
    ] = None,
    store: Store = False,
    exact: options.Exact = False,
    endpoint: options.Endpoints = None,
    catalog: options.Catalog = None,
    timeout: Patience = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Open interest in contracts, base coin and USD: now, or with --from the venue's history (what the catalog has is not asked again)."""
    if every is not None and start is None:
        raise UsageError("--every goes with --from: the current value has no period")
    asked = Asked(ctx.obj, tuple(symbols), exchange, start, end, store, exact, endpoint, catalog, timeout, form, to)
    return asked.answered("open_interest", "open_interest", every or "5m")


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
    timeout: Patience = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """The funding rate that accrues now, its time and the next one where predicted; with --from the settled rates."""
    asked = Asked(ctx.obj, tuple(symbols), exchange, start, end, store, exact, endpoint, catalog, timeout, form, to)
    return asked.answered("funding_prediction", "funding")


@dataclass(frozen=True, slots=True)
class Asked:
    """What both commands were told."""

    settings: Settings
    symbols: tuple[str, ...]
    exchange: list[str] | None
    start: str | None
    end: str | None
    store: bool
    exact: bool
    endpoint: list[str] | None
    catalog: str | None
    timeout: float | None
    form: options.Format
    to: Path | None

    def answered(
        self,
        current: Literal["open_interest", "funding_prediction"],
        history: Literal["open_interest", "funding"],
        every: str | None = None,
    ) -> int:
        """Asks for the `current` dataset, or with --from for the `history` one. The exit code. Raises UsageError."""
        output.check_form(self.form.value, self.to)
        venues = places.venues(self.exchange)
        where = places.place(self.catalog, None, self.settings)
        span = times.period(self.start, self.end, now())
        if span is None:
            from perptape.cli.present import Present

            timeout = self.timeout or NOW
            access = places.access(venues, self.endpoint, self.settings, timeout=timeout)
            kept = where if self.store else None
            present = Present(current, self.symbols, venues, access, timeout, self.exact, kept)
            return present.show(self.settings, self.form.value, self.to)
        from perptape.cli.past import PATIENCE, Past

        if self.start is None:
            raise UsageError("--to needs --from: give where the history begins")
        access = places.access(venues, self.endpoint, self.settings, timeout=self.timeout or CALL)
        period = None if every is None else times.minutes(every, "--every") * MINUTE
        past = Past(history, self.symbols, venues, access, span, period, self.exact, where, self.store, self.timeout or PATIENCE)
        return past.answered(self.settings, self.form.value, self.to)
