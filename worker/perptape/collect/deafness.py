"""Which of a stream's connections does not hear what another one hears, and when a second one is to listen since none hears anything.

Pure. Times are seconds of one monotonic clock. A feed of liquidations may rightly be silent, so that silence by itself proves nothing: what
another connection hears meanwhile does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

DEAF_AFTER: Final = 15.0
"""A topic that another connection heard so long after this one last did is suspected here, and given up where it stays so."""
LOOK: Final = 5.0
"""Seconds between looks; what is on its way to one connection when another one heard it comes within that."""


class Ear(Protocol):
    """What a connection heard. `acknowledged`: when it was, None while there is none; `fed`: topic -> when it spoke last."""

    @property
    def acknowledged_at(self) -> float | None: ...
    @property
    def fed(self) -> Mapping[str, float]: ...


@dataclass(slots=True)
class Deafness:
    """One connection held against the others of its stream."""

    _suspected: dict[str, float] = field(default_factory=dict)
    """topic -> when this one had heard it last, as of the look before."""

    def verdict(self, own: Ear, others: Iterable[Ear]) -> str | None:
        """Why the connection should be given up: a topic that another one hears was silent here at this look and the one before."""
        since = own.acknowledged_at
        if since is None:
            self._suspected.clear()
            return None
        suspected: dict[str, float] = {}
        for topic, heard in newest(others).items():
            here = max(own.fed.get(topic, since), since)
            if heard - here > DEAF_AFTER:
                if self._suspected.get(topic) == here:
                    return f"the feed{f' of {topic}' if topic else ''} is silent here and another connection hears it"
                suspected[topic] = here
        self._suspected = suspected
        return None


def newest(ears: Iterable[Ear]) -> dict[str, float]:
    """topic -> when any of them heard it last."""
    found: dict[str, float] = {}
    for ear in ears:
        for topic, at in ear.fed.items():
            found[topic] = max(at, found.get(topic, at))
    return found


def silent_since(ears: Iterable[Ear]) -> float | None:
    """Since when none of the connections that are acknowledged has heard anything of its feed; None where none is acknowledged."""
    listening = [ear for ear in ears if ear.acknowledged_at is not None]
    return max((max([ear.acknowledged_at or 0.0, *ear.fed.values()]) for ear in listening), default=None)
