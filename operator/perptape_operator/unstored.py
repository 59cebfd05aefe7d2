"""What Kopf keeps of handlers that only look at events: nothing.

Its own stores copy every object four times at every event, to find what changed, for handlers that we do not have: most of its time.
"""

from typing import Any

import kopf

ESSENCE: dict[str, Any] = {}


class NoDifferences(kopf.DiffBaseStorage):
    """No object differs from what it was."""

    def build(self, **_: Any) -> Any:
        return ESSENCE

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is."""


class NoProgress(kopf.ProgressStorage):
    """No handler has to be gone on with."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is."""

    def purge(self, **_: Any) -> None:
        """Nothing is there."""

    def touch(self, **_: Any) -> None:
        """Nothing is there."""

    def clear(self, *, essence: Any) -> Any:
        return essence
