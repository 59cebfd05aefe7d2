"""What the user sees: the only place that prints. Tables on a terminal, plain lines in a pipe, JSON, CSV and Parquet for programs.

Results go to stdout, everything else (errors, notes, progress) to stderr.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

from perptape.errors import PerptapeError, StoreError, UsageError

Form = Literal["table", "json", "csv", "parquet"]
FORMS: tuple[Form, ...] = ("table", "json", "csv", "parquet")
OTHERS = ("arrow", "feather", "jsonl", "ndjson", "ods", "pq", "tsv", "xls", "xlsx")
"""Suffixes of files for programs that are not written here."""
FOLDED = 2
"""How many times as wide as the terminal a table may be that is folded into it; a wider one is printed as plain lines."""
Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows to show. `arrow`, where given, is what Parquet gets: the same rows with their types."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    shown: tuple[str, ...] = ()
    """The columns of the human table; all when empty."""
    grouped: bool = True
    """Whether the human table sets thousands apart."""
    arrow: Any = field(default=None, repr=False, compare=False)


def stand_in() -> None:
    """Where a stream was closed before the process began (`>&-`, some service managers), what is written to it goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process lasts


def line(text: str = "") -> None:
    """One line of a result. Raises Unread."""
    with read_by_somebody():
        _write(text, sys.stdout)


def error(text: str) -> None:
    """What went wrong and what to do, on one line of stderr."""
    raw(f"error: {_one_line(text)}")


def note(text: str) -> None:
    """Something to know, on one line of stderr."""
    raw(_one_line(text))


def raw(text: str) -> None:
    """Text for stderr as it is (a traceback). Where that takes nothing (a log on a full disk) the command ends as it would have."""
    with contextlib.suppress(OSError):
        _write(text, sys.stderr)


def _write(text: str, stream: TextIO) -> None:
    """At once, the end of the line too: `print` writes it apart, and a log's line may come between."""
    stream.write(f"{text}\n")


def _one_line(text: str) -> str:
    return " ".join(part.strip() for part in text.splitlines() if part.strip()) or text.strip()


def emit(listing: Listing, form: Form, to: Path | None = None) -> None:
    """Writes the rows to a file or to stdout. Of a reader that leaves only the rows end: notes and exit code are not for it. Rows that were
    asked for and can go nowhere are a failure. Raises PerptapeError."""
    if to is None and getattr(sys.stdout, "name", None) == os.devnull:  # of `stand_in`; what the user gave is called <stdout>
        raise PerptapeError("the output cannot be written: it is closed")
    with contextlib.suppress(Unread), read_by_somebody():
        _emit(listing, form, to)


def _emit(listing: Listing, form: Form, to: Path | None) -> None:
    if form == "parquet":
        _write_bytes(parquet(listing), to)
        return
    if to is None and form == "table" and sys.stdout.isatty():
        _rich(listing)
        return
    text = {"table": plain, "json": as_json, "csv": as_csv}[form](listing)
    if to is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        _write_bytes(text.encode(), to)


def check_form(form: Form, to: Path | None) -> None:
    """Refuses, before any work, what could not be written at the end."""
    if form == "parquet" and to is None and sys.stdout.isatty():
        raise UsageError("parquet is not for a terminal: give -o FILE, or pipe it")
    if form == "table" and to is not None and (suffix := to.suffix.lower().removeprefix(".")) in (*FORMS[1:], *OTHERS):
        raise UsageError(f"{to} would hold a table for reading: give -f {suffix if suffix in FORMS else ' or '.join(FORMS[1:])}")


def _write_bytes(data: bytes, to: Path | None) -> None:
    if to is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        to.write_bytes(data)
    except OSError as failure:
        raise StoreError(f"{to} cannot be written: {failure.strerror}") from failure


def as_json(listing: Listing) -> str:
    """One array, one row a line. What is no number is null."""
    rows = [
        json.dumps(dict(zip(listing.columns, map(_jsonable, row), strict=True)), ensure_ascii=False, default=str) for row in listing.rows
    ]
    return "[" + ",\n ".join(rows) + "]\n"


def _jsonable(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_csv(listing: Listing) -> str:
    """With a header; nothing for what is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(listing.columns)
    writer.writerows(listing.rows)
    return text.getvalue()


def parquet(listing: Listing) -> bytes:
    """A whole Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = listing.arrow
    if table is None:
        columns = list(zip(*listing.rows, strict=True)) if listing.rows else [()] * len(listing.columns)
        table = pa.table(dict(zip(listing.columns, map(list, columns), strict=True)))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def plain(listing: Listing) -> str:
    """Columns of text, two spaces apart, never cut: for a pipe, `grep` and `awk`."""
    columns, rows = _human(listing)
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    right = _numeric(listing, columns)
    lines = [
        "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in (columns, *rows)
    ]
    return "\n".join(lines) + "\n"


def _rich(listing: Listing) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    columns, rows = _human(listing)
    console, lines = Console(markup=False, highlight=False), plain(listing)
    if max(map(len, lines.splitlines())) > FOLDED * console.width:  # cells of many short lines are read by nobody
        sys.stdout.write(lines)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, right in zip(columns, _numeric(listing, columns), strict=True):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _human(listing: Listing) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    columns = listing.shown or listing.columns
    places = [listing.columns.index(name) for name in columns]
    return columns, [tuple(human(row[place], grouped=listing.grouped) for place in places) for row in listing.rows]


def _numeric(listing: Listing, columns: Sequence[str]) -> list[bool]:
    places = [listing.columns.index(name) for name in columns]
    return [
        any(row[p] is not None for row in listing.rows)
        and all(row[p] is None or (isinstance(row[p], int | float) and not isinstance(row[p], bool)) for row in listing.rows)
        for p in places
    ]


def human(value: Any, *, grouped: bool = True) -> str:
    """A value for reading: a dash for what is not known, thousands apart."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and grouped:
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1000 and grouped else f"{value:.10g}"
    return str(value)


class Unread(Exception):
    """Whoever read stdout has left (`| head`): there is nobody to print for, which is no failure."""


@contextlib.contextmanager
def read_by_somebody() -> Iterator[None]:
    """Raises Unread instead of BrokenPipeError, and PerptapeError where the output takes nothing; what is still written goes nowhere."""
    try:
        yield
    except BrokenPipeError:
        _to_nowhere()
        raise Unread from None
    except OSError as failure:
        _to_nowhere()
        why = "the disk is full" if failure.errno == errno.ENOSPC else failure.strerror
        raise PerptapeError(f"the output cannot be written: {why}") from failure


def _to_nowhere() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def terminal(stream: TextIO | None = None) -> bool:
    """Whether somebody is looking (stderr by default)."""
    return (stream or sys.stderr).isatty()


def flush() -> None:
    """Brings what was printed to its reader before the process goes on. Raises Unread."""
    with read_by_somebody():
        sys.stdout.flush()
