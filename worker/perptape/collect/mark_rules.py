"""By what a stream's marks become claims. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from perptape.exchanges.base import Feed

LEAST_PUSH = 2_000  # ms; a venue's promise to push more often than that is not one to build on


@dataclass(frozen=True, slots=True)
class Rules:
    """By what a stream's marks become claims. Kept in its log, so that a replay claims the same whatever has changed since."""

    instruments: tuple[str, ...]
    push: int
    quiet: int
    kind: Literal["complete", "sampled"]
    basis: str
    market: bool
    """Whether one topic speaks for every instrument."""

    @classmethod
    def of(cls, feed: Feed, instruments: Iterable[str]) -> Rules:
        basis = feed.rule if feed.completeness == "sampled" else "feed"
        push = max(feed.push_interval, LEAST_PUSH)
        return cls(tuple(sorted(set(instruments))), push, feed.quiet_limit, feed.completeness, basis, feed.scope == "market")

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Rules:
        return cls(**{**said, "instruments": tuple(said["instruments"])})
