"""What lies in the folder of logs and is in no store yet, for who only looks: nothing is adopted, mended, cut or removed.

Only a log that was begun is looked at. Its writer holds the lock since before it had its name, so that to ask for the lock takes no
log from a streamer that starts. Another process that adopts in the same instant tries again a moment later.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from perptape.errors import StoreError
from perptape.store.log import RECORDS, found
from perptape.store.log_aside import place
from perptape.store.log_disk import LogDisk
from perptape.store.logs import Logs


@dataclass(frozen=True, slots=True)
class Left:
    """`root`: where the logs are. `waiting`: names of those of dead processes that can be brought in. `unreadable`: (where, why and what
    to do) of each that cannot. `aside`: the files that are kept in `kept` as damaged."""

    root: str
    kept: str
    waiting: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    aside: tuple[str, ...] = ()


def left(logs: Logs, disk: LogDisk) -> Left:
    """What is left of dead processes. Logs of another store are none of it. Raises nothing: what cannot be listed is unreadable."""
    kept = place(logs.root)
    waiting, unreadable = list[str](), list[tuple[str, str]]()
    try:
        names: Sequence[str] = disk.folders(logs.root)
        aside = tuple(path for path, _, _ in disk.walk(kept))
    except OSError as error:
        return Left(logs.root, kept, unreadable=((logs.root, f"the logs cannot be listed: {error.strerror or error}"),))
    for name in names:
        folder = os.path.join(logs.root, name)
        try:
            if _waits(logs, disk, folder):
                waiting.append(name)
        except (OSError, StoreError) as error:
            unreadable.append((folder, logs.stays(name, error)))
    return Left(logs.root, kept, tuple(waiting), tuple(unreadable), aside)


def _waits(logs: Logs, disk: LogDisk, folder: str) -> bool:
    """Whether a log of this store is to be brought in. Raises OSError and StoreError where nobody could."""
    path, lock = os.path.join(folder, RECORDS), os.path.join(folder, "lock")
    try:
        disk.read_at(path, 0, 0)
        if disk.held(lock):
            return False
        _, records, _ = found(disk, path)
    except FileNotFoundError:  # not begun, or brought in since
        return False
    except (OSError, StoreError):
        if disk.held(lock) or _gone(disk, path):  # somebody is just bringing it in, or has
            return False
        raise
    return records.head is not None and logs.owner.owns(records.head)


def _gone(disk: LogDisk, path: str) -> bool:
    """Whether nothing has this name now, whatever a read of what had it ended with (on NFS, a stale handle)."""
    try:
        disk.read_at(path, 0, 0)
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False
