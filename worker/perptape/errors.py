"""What went wrong, sorted by what to do about it. Foreign errors are translated where they come in and nowhere else."""

from __future__ import annotations


class PerptapeError(Exception):
    """Any failure that perptape itself reports. `str()` is one line that says what to do."""


class Retry(PerptapeError):
    """Ask again, not before `after` seconds (None: the caller's own backoff). `banned`: every call to the venue must stop until then."""

    def __init__(self, message: str, after: float | None = None, *, banned: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.banned = banned


class Doubtful(Retry):
    """An answer that proves nothing (rows of another window, nothing where there must be something): this window's trouble."""


class Skip(PerptapeError):
    """Asking again for this symbol or window is useless; the rest goes on. `shrink`: a smaller or later window may be served."""

    def __init__(self, message: str, *, shrink: bool = False) -> None:
        super().__init__(message)
        self.shrink = shrink


class Fatal(PerptapeError):
    """This venue, or the configuration, cannot work until somebody changes something."""


class Stopped(SystemExit):
    """SIGTERM before a command that collects was under way. Being an exit it passes through everything, event loops too."""


class UsageError(PerptapeError):
    """The command line or the spec is wrong (exit 2)."""


class StoreError(PerptapeError):
    """The catalog cannot be read or written now (exit 3 for a run; a daemon goes on and tries again)."""

    reason = "StoreUnusable"
    """In one word, as a CollectionSpec's status has it."""


class Unwritable(StoreError):
    """A stream's log takes nothing now. `reason`: what time is lost to should it last (`standing.REASONS`)."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class OriginConflict(UsageError):
    """Simulated data would get into a live tape, or the other way round (exit 2, before anything is written)."""

    reason = "OriginConflict"


class FormatConflict(UsageError):
    """The store was made in another catalog format, which is fixed for its life."""

    reason = "FormatConflict"


class StoreFull(StoreError):
    """There is no room for more."""

    reason = "StoreFull"


class Newer(StoreError):
    """An object was written by a newer perptape; it is left alone."""
