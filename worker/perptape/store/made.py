"""store.json: what a store was made for, once and for all. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from perptape.datasets.base import FORMATS, Format
from perptape.errors import Newer, OriginConflict, StoreError

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
