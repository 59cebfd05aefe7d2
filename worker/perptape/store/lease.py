"""A lease as an object: it spares publishers from doing the same work twice. Nothing depends on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from perptape.errors import StoreError
from perptape.interval import MINUTE
from perptape.store import layout
from perptape.store.filesystem import Absent, Conflict, FileSystem

LASTS = MINUTE
"""ms: how long the lease of one that died is honoured. A long run outlasts its lease, and two publishers at once are no harm."""


@contextmanager
def leased(fs: FileSystem, holder: str) -> Iterator[bool]:
    """Whether the lease was free."""
    version = _taken(fs, holder)
    try:
        yield version is not None
    finally:
        if version is not None:
            with suppress(StoreError):
                fs.replace(layout.LEASE, _text(holder, 0), version)


def _taken(fs: FileSystem, holder: str) -> str | None:
    now = fs.now()
    expected: str | None = None
    try:
        stored = fs.read(layout.LEASE)
        expected = stored.version
        if _until(stored.data) > now:
            return None
    except Absent:
        pass
    try:
        return fs.replace(layout.LEASE, _text(holder, now + LASTS), expected)
    except Conflict:
        return None


def _text(holder: str, until: int) -> bytes:
    return json.dumps({"holder": holder, "until": until}).encode()


def _until(data: bytes) -> int:
    try:
        return int(json.loads(data)["until"])
    except (ValueError, KeyError, TypeError):
        return 0
