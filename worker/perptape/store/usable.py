"""Whether a store can be used, tried out with an object of our own."""

from __future__ import annotations

import secrets

from perptape.errors import StoreError
from perptape.store import layout
from perptape.store.filesystem import FileSystem
from perptape.store.made import said


def usable(fs: FileSystem) -> str:
    """One line on how the store does, after writing, replacing, reading and deleting an object. Raises StoreError."""
    path = f"{layout.TEMPORARY}/probe-{secrets.token_hex(6)}"
    version = fs.replace(path, b"perptape", None)
    stored = fs.read(path)
    fs.delete(path)
    if (stored.data, stored.version) != (b"perptape", version):
        raise StoreError(f"{fs.location} does not give back what was written to it")
    if fs.swaps:
        return f"{fs.location} can be read and written, and replaces only what it was told to"
    return f"{fs.location} can be read and written, but cannot compare before it replaces: run one publisher at a time"


def there(fs: FileSystem) -> None:
    """Raises StoreError where the store is away, or its folder takes nothing (which is tried out, since that costs nothing there)."""
    if fs.identity:
        said(fs)
    else:
        usable(fs)
