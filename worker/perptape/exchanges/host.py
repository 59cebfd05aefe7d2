"""What the processes of one host know together about a venue: how much of its limits is left, and how long it must not be asked.

A small file under a lock, in the state directory. What was taken is written down before a call goes, so that a process that dies has
taken what it took and nothing more; its lock goes with it. Times are of the monotonic clock, which the processes of a host share; a
file from before the last boot says nothing. Where there is no such file to be had, each process keeps to the limits alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from perptape.exchanges.pacing import Held

TRIES: Final = 20
PAUSE_S: Final = 0.0005
"""Who holds the lock needs it for a fraction of a millisecond; one that was stopped meanwhile is not waited for."""
INSISTING: Final = 1_000
"""Tries of who has something to say that the others must not miss: half a second."""
ALONE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 3 * 86_400.0
MOST: Final = 262_144


@dataclass(slots=True)
class State:
    """`buckets` in ms, `paused_until` in seconds of the monotonic clock; `writer` is the process that took from them last."""

    buckets: Held = field(default_factory=dict)
    paused_until: float = 0.0
    writer: int = 0


class Shared:
    """One venue's file. `held` gives the state to change; it is written back. `monotonic`: seconds of a clock that all processes share."""

    def __init__(self, path: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path, self._monotonic = path, monotonic
        self._handle: int | None = None
        self._alone_until = self._stuck_until = 0.0

    @contextmanager
    def held(self, *, insists: bool = False) -> Iterator[State]:
        """Under the lock; without it, a state that nobody else sees. `insists`: it is waited for, though it could not be had just now."""
        handle = self._locked(insists)
        state = State() if handle is None else decoded(os.pread(handle, MOST, 0), self._monotonic())
        before = encoded(state)
        try:
            yield state
        finally:
            if handle is not None:
                with suppress(OSError):
                    if (data := encoded(state)) != before:
                        os.pwrite(handle, data, 0)
                fcntl.flock(handle, fcntl.LOCK_UN)

    def _locked(self, insists: bool) -> int | None:
        insists &= self._monotonic() >= self._stuck_until  # who was stopped with the lock is not waited for each time
        if self._monotonic() < self._alone_until and not insists:
            return None
        try:
            if self._handle is None:
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            for _ in range(INSISTING if insists else TRIES):
                if (handle := self._tried()) is not None:
                    return handle
                time.sleep(PAUSE_S)
        except OSError:
            pass
        self._alone_until = self._monotonic() + ALONE_S
        if insists:
            self._stuck_until = self._alone_until
        return None

    def _tried(self) -> int | None:
        assert self._handle is not None
        with suppress(BlockingIOError):
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return self._handle
        return None

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def encoded(state: State) -> bytes:
    """One line: what a longer one before it left behind the end does not count."""
    return json.dumps([state.writer, state.paused_until, state.buckets], separators=(",", ":")).encode() + b"\n"


def decoded(data: bytes, now: float) -> State:
    """What a file says; nothing where it is torn, or from before the last boot, when the clock began anew. `now`: seconds."""
    try:
        writer, paused, buckets = json.loads(data.partition(b"\n")[0])
        state = State({str(name): (float(held), float(at)) for name, (held, at) in buckets.items()}, float(paused), int(writer))
    except (ValueError, TypeError, AttributeError):
        return State()
    if any(at > now * 1000 + 1 for _, at in state.buckets.values()) or state.paused_until > now + LONGEST_PAUSE_S:
        return State()
    return state


def place(folder: str, venue: str, endpoint: str | None) -> str:
    """The file of a venue; one that is reached elsewhere (a simulated one) has limits of its own. Pure."""
    other = "" if endpoint is None else f"-{hashlib.blake2b(endpoint.encode(), digest_size=6).hexdigest()}"
    return os.path.join(folder, f"{venue}{other}")
