"""The logs below one folder, whose they are, and which of them nobody holds any more.

One whose lock is free is adopted, and its torn end cut; one that cannot be read stays, and is named.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from perptape.errors import Newer, StoreError, Unwritable
from perptape.store.log import FULL, Log, cause
from perptape.store.log_aside import let_go
from perptape.store.log_disk import LogDisk
from perptape.store.log_read import Records
from perptape.store.log_record import Begun, Owner
from perptape_api.names import ENV_LOG_RESERVE, LOG_RESERVE


class Logs:
    """All logs below one folder; those that are made here are `owner`'s."""

    def __init__(self, root: str, disk: LogDisk, owner: Owner | None = None) -> None:
        self.root = os.path.abspath(root)
        self.owner = owner or Owner()
        self._disk = disk

    def create(self, head: Begun, reserve: int = LOG_RESERVE) -> Log | None:
        """A new log that begins with `head` and has taken its room; None where its name is taken. Raises StoreError."""
        folder = os.path.join(self.root, head.log)
        try:
            self._make_root(self.root)
            self._disk.mkdir(folder)
            self._disk.fsync_dir(self.root)
            log = self._held(folder)
        except FileExistsError:
            return None
        except OSError as error:
            raise Unwritable(f"no log can be made in {self.root}: {error.strerror or error}", cause(error)) from error
        if log is None:
            return None
        try:
            self._begin(log, head, reserve)
        except (OSError, StoreError) as error:
            with suppress(StoreError):
                log.remove()
            if isinstance(error, StoreError):
                raise
            why = f"{error.strerror or error}; free some space, or reserve less"
            message = f"no log can be made in {self.root}: {reserve} bytes ({ENV_LOG_RESERVE}) are not to be had: {why}"
            raise Unwritable(message, cause(error)) from error
        return log

    def _begin(self, log: Log, head: Begun, reserve: int) -> None:
        """Logs that were put aside take no room from one that is to hear something. Raises OSError and StoreError."""
        while True:
            try:
                return log.begin(head, reserve)
            except OSError as error:
                if error.errno not in FULL or not let_go(self._disk, self.root):
                    raise

    def adopt(self, unreadable: list[str] | None = None, looked_at: list[str] | None = None) -> Iterator[tuple[Log, Records]]:
        """Every log whose writer is gone, with its records, one after the other; the caller releases or removes each, and looks
        whose it is.

        One that cannot be read, or was written by a newer perptape, raises StoreError, or is left alone and named in `unreadable` with
        the reason. One at which somebody only looks, and is not done with it, is named in `looked_at`: it is for the next time. Raises
        StoreError where not even their folder can be listed.
        """
        try:
            names = self._disk.folders(self.root)
        except OSError as error:
            raise StoreError(f"the logs in {self.root} cannot be listed: {error.strerror or error}") from error
        for name in names:
            try:
                log = self._held(os.path.join(self.root, name))
                records = _recovered(log) if log is not None else None
            except BlockingIOError:
                if looked_at is not None:
                    looked_at.append(name)
                continue
            except (OSError, StoreError) as error:
                said = self.stays(name, error)
                if unreadable is None:
                    raise StoreError(said) from error
                unreadable.append(said)
                continue
            if log is not None and records is not None:
                yield log, records

    def stays(self, name: str, error: Exception) -> str:
        """What is said of a log that is left alone, and what a person can do."""
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        remedy = "let that one adopt it" if isinstance(error, Newer) else "of what it heard there is no other copy here"
        return f"the log {name} cannot be read: {why}; it stays in {self.root}, not in the store: {remedy}, or move its folder away"

    def _held(self, folder: str) -> Log | None:
        lock = ExitStack()
        try:
            taken = lock.enter_context(self._disk.locked(os.path.join(folder, "lock"), wait=False))
        except FileNotFoundError:  # removed since it was listed
            return None
        if taken:
            return Log(self._disk, folder, lock)
        lock.close()
        return None

    def _make_root(self, path: str) -> None:
        if self._disk.isdir(path):
            return
        parent = os.path.dirname(path)
        self._make_root(parent)
        with suppress(FileExistsError):
            self._disk.mkdir(path)
        self._disk.fsync_dir(parent)


def _recovered(log: Log) -> Records | None:
    """The log's records; one whose process died before it was begun is removed."""
    try:
        return log.recover()
    except FileNotFoundError:
        log.remove()
        return None
    except (OSError, StoreError):
        log.release()
        raise
