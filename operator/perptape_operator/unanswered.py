"""Which pods' venues do not answer them, in the pods' own words. State, and how often words count."""

from dataclasses import dataclass, field
from typing import Final

REWORDED_S: Final = 60.0
"""Other words for the same trouble count so often at most: each is a write of a status, and a pod speaks every two seconds."""
Pod = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class Unanswered:
    """What pods said last. `said`: why the pod's venue does not answer it; nothing of a pod whose venue does."""

    said: dict[Pod, str] = field(default_factory=dict)
    _at: dict[Pod, float] = field(default_factory=dict)

    def hear(self, pod: Pod, why: str, now: float) -> bool:
        """Takes what a pod says, at `now` in seconds. Whether that is news."""
        before = self.said.get(pod, "")
        if why == before or (why and before and now - self._at[pod] < REWORDED_S):
            return False
        if not why:
            self.forget(pod)
        else:
            self.said[pod], self._at[pod] = why, now
        return True

    def forget(self, pod: Pod) -> None:
        self.said.pop(pod, None)
        self._at.pop(pod, None)
