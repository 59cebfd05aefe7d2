"""`perptape publish`: folds segments into data files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

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
    from collections.abc import Sequence

    from perptape.store.publish_report import PublishReport


def publish(
    ctx: typer.Context,
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Fold what was collected into the data files that NautilusTrader, DuckDB and Polars read. Safe at any time."""
    from perptape.cli.tapes import NoTape, reader, tape

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    where = place(catalog, settings)
    try:
        reader(where)
    except NoTape:
        if not settings.namespace:
            raise
        return unused(settings, left.published(settings, OK, (), now()))
    reports = tape(where).publish(writer=settings.writer)
    shown = [one for one in reports if notable(one)] if form == options.Format.table else reports
    if shown or form != options.Format.table:
        output.emit(published(shown, now()), form.value, to)
    for report in reports:
        for line in report.damaged:
            output.error(f"{report.venue} {report.dataset}: {line}; a copy is in {layout.quarantine(report.venue, report.dataset)}")
        if report.error is not None:
            output.error(f"{report.venue} {report.dataset}: {report.error}")
    if reports and not any(report.lease for report in reports):
        output.note("another publisher is at work on this tape: it does it")
    elif not any(map(notable, reports)):
        output.note("nothing was left to fold: all that was collected is in the data files")
    failed = [report for report in reports if report.error is not None]
    partly = failed or any(report.damaged for report in reports)
    code = FAILED if failed and len(failed) == len(reports) else PARTLY if partly else OK
    left.leave(settings, left.published(settings, code, reports, now()))
    return code


def unused(settings: Settings, told: str) -> int:
    """In a pod a store that no run has used yet is nothing wrong: its schedule came before the end of the first run."""
    output.note("no run has used the store yet: there is nothing to do")
    left.leave(settings, told)
    return OK


def place(catalog: str | None, settings: Settings, spec: Path = MOUNTED) -> places.Place:
    """Where the tape is: in a pod the mounted spec says how its server is reached. Raises SpecError, UsageError."""
    if not settings.namespace:
        return places.place(catalog, None, settings)
    from perptape.pod.mounted import collection

    found = collection(spec)
    return places.place(catalog, found.spec.store if found is not None else None, settings)


def notable(report: PublishReport) -> bool:
    """Whether there is something to say of it to a person: twenty lines of noughts would hide what there is. Pure."""
    return bool(report.files or report.unfolded or report.revised or report.damaged or report.error)


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
