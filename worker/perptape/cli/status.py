"""`perptape status` and `gaps`: what the catalog holds of what was wanted, and the holes by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from perptape import output
from perptape.cli import options, places, unadopted
from perptape.cli.shell import OK, PARTLY, now
from perptape.interval import SECOND
from perptape.output import Listing
from perptape.settings import Settings
from perptape.times import iso, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from perptape.collect.report import Standing
    from perptape.datasets.instruments import SeenInstrument
    from perptape.instruments import Instrument
    from perptape.interval import Interval
    from perptape.standing import Status
    from perptape.store.reading import Reading
    from perptape_api.collection import CollectionSpec

STATUSES: tuple[Status, ...] = ("complete", "sampled", "empty", "unproven", "pending", "open", "lost")


def status(
    ctx: typer.Context,
    exchange: options.Exchanges = None,
    dataset: options.Datasets = None,
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """How complete the catalog is: per venue, dataset and instrument, what is covered, missing and lost for good."""
    output.check_form(form.value, to)
    opened, found = _standings(ctx.obj, catalog, None, exchange, dataset)
    output.emit(overview(found) if form == options.Format.table else figures(found), form.value, to)
    _distrusted(found)
    unread = _unread(opened)
    for venue in sorted({one.venue for one in found}):
        for line in lifetimes(venue, opened.instruments(venue)):
            output.note(line)
    unadopted.tell(opened.logs)
    if not found and not unread:
        output.note("nothing was asked for yet: `perptape run FILE` does")
    return OK


def gaps(
    ctx: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Only what this CollectionSpec wants.", show_default=False)] = None,
    fail: Annotated[
        bool, typer.Option("--fail", help="Exit 1 when something that can still be had is missing, or nobody can tell.")
    ] = False,
    exchange: options.Exchanges = None,
    dataset: options.Datasets = None,
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Holes in what was wanted: open (can still be had), lost (and why), unproven (nobody knows)."""
    output.check_form(form.value, to)
    opened, found = _standings(ctx.obj, catalog, file, exchange, dataset)
    output.emit(holes(found, short=form == options.Format.table), form.value, to)
    _distrusted(found)
    unread = _unread(opened)
    unadopted.tell(opened.logs)
    never = file is not None and not found and not unread
    if never:
        output.note(f"{file} was not run on this catalog yet: everything that it wants is missing")
    unknown = never or unread or not all(one.trusted for one in found)  # what was wanted, too, may be in what cannot be read
    logged = bool(opened.logs.waiting or opened.logs.unreadable)  # what shows as lost may be had of them
    return PARTLY if fail and (unknown or logged or any(one.length("open") for one in found)) else OK


def _standings(
    settings: Settings, catalog: str | None, file: str | None, exchange: list[str] | None, dataset: list[str] | None
) -> tuple[Reading, list[Standing]]:
    """The catalog as it was read, its logs first, and the standings."""
    from perptape.cli.tapes import reader
    from perptape.collect.report import standings
    from perptape.datasets import DATASETS
    from perptape.store.reading import Reading, left_in_logs, of_venues

    wanted, spec = None, None
    if file is not None:
        from perptape.cli.run import read, spec_id

        collection = read(file)
        wanted, spec = collection.spec, spec_id(collection, file)
    venues = places.venues(exchange)
    tape = reader(places.place(catalog, None if wanted is None else wanted.store, settings))
    opened = Reading(tape, spec, left_in_logs(tape, settings.state))
    chosen = places.datasets(dataset, among=("open_interest", "funding", "liquidations"))
    names = [name for name in DATASETS if name in chosen or (name == "funding_prediction" and "funding" in chosen)]
    found = standings(opened, now(), venues, names, unwanted=spec is None)
    if exchange or dataset or wanted is not None:
        opened.logs = of_venues(opened.logs, listened(venues, wanted, found) if "liquidations" in names else ())
    return opened, found


def listened(venues: Iterable[str], wanted: CollectionSpec | None, found: Iterable[Standing]) -> frozenset[str]:
    """Those of the venues that are asked about whose liquidations concern who asks: what waits in a log may be theirs. Pure."""
    shown = frozenset(one.venue for one in found if one.dataset == "liquidations")
    if wanted is None:
        return shown.union(venues)
    streamed = {one.exchange for one in wanted.venues} if wanted.collect.liquidations is not None else set[str]()
    return shown.union(streamed.intersection(venues))


def _distrusted(found: Sequence[Standing]) -> None:
    for venue, dataset in sorted({(one.venue, one.dataset) for one in found if not one.trusted}):
        output.error(f"{venue} {dataset}: no coverage could be read: rebuilt from rows, stream time is unproven; see `perptape verify`")


def _unread(opened: Reading) -> bool:
    """Says which objects could not be read, so that what they claimed is missing above. Whether there are any."""
    for one in opened.unread:
        output.error(f"{one.venue} {one.dataset}: {one.line}{'; `perptape publish` keeps it aside' if one.aside else ''}")
    return bool(opened.unread)


def lifetimes(venue: str, seen: Iterable[SeenInstrument]) -> list[str]:
    """What is to say of contracts that ended or were listed again: rows of different lives are not of one thing. Pure."""
    lives: dict[str, list[Instrument]] = {}
    for one in sorted((one.instrument for one in seen), key=lambda one: (one.id, one.delisted is None, one.delisted or 0)):
        lives.setdefault(one.id, []).append(one)
    lines = []
    for id, mine in lives.items():
        sizes = [f"{one.contract_size:f}" + (f" until {iso(one.delisted)[:16]}Z" if one.delisted is not None else "") for one in mine]
        if len(mine) > 1:
            lines.append(f"{venue}: {id} was listed again with other terms; contract sizes in order: {', '.join(sizes)}")
        if (end := mine[-1].delisted) is not None:
            lines.append(f"{venue}: {id} was delisted at {iso(end)[:16]}Z: nothing after that is wanted")
    return lines


def overview(found: Sequence[Standing]) -> Listing:
    """For reading: lengths of time, a dash for none. Pure."""
    columns = ("venue", "dataset", "instrument", "grid", "from", "watermark", *STATUSES)
    rows = [
        (
            one.venue,
            one.dataset,
            one.instrument,
            one.grid,
            _minute(one.first),
            _minute(one.watermark),
            *(span(length) if (length := one.length(each)) else None for each in STATUSES),
        )
        for one in found
    ]
    return Listing(columns, rows)


def _minute(ms: int | None) -> str | None:
    return None if ms is None else iso(ms - ms % 60_000)[:16] + "Z"


def figures(found: Sequence[Standing]) -> Listing:
    """For programs: times in ISO, lengths in ms. Pure."""
    columns = ("venue", "dataset", "instrument", "grid", "first", "watermark", *(f"{each}_ms" for each in STATUSES), "trusted")
    rows = [
        (
            one.venue,
            one.dataset,
            one.instrument,
            one.grid,
            None if one.first is None else iso(one.first),
            None if one.watermark is None else iso(one.watermark),
            *(one.length(each) for each in STATUSES),
            one.trusted,
        )
        for one in found
    ]
    return Listing(columns, rows)


def holes(found: Sequence[Standing], *, short: bool = False) -> Listing:
    """A row for each hole. `short`: times to the second, but of holes that are shorter. Pure."""
    from perptape.collect import report

    columns = ("venue", "dataset", "instrument", "grid", "kind", "start", "end", "length", "reason")
    rows = [
        (one.venue, one.dataset, one.instrument, one.grid, kind, *_ends(hole, short), span(len(hole)), reason or None)
        for one, kind, hole, reason in report.holes(found)
    ]
    return Listing(columns, rows)


def _ends(hole: Interval, short: bool) -> tuple[str, str]:
    unit = SECOND if short and len(hole) >= SECOND else 1
    return iso(hole.start // unit * unit), iso(hole.end // unit * unit)
