"""perptape: an honest tape of the crypto-derivatives market. `perptape.open("./tape")` gives the catalog."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perptape.library import Library
    from perptape.store.catalog import StoreOptions

__all__ = ["open"]


def open(location: str | os.PathLike[str] = "./tape", *, options: StoreOptions | None = None) -> Library:
    """The catalog in a folder or at ``s3://bucket/prefix``, to read from."""
    from perptape.library import Library

    return Library.open(os.fspath(location), options=options)
