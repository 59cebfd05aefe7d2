"""Logs of which something could not be read, kept beside the folder of logs for whoever wants to look at them.

All else that they said is in the store. Nobody adopts them again, and no more than a few are kept, since each holds its reserve: none
where a new log would not have its room.
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
    for _ in range(len(list(disk.walk(folder))) - KEPT + 1):
        let_go(disk, root)
    target = os.path.join(folder, name)
    disk.replace(path, target)
    disk.fsync_dir(folder)
    return target


def let_go(disk: LogDisk, root: str) -> bool:
    """The oldest one goes; False where there is none, or it cannot go."""
    kept = sorted((modified, found) for found, _, modified in disk.walk(place(root)))
    if not kept:
        return False
    try:
        disk.unlink(kept[0][1])
    except FileNotFoundError:  # another process let it go
        return True
    except OSError:
        return False
    import structlog  # here alone: who only asks what is kept would wait a third of a second for it

    structlog.get_logger(__name__).warning("damaged log let go", outcome="its room is needed, or four newer ones are kept", kept=kept[0][1])
    return True
