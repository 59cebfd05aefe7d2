"""Where the logs of a tape's streams are, and whose they are."""

from __future__ import annotations

import hashlib
import os

from perptape.store.catalog import Catalog
from perptape.store.folder import Folder
from perptape.store.log_disk import LocalLogDisk, LogDisk
from perptape.store.log_record import Owner
from perptape.store.logs import Logs


def log_root(tape: Catalog, state: str | None) -> str | None:
    """Where stream logs are: in the store when it is a folder, else in the state directory of this machine, if it has one."""
    if isinstance(tape.fs, Folder):
        return os.path.join(tape.location, "perptape", "log")
    store = hashlib.blake2b(tape.location.encode(), digest_size=6).hexdigest()
    return os.path.join(state, "log", store) if state is not None else None


def logs_of(tape: Catalog, state: str | None, disk: LogDisk | None = None) -> Logs | None:
    """The logs of a tape, where it has been made and there is a place for them. Raises StoreError.

    Those of two stores that share a location (at two endpoints, or made anew with other data) are told apart by their owner.
    """
    made, root = tape.made(), log_root(tape, state)
    return Logs(root, disk or LocalLogDisk(), Owner(tape.fs.identity, made.origin)) if made is not None and root is not None else None
