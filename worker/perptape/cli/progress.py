"""How far a run is: bars on a terminal, a plain line now and then otherwise. Never on stdout."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from perptape import logs, output

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

EVERY_SECONDS = 5.0
"""Between two plain lines of one venue and dataset."""


class Lines:
    """A line when something starts, at most one each five seconds while it goes on, and one when it is done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, write: Callable[[str], None] = output.note) -> None:
        self._clock = clock
        self._write = write
        self._said: dict[tuple[str, str], float] = {}

    def advanced(self, venue: str, dataset: str, done: int, total: int, rows: int) -> None:
        now = self._clock()
        if done >= total or now - self._said.get((venue, dataset), float("-inf")) >= EVERY_SECONDS:
            self._said[venue, dataset] = now
            self._write(f"{venue} {dataset}: {done} of {total}, {rows} rows")

    def message(self, text: str) -> None:
        self._write(text)


class Bars:
    """A bar for each venue and dataset, until it is done."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def advanced(self, venue: str, dataset: str, done: int, total: int, rows: int) -> None:
        if (venue, dataset) not in self._tasks:
            self._tasks[venue, dataset] = self._bars.add_task(f"{venue} {dataset}", total=total, rows=rows)
        self._bars.update(self._tasks[venue, dataset], completed=done, total=total, rows=rows, visible=done < total)

    def message(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


@contextlib.contextmanager
def progress(*, shown: bool | None = None) -> Iterator[Lines | Bars]:
    """Bars while somebody looks at stderr (log lines stand above them), plain lines otherwise, log lines where those are JSON."""
    if logs.machine_read():
        yield Lines(write=logging.getLogger("perptape").info)
        return
    if not (output.terminal() if shown is None else shown):
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with bars:
        yield Bars(bars)
