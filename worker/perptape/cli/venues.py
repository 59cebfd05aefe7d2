"""`perptape venues` and `perptape symbols`: what can be had, and of which instruments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from perptape import logs, output
from perptape.cli import options, places
from perptape.cli.shell import FAILED, OK, PARTLY
from perptape.errors import PerptapeError
from perptape.output import Listing
from perptape.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perptape.exchanges.base import Access, Traits
    from perptape.instruments import Instrument


def venues(
    exchange: options.Exchanges = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """What each venue gives, how complete that is, and how it differs. Asks nobody."""
    from perptape.exchanges.registry import traits

    output.check_form(form.value, to)
    output.emit(capabilities([traits(venue) for venue in places.venues(exchange)]), form.value, to)
    return OK


def capabilities(venues: list[Traits]) -> Listing:
    """The table of `venue_table` and all that explains it. Pure."""
    from perptape.cli.venue_table import funding, liquidations, open_interest

    columns = (
        "venue",
        "title",
        "open interest",
        "funding",
        "liquidations",
        "liquidation rule",
        "open interest sides",
        "time source",
        "notes",
    )
    rows = [
        (
            one.venue,
            one.title,
            open_interest(one),
            funding(one),
            liquidations(one),
            one.feed.rule if one.feed is not None else one.no_feed,
            one.open_interest_sides,
            one.time_source,
            "; ".join(one.notes),
        )
        for one in venues
    ]
    return Listing(
        columns, rows, shown=("venue", "open interest", "funding", "liquidations", "liquidation rule", "open interest sides", "notes")
    )


def symbols(
    ctx: typer.Context,
    match: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Only instruments whose id or symbol holds this.")] = None,
    exchange: options.Exchanges = None,
    delisted: Annotated[bool, typer.Option("--delisted", help="Delisted ones too, where the venue lists them.")] = False,
    endpoint: options.Endpoints = None,
    timeout: options.Timeout = 10.0,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """The instruments that venues list now."""
    import asyncio

    from perptape.collect.current import named

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    asked = places.venues(exchange)
    found = asyncio.run(_listed(asked, places.access(asked, endpoint, settings, timeout=timeout), timeout))
    lists = {venue: list_ for venue, list_ in found.items() if not isinstance(list_, PerptapeError)}
    for venue, failure in found.items():
        if isinstance(failure, PerptapeError):
            output.error(logs.redacted(named(venue, failure), settings.secrets))
    output.emit(listed([one for list_ in lists.values() for one in list_], match, delisted), form.value, to)
    return OK if len(lists) == len(found) else PARTLY if lists else FAILED


def listed(instruments: list[Instrument], match: str | None, delisted: bool) -> Listing:
    """Instruments as rows. Pure."""
    from perptape.times import iso

    word = (match or "").upper()
    rows = [
        (
            one.venue,
            one.id,
            one.symbol,
            one.venue_id,
            "linear" if one.linear else "inverse",
            float(one.contract_size),
            one.settle,
            one.funding_minutes,
            iso(one.listed) if one.listed is not None else None,
            iso(one.delisted) if one.delisted is not None else None,
        )
        for one in instruments
        if (delisted or one.delisted is None) and any(word in form.upper() for form in (one.id, one.symbol, one.venue_id))
    ]
    columns = ("venue", "instrument", "symbol", "venue_id", "kind", "contract_size", "settle", "funding_minutes", "listed", "delisted")
    return Listing(columns, rows)


async def _listed(venues: tuple[str, ...], access: Mapping[str, Access], timeout: float) -> dict[str, list[Instrument] | PerptapeError]:
    from perptape.cli.venue_calls import connect
    from perptape.collect.current import each
    from perptape.exchanges.base import Exchange

    async def instruments(exchange: Exchange) -> list[Instrument]:
        return sorted(await exchange.instruments(), key=lambda one: one.id)

    async with each(venues, access, timeout, instruments, connect=connect) as found:
        return found
