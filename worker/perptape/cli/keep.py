"""`perptape publish` and `verify`: folds segments into data files; checks everything that is kept."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from perptape import output
from perptape.cli import left, options, places
from perptape.cli.shell import FAILED, OK, PARTLY, now
from perptape.output import Listing
from perptape.settings import Settings
from perptape.store import layout
from perptape.times import span
from perptape_api import names

MOUNTED: Final = Path(names.FOLDER, names.COLLECTION_FILE)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from perptape.store.publish import PublishReport
    from perptape.store.verify import Finding, Kind


def publish(
    ctx: typer.Context,
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Fold what was collected into the data files that NautilusTrader, DuckDB and Polars read. Safe at any time."""
    from perptape.cli.tapes import reader, tape

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    where = place(catalog, settings)
    reader(where)
    reports = tape(where).publish(writer=settings.writer)
    output.emit(published(reports, now()), form.value, to)
    for report in reports:
        for line in report.damaged:
            output.error(f"{report.venue} {report.dataset}: {line}; a copy is in {layout.quarantine(report.venue, report.dataset)}")
        if report.error is not None:
            output.error(f"{report.venue} {report.dataset}: {report.error}")
    if reports and not any(report.lease for report in reports):
        output.note("another publisher is at work on this tape: it does it")
    elif not any(report.files or report.unfolded or report.error for report in reports):
        output.note("nothing was left to fold: all that was collected is in the data files")
    failed = [report for report in reports if report.error is not None]
    code = OK if not failed else FAILED if len(failed) == len(reports) else PARTLY
    left.leave(settings, left.published(settings, code, reports, now()))
    return code


def place(catalog: str | None, settings: Settings, spec: Path = MOUNTED) -> places.Place:
    """Where the tape is: in a pod the mounted spec says how its server is reached. Raises SpecError, UsageError."""
    if not settings.namespace:
        return places.place(catalog, None, settings)
    from perptape.pod.mounted import collection

    found = collection(spec)
    return places.place(catalog, found.spec.store if found is not None else None, settings)


def published(reports: Sequence[PublishReport], at: int) -> Listing:
    """What was folded. Pure."""
    columns = ("venue", "dataset", "segments", "files", "rows", "revised", "damaged", "oldest segment left")
    rows = [
        (
            one.venue,
            one.dataset,
            one.segments,
            one.files,
            one.rows,
            one.revised,
            len(one.damaged),
            None if one.oldest is None else f"{span(max(at - one.oldest, 0))} ago",
        )
        for one in reports
    ]
    return Listing(columns, rows)


def verify(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Keep unreadable files aside, and have what is claimed and gone asked for again.")
    ] = False,
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Check everything that is kept: order, duplicates, overlaps, hashes, claims against rows. Changes nothing without --repair."""
    from perptape.cli.tapes import reader, tape

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    where = place(catalog, settings)
    reader(where)
    opened = tape(where)
    found = opened.verify()
    if found and repair:
        from perptape.store.repair import repair as mended

        for line in mended(opened, found, settings.writer or secrets.token_hex(6)):
            output.note(line)
        found = opened.verify()
    left.leave(settings, left.verified(settings, PARTLY if found else OK, len(found), now()))
    if found or form != options.Format.table:
        output.emit(damage(found), form.value, to)
    if found:
        output.error(f"{len(found)} things are not as they should be: {remedy({one.kind for one in found})}")
        return PARTLY
    output.note(f"{where.location} is as it should be")
    return OK


def remedy(kinds: Collection[Kind]) -> str:
    """The command that mends findings of these kinds. Pure."""
    if not {"unreadable", "claim"}.isdisjoint(kinds):
        return "`perptape verify --repair` keeps broken files aside, and the next run asks for what is gone"
    if not {"unpublished", "coverage"}.isdisjoint(kinds):
        return "`perptape publish` mends what can still be read elsewhere, and an hour after it was written puts aside what cannot be read"
    return "something else than perptape wrote under data/: move it away"


def damage(found: Sequence[Finding]) -> Listing:
    """One row for each finding. Pure."""
    from dataclasses import astuple, fields

    from perptape.store.verify import Finding

    return Listing(tuple(field.name for field in fields(Finding)), [tuple(map(str, astuple(one))) for one in found])
