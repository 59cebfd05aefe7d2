"""Opens the tape that a place names, to read or to write, and stores what `fetch --store` printed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from perptape import output
from perptape.claims import Claim
from perptape.cli.places import Place
from perptape.cli.shell import now
from perptape.coverage import Coverage
from perptape.errors import StoreError, UsageError
from perptape.interval import MINUTE, Interval
from perptape.pod.keys import s3_keys
from perptape.store.catalog import Catalog, StoreOptions
from perptape.store.tape import Tape

if TYPE_CHECKING:
    from perptape.datasets.base import Format
    from perptape.datasets.instruments import SeenInstrument


class NoTape(UsageError):
    """There is none where one is to be read."""


@dataclass(slots=True)
class LeftOut:
    """Says on stderr, once each, which segments cannot be read: an answer lacks their rows."""

    _said: set[str] = field(default_factory=set)

    def __call__(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            output.error(line)


def tape(place: Place) -> Tape:
    """The tape, to write to; made when something is first written."""
    found = Tape.open(place.location, options=_options(place))
    found.left_out = LeftOut()
    return found


def _options(place: Place) -> StoreOptions:
    return StoreOptions(endpoint=place.endpoint, region=place.region, keys=s3_keys(place.keys))


def reader(place: Place) -> Catalog:
    """The tape, to read. Raises NoTape when there is none."""
    found = Catalog.open(place.location, options=_options(place))
    found.left_out = LeftOut()
    if found.made() is None:
        raise NoTape(f"there is no tape at {place.location}: `perptape run FILE` makes one, or name another with --catalog")
    return found


class Keeping:
    """A tape beside a question to venues: what it has is not asked again; what is new may be stored. Blocking."""

    def __init__(self, place: Place) -> None:
        self._tape = tape(place)
        self._format = cast("Format", place.format)
        self._writer = secrets.token_hex(6)
        self._trouble: StoreError | None = None

    def prepare(self, origin: str) -> None:
        """Raises OriginConflict and FormatConflict before anything is written. A store that fails says so at the first commit."""
        try:
            self._tape.prepare(origin, self._tape.layout or self._format)
        except StoreError as error:
            self._trouble = error

    def holds(self, origin: str) -> bool:
        """Whether what it has may stand beside an answer of this origin."""
        return self._tape.origin == origin

    def instruments(self, venue: str, origin: str) -> Sequence[SeenInstrument]:
        """The contracts that it remembers beside an answer of this origin; none where it cannot be read."""
        try:
            return self._tape.instruments(venue) if self.holds(origin) else ()
        except StoreError:
            return ()

    def coverage(self, venue: str, dataset: str) -> Coverage:
        return self._tape.coverage(venue, dataset)

    def read(self, dataset: str, instruments: Iterable[str], span: Interval, period: int | None) -> Any:
        """The rows of `span`; `period` in ms."""
        minutes = None if period is None else period // MINUTE
        return self._tape.rows(dataset, instruments, span.start, span.end, period=minutes)

    def commit(self, venue: str, dataset: str, rows: Any, claims: Iterable[Claim] = ()) -> str:
        """One segment. Nobody wants it: it was asked for once. Raises StoreError."""
        if self._trouble is not None:
            raise self._trouble
        return self._tape.commit(venue, dataset, rows, claims, (), self._writer, now)
