"""Objects of which any number is there and whose join is what counts: coverage, and the counts of rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from perptape.errors import StoreError
from perptape.store.filesystem import Absent

ATTEMPTS = 20


class Joined(Protocol):
    """What can hold all of another of its kind."""

    def contains(self, other: Any) -> bool: ...


S = TypeVar("S", bound=Joined)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Filed(Generic[S]):
    """One of them as it was read. `modified` is ms on the store's clock."""

    path: str
    modified: int
    sayings: S


def settled(read: Callable[[], T], what: str) -> T:
    """What `read` gives, which raises Absent where an object went between its listing and its read: one that came contains it, and the
    listing is made anew. Raises StoreError."""
    for _ in range(ATTEMPTS):
        with suppress(Absent):
            return read()
    raise StoreError(f"{what} changed {ATTEMPTS} times while it was read: try again")
