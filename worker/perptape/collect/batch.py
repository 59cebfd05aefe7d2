"""Collects rows and claims of one venue and dataset until they are worth a segment.

Rows and their claims leave together, so that whatever is committed is true on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa

from perptape.claims import Claim, Want, join
from perptape.collect.stream_thread import Offload
from perptape.collect.together import aside
from perptape.datasets import DATASETS
from perptape.errors import StoreError

ROWS, SECONDS = 25_000, 60.0
"""A long fill commits a segment at the latest after so much.

30 days of 50 Binance contracts peak at 137 MB with these, at 155 with 100 000 rows."""
PACKED = 4_000
"""So many rows wait as Python's tuples before they become Arrow's columns, which take a fifth of the memory."""

Commit = Callable[[str, Any, tuple[Claim, ...], tuple[Want, ...]], str]
"""(dataset, rows as an Arrow table, claims, wants) -> the segment's name; blocking."""


class Batch:
    """What was obtained and is not yet committed. Not thread-safe: one event loop."""

    def __init__(self, dataset: str, commit: Commit, monotonic: Callable[[], float], aside: Offload = aside) -> None:
        self._dataset, self._commit, self._monotonic, self._aside = dataset, commit, monotonic, aside
        self._tables: list[pa.Table] = []
        self._rows: list[Sequence[Any]] = []
        self._held = 0
        self._claims: list[Claim] = []
        self._wants: list[Want] = []
        self._since = monotonic()
        self._busy = asyncio.Lock()
        self.said: list[Claim] = []
        self.asserted: list[Want] = []
        """What was committed since `forget`: with the coverage that was read before it is the coverage that there is."""
        self.committed = 0
        self.segments = 0

    def forget(self) -> None:
        """The coverage is read anew."""
        self.said, self.asserted = [], []

    def want(self, wants: Iterable[Want]) -> None:
        self._wants.extend(wants)

    async def add(self, rows: Iterable[Sequence[Any]], claims: Iterable[Claim]) -> None:
        """Takes rows and the claims that they prove; commits when enough came together. Raises StoreError."""
        before = len(self._rows)
        self._rows.extend(rows)
        self._held += len(self._rows) - before
        self._claims.extend(claims)
        if len(self._rows) >= PACKED:
            self._pack()
        if self._held >= ROWS or self._monotonic() - self._since >= SECONDS:
            await self.commit()

    def _pack(self) -> None:
        if self._rows:
            self._tables.append(DATASETS[self._dataset].table(self._rows))
            self._rows = []

    @property
    def held(self) -> int:
        """Rows that are not committed."""
        return self._held

    async def commit(self) -> None:
        """Makes one segment of all that is there; nothing there, nothing done. What cannot be committed is kept. Raises StoreError."""
        async with self._busy:
            self._pack()
            tables, held, claims, wants = self._tables, self._held, self._claims, self._wants
            if not (held or claims or wants):
                return
            self._tables, self._held, self._claims, self._wants = [], 0, [], []
            try:
                table = pa.concat_tables([DATASETS[self._dataset].empty(), *tables])
                await self._aside(lambda: self._commit(self._dataset, table, join(claims), tuple(wants)))
            except BaseException:
                self._tables, self._held = tables + self._tables, held + self._held
                self._claims, self._wants = claims + self._claims, wants + self._wants
                raise
            self.said += claims
            self.asserted += wants
            self.committed += held
            self.segments += 1
            self._since = self._monotonic()


async def commit_all(batches: Iterable[Batch]) -> None:
    """Commits every batch, whatever becomes of the others; raises the first StoreError."""
    errors: list[StoreError] = []
    for batch in batches:
        try:
            await batch.commit()
        except StoreError as error:
            errors.append(error)
    if errors:
        raise errors[0]
