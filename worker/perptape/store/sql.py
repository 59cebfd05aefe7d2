"""SQL over a catalog: each dataset is a view of its data files and of the segments that are not published yet, each row once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from perptape.datasets import DATASETS
from perptape.datasets.base import Dataset, Format
from perptape.errors import UsageError
from perptape.store.folder import Folder
from perptape.store.query import Scope, read_rows, sources

if TYPE_CHECKING:
    from perptape.store.catalog import Catalog


def sql(catalog: Catalog, query: str) -> pa.Table:
    """The answer as Arrow. Only the datasets whose names the query holds are looked at. Raises UsageError for what DuckDB refuses."""
    try:
        import duckdb
    except ImportError as error:
        raise UsageError("SQL needs DuckDB: install perptape with its extra `sql`") from error
    connection = duckdb.connect()
    try:
        for name, kind in DATASETS.items():
            if re.search(rf"\b{name}\b", query, re.IGNORECASE):
                _view(connection, catalog, kind)
        answer = connection.sql(query)
        return pa.table({}) if answer is None else answer.to_arrow_table()
    except duckdb.Error as error:
        raise UsageError(f"DuckDB: {error}") from error
    finally:
        connection.close()


def _view(connection: Any, catalog: Catalog, kind: Dataset) -> None:
    form = catalog.layout
    if form is None:
        connection.register(kind.name, kind.empty())
        return
    if not isinstance(catalog.fs, Folder):
        connection.register(kind.name, read_rows(catalog.fs, kind, form, None, None, None, None, every_period=True, tell=catalog.left_out))
        return
    found = sources(catalog.fs, kind, form, Scope(None, None, None))
    for line in found.left_out:
        catalog.left_out(line)
    pieces = [*found.joined.values(), kind.empty()]
    connection.register(f"_{kind.name}", pa.concat_tables(pieces))
    view = f"SELECT {', '.join(_quoted_name(n) for n in kind.schema.names)} FROM _{kind.name}"
    if found.files:
        files = ", ".join(_quoted(f"{catalog.location}/{place.path}") for place in found.files)
        columns = ", ".join(_column(kind, form, name) for name in kind.schema.names)
        view += f" UNION ALL SELECT {columns} FROM read_parquet([{files}], filename = true)"
    connection.execute(f"CREATE VIEW {kind.name} AS {view}")


def _quoted_name(name: str) -> str:
    return f'"{name}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column(kind: Dataset, form: Format, name: str) -> str:
    """The expression over a data file that gives a column of the dataset's schema."""
    stamps = ("ts_event", "ts_init", "next_funding_ns") if kind.name == "funding" else ("ts_event", "ts_init")
    if name in stamps:
        return f"CAST({name} AS BIGINT) AS {name}" if form == "nautilus1" else f"epoch_ns({name}) AS {name}"
    if kind.name == "funding":
        if name == "instrument_id":
            return "string_split(filename, '/')[-2] AS instrument_id"
        if name == "rate" and form == "nautilus1":
            return "trim(decode(rate), '\"') AS rate"
        if name == "interval":
            return 'CAST("interval" AS BIGINT) AS "interval"'
    return f'"{name}"'
