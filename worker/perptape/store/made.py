"""store.json: what a store was made for, once and for all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from perptape.datasets.base import FORMATS, Format
from perptape.errors import Newer, OriginConflict, StoreError
from perptape.store import layout
from perptape.store.filesystem import Absent, Conflict, FileSystem

VERSION = 1
"""Of the layout."""


@dataclass(frozen=True, slots=True)
class Made:
    """What store.json says: made once, never changed."""

    layout: Format
    origin: str


def one_origin(of: Mapping[str, str]) -> str | None:
    """The origin that all venues' data has; None of none. Raises OriginConflict where they differ."""
    if len(set(of.values())) > 1:
        parts = ", ".join(f"{venue} is {origin}" for venue, origin in of.items())
        raise OriginConflict(f"simulated and live venues cannot share a catalog: {parts}; use one --catalog for each")
    return next(iter(of.values()), None)


def encode_made(made: Made) -> bytes:
    return json.dumps({"version": VERSION, "format": made.layout, "origin": made.origin}, indent=1).encode()


def decode_made(data: bytes, path: str) -> Made:
    """Raises Newer, and StoreError for what cannot be read."""
    try:
        value: Any = json.loads(data)
        if int(value["version"]) > VERSION:
            raise Newer(f"{path} is of a newer perptape (version {value['version']}): use that one here")
        if value["format"] not in FORMATS:
            raise Newer(f"{path} is in format {value['format']}, which this perptape does not know: use a newer one")
        return Made(cast(Format, value["format"]), str(value["origin"]))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} cannot be read ({error}): restore it from a backup; nothing was written") from error


def stored(fs: FileSystem) -> Made | None:
    """What a store is made for, as it says now; None where nobody made it. Raises Newer, and StoreError also where store.json alone went:
    made anew for another origin, invented data would stand beside the market's."""
    if (now := said(fs)) is None and _anything(fs) and (now := said(fs)) is None:  # else it was made meanwhile
        as_it_was = json.dumps({"version": VERSION, "format": "FORMAT", "origin": "ORIGIN"})
        raise StoreError(
            f"{fs.location}/{layout.STORE} is gone, and there is data beside it: put it back from a backup, or write {as_it_was} as it was "
            f"(FORMAT: {' or '.join(FORMATS)}; ORIGIN: live, or simulated:SEED of invented data); nothing was written"
        )
    return now


def said(fs: FileSystem) -> Made | None:
    """What store.json says; None where there is none. Raises Newer, StoreError."""
    try:
        return decode_made(fs.read(layout.STORE).data, f"{fs.location}/{layout.STORE}")
    except Absent:
        return None


def _anything(fs: FileSystem) -> bool:
    return any(fs.list(folder) for folder in (layout.SEGMENTS, layout.COVERAGE, layout.INSTRUMENTS))


def still(fs: FileSystem, made: Made, gone: Callable[[], None]) -> None:
    """Sees that a store is what it was made for. One that was deleted under a process that stays is made again, and `gone` told by who
    does that; another's is left alone. Raises Newer, StoreError.
    """
    now = said(fs)
    if now is None:
        with suppress(Conflict):
            fs.replace(layout.STORE, encode_made(made), None)
            gone()
        now = make(fs, made)
    if now != made:
        raise StoreError(f"{fs.location} was made anew, for origin {now.origin} and format {now.layout}: name another catalog")


def make(fs: FileSystem, made: Made) -> Made:
    """What a store is for, which it is made for where nobody made it. Raises Newer, StoreError."""
    now = stored(fs)
    if now is None:
        with suppress(Conflict):  # somebody else made it just now: what it says counts
            fs.replace(layout.STORE, encode_made(made), None)
        now = stored(fs)
    if now is None:
        raise StoreError(f"{fs.location}/{layout.STORE} vanished as soon as it was written")
    return now
