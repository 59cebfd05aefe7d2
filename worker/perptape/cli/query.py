"""`perptape query` and `sql`: rows of the catalog, without a call to any venue."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perptape import output
from perptape.cli import options, places, times, unadopted
from perptape.cli.chosen import chosen
from perptape.cli.shell import OK, PARTLY, now
from perptape.errors import UsageError
from perptape.interval import MINUTE, Interval
from perptape.output import Listing
from perptape.settings import Settings
from perptape.times import span as text

if TYPE_CHECKING:
    from perptape.store.catalog import Catalog

FOREVER = 1 << 62


class What(StrEnum):
    """What is asked for."""

    oi = "oi"
    funding = "funding"
    liquidations = "liquidations"


def query(
    ctx: typer.Context,
    what: Annotated[What, typer.Argument(metavar="oi|funding|liquidations", help="The dataset.")],
    symbols: options.Symbols,
    exchange: options.Exchanges = None,
    start: options.From = None,
    end: options.To = None,
    count: Annotated[int, typer.Option("-n", metavar="N", min=0, help="Only the newest N rows, oldest first; 0: all.")] = 20,
    predicted: Annotated[bool, typer.Option("--predicted", help="With funding: the predictions instead of the settled rates.")] = False,
    every: Annotated[
        str | None, typer.Option("--every", metavar="PERIOD", help="With oi: rows of this period, as in 5m. [the finest]")
    ] = None,
    exact: options.Exact = False,
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Print rows of the catalog, from every venue that has the symbol."""
    from perptape.cli.rows import listing, newest
    from perptape.cli.tapes import reader
    from perptape.store.reading import NO_LOGS, left_in_logs, of_venues
    from perptape.store.unlisted import ids_there

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    if predicted and what != What.funding:
        raise UsageError("--predicted goes with funding")
    if every is not None and what != What.oi:
        raise UsageError("--every goes with oi: nothing else has periods")
    period = times.minutes(every, "--every") if every is not None else None
    span = times.period(start, end, now()) or Interval(0, FOREVER)
    opened = reader(places.place(catalog, None, settings))
    known = {venue: [seen.instrument for seen in opened.instruments(venue)] for venue in places.venues(exchange)}
    dataset = {What.oi: "open_interest", What.funding: "funding", What.liquidations: "liquidations"}[what]
    dataset = "funding_prediction" if predicted else dataset
    # logs before rows: one may be brought in meanwhile
    logs = left_in_logs(opened, settings.state) if what == What.liquidations else NO_LOGS
    found = chosen(symbols, known, lambda venue: ids_there(opened, venue, dataset, symbols), exact=exact)
    for line in found.notes:
        output.note(line)
    if what == What.oi:
        rows, notes = open_interest(opened, found.ids, span, period)
    else:
        rows, notes = opened.read(dataset, found.ids, span.start, span.end), []
    shown = newest(rows, count)
    output.emit(listing(dataset, shown, found.symbols), form.value, to)
    for line in [*notes, *unadopted.of_rows(of_venues(logs, known))]:
        output.note(line)
    for line in found.left_out:
        output.error(line)
    if shown.num_rows < rows.num_rows and form == options.Format.table:
        output.note(f"the newest {shown.num_rows} of {rows.num_rows} rows: -n 0 prints all")
    return PARTLY if found.left_out else OK


def open_interest(catalog: Catalog, ids: Sequence[str], span: Interval, period: int | None) -> tuple[Any, list[str]]:
    """(the rows of one period for each instrument, what is to say of other periods that the catalog has)."""
    from perptape.store.query import one_period

    every = catalog.every_row("open_interest", ids, span.start, span.end)
    rows = one_period(every, period)
    if period is not None and rows.num_rows:
        return rows, []
    return rows, [line for one in ids if (line := _periods(one, _periods_of(every, one), _periods_of(rows, one)))]


def _periods_of(rows: Any, instrument: str) -> list[int]:
    import pyarrow.compute as pc

    return sorted(pc.unique(rows["period_minutes"].filter(pc.equal(rows["instrument_id"], instrument))).to_pylist())


def _periods(instrument: str, there: Sequence[int], shown: Sequence[int]) -> str:
    """What is to say where not every period of an instrument is shown; nothing where all are. Pure."""
    others = [_period(one) for one in there if one not in shown]
    if not others:
        return ""
    if not shown:
        return f"{instrument}: none of that period; the catalog has {', '.join(others)}"
    return f"{instrument}: these are {', '.join(map(_period, shown))}; of {', '.join(others)} there are rows, too: --every chooses"


def _period(minutes: int) -> str:
    return text(minutes * MINUTE) if minutes else "samples (0m)"


def sql(
    ctx: typer.Context,
    statement: Annotated[
        str, typer.Argument(metavar="QUERY", help='As in "SELECT instrument_id, count(*) FROM open_interest GROUP BY 1".')
    ],
    catalog: options.Catalog = None,
    form: options.Form = options.Format.table,
    to: options.Output = None,
) -> int:
    """Ask the catalog in SQL (DuckDB). Views: open_interest, funding, funding_prediction, liquidations."""
    from perptape.cli.tapes import reader
    from perptape.store.reading import NO_LOGS, left_in_logs

    output.check_form(form.value, to)
    settings: Settings = ctx.obj
    opened = reader(places.place(catalog, None, settings))
    logs = left_in_logs(opened, settings.state) if "liquidations" in statement.lower() else NO_LOGS
    output.emit(of_arrow(opened.sql(statement)), form.value, to)
    for line in unadopted.of_rows(logs):
        output.note(line)
    return OK


def of_arrow(table: Any) -> Listing:
    """Any Arrow table as rows; times as ISO text. Pure."""
    import pyarrow as pa

    from perptape.cli.rows import iso_ns

    def values(column: Any) -> list[Any]:
        if pa.types.is_timestamp(column.type):
            try:
                return [iso_ns(value) for value in column.cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()]
            except pa.ArrowInvalid:  # outside of what nanoseconds can count
                return list(column.cast(pa.string()).to_pylist())
        return [float(value) if type(value).__name__ == "Decimal" else value for value in column.to_pylist()]

    columns = [values(column) for column in table.columns]
    rows = list(zip(*columns, strict=True)) if columns else []
    names = [name if before.count(name) == 0 else f"{name}:{before.count(name)}" for name, before in _with_those_before(table.column_names)]
    return Listing(tuple(names), rows, grouped=False, arrow=table.rename_columns(names))


def _with_those_before(names: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    return [(name, names[:place]) for place, name in enumerate(names)]
