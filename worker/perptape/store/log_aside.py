"""Logs of which something could not be read, kept beside the folder of logs for whoever wants to look at them.

All else that they said is in the store. Nobody adopts them again, and no more than a few are kept, since each holds its reserve.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from perptape.store.log_disk import LogDisk

KEPT: Final = 4
"""So many are kept: of the usual reserve they take 288 MiB."""


def place(root: str) -> str:
    """The folder for the damaged ones of the logs in `root`."""
    return f"{root}-damaged"


def put_aside(disk: LogDisk, root: str, path: str, name: str) -> str:
    """Moves the log's file there in one step, and lets go the oldest where there are too many. Returns where it is. Raises OSError."""
    folder = place(root)
    with suppress(FileExistsError):
        disk.mkdir(folder)
        disk.fsync_dir(os.path.dirname(folder))
    kept = sorted((modified, found) for found, _, modified in disk.walk(folder))
    for _, oldest in kept[: max(len(kept) - KEPT + 1, 0)]:
        disk.unlink(oldest)
    target = os.path.join(folder, name)
    disk.replace(path, target)
    disk.fsync_dir(folder)
    return target
