"""One venue's liquidation stream in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perptape.collect.run import Run
    from perptape.collect.targets import Session
    from perptape.collect.venue import Venue


async def stream(run: Run, venue: Venue, session: Session, replicas: int) -> None:
    raise NotImplementedError
