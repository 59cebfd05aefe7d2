"""A store that may be away: a folder as a process sees a bucket. It keeps no logs of streams, and answers nothing while a file is there."""

from __future__ import annotations

import os
from typing import Any

from perptape.errors import StoreError
from perptape.store.filesystem import FileSystem

SPOKEN_TO = frozenset({"read", "create", "replace", "delete", "list", "lease"})


class Away:
    """Implements `FileSystem`. It is away while there is a file named `sign`."""

    identity = "l2"

    def __init__(self, real: FileSystem, sign: str) -> None:
        self._real, self._sign = real, sign

    def __getattr__(self, name: str) -> Any:
        if name in SPOKEN_TO and os.path.exists(self._sign):
            raise StoreError(f"{self._real.location} does not answer: it is away")
        return getattr(self._real, name)
