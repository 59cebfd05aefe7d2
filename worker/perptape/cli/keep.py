"""`perptape publish` and `verify`: folds segments into data files; checks everything that is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from perptape import output
from perptape.cli import left, options, places
from perptape.cli.shell import FAILED, OK, PARTLY, now
from perptape.output import Listing
from perptape.settings import Settings
from perptape.times import span
from perptape_api import names

MOUNTED: Final = Path(names.FOLDER, names.COLLECTION_FILE)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perptape.store.publish import PublishReport
    from perptape.store.verify import Finding


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
        if report.error is not None:
            output.error(f"{report.venue} {report.dataset}: {report.error}")
    if reports and not any(report.lease for report in reports):
        output.note("another publisher is at work on this tape: it does it")
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
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Check everything that is kept: order, duplicates, overlaps, hashes, claims against rows. Changes nothing."""
    from perptape.cli.tapes import reader, tape

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    where = place(catalog, settings)
    reader(where)
    found = tape(where).verify()
    left.leave(settings, left.verified(settings, PARTLY if found else OK, len(found), now()))
    if found or form != options.Format.table:
        output.emit(damage(found), form.value, to)
    if found:
        output.error(
            f"{len(found)} things are not as they should be: `perptape publish` mends what the segments still hold, the next run the rest"
        )
        return PARTLY
    output.note(f"{where.location} is as it should be")
    return OK


def damage(found: Sequence[Finding]) -> Listing:
    """One row for each finding. Pure."""
    from dataclasses import astuple, fields

    from perptape.store.verify import Finding

    return Listing(tuple(field.name for field in fields(Finding)), [tuple(map(str, astuple(one))) for one in found])
