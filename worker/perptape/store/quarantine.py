"""What could not be read is copied aside before anything replaces it, and what was lost with it is written down first.

A damage record masks the claims that were asked before it, so that what it took is asked for again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress

from perptape.damage import Damage
from perptape.interval import NS, Interval
from perptape.store import layout
from perptape.store.filesystem import Absent, FileSystem
from perptape.store.landing import Landing, Place
from perptape.store.parquet import Unreadable
from perptape.store.segment import decode_segment


def _stem(path: str) -> str:
    return path.replace("/", "~")


def _name(path: str, data: bytes) -> str:
    return f"{_stem(path)}-{hashlib.blake2b(data, digest_size=8).hexdigest()}"


def keep(fs: FileSystem, venue: str, dataset: str, path: str, data: bytes) -> str:
    """Copies an object aside, once for the same bytes, and returns the copy's path."""
    copy = f"{layout.quarantine(venue, dataset)}/{_name(path, data)}.bytes"
    if not any(entry.path == copy for entry in fs.list(layout.quarantine(venue, dataset))):
        fs.create(copy, data)
    return copy


def kept(fs: FileSystem, venue: str, dataset: str, paths: Iterable[str]) -> set[str]:
    """Those of these objects of which a copy is kept."""
    copies = [entry.path.rsplit("/", 1)[-1] for entry in fs.list(layout.quarantine(venue, dataset))]
    stems = {name.rsplit("-", 1)[0] for name in copies if name.endswith(".bytes")}
    return {path for path in paths if _stem(path) in stems}


def put_aside(fs: FileSystem, venue: str, dataset: str, path: str) -> None:
    """An object goes, a copy of it is kept; one that went meanwhile is gone."""
    with suppress(Absent):
        keep(fs, venue, dataset, path, fs.read(path).data)
        fs.delete(path)


def move(fs: FileSystem, venue: str, landing: Landing, path: str) -> None:
    """A segment that cannot be read goes, unless it can be read by now; what it is is kept first."""
    with suppress(Absent):
        data = fs.read(path).data
        try:
            decode_segment(data, path, landing.schema)
        except Unreadable:
            keep(fs, venue, landing.dataset, path, data)
            fs.delete(path)


def record(fs: FileSystem, venue: str, dataset: str, place: Place, data: bytes, now: int) -> None:
    """Keeps a data file that cannot be read and writes down which event times it may have held (`now`: the store's clock, ms)."""
    keep(fs, venue, dataset, place.path, data)
    if place.span is None:
        return
    lost, first = place.span.events(), place.span.start // NS
    said = {"version": 1, "path": place.path, "instrument": place.instrument}
    text = json.dumps({**said, "start": lost.start, "end": lost.end, "first": first, "time": now})
    fs.create(f"{layout.quarantine(venue, dataset)}/{_name(place.path, data)}-{layout.object_time(now)}.json", text.encode())


def lost(fs: FileSystem, venue: str, dataset: str, instrument: str, span: Interval, now: int) -> None:
    """Writes down that the rows of an instrument's event times in `span` (ms) are gone, whatever held them (`now`: the store's clock)."""
    text = json.dumps({"version": 1, "path": "", "instrument": instrument, "start": span.start, "end": span.end, "first": 0, "time": now})
    name = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    fs.create(f"{layout.quarantine(venue, dataset)}/{layout.identifier(instrument)}-{name}-{layout.object_time(now)}.json", text.encode())


def damage_records(fs: FileSystem, venue: str, dataset: str) -> tuple[tuple[Damage, ...], tuple[str, ...]]:
    """All damage records, and one line for each that cannot be read: then no claim can be trusted."""
    found, garbled = [], []
    for entry in fs.list(layout.quarantine(venue, dataset)):
        if not entry.path.endswith(".json"):
            continue
        try:
            value = json.loads(fs.read(entry.path).data)
            found.append(Damage(value["instrument"], value["start"], value["end"], value["time"], value.get("first", 0)))
        except Absent:
            continue
        except (ValueError, KeyError, TypeError) as error:
            garbled.append(f"{entry.path} cannot be read: {error}: no claim is believed without this record of damage")
    return tuple(found), tuple(garbled)
