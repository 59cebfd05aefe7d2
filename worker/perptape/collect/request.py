"""What a run is asked to carry out. Pure, and light: a job's command line makes it before anything else of the collector is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perptape_api.names import LOG_RESERVE

if TYPE_CHECKING:
    from perptape.exchanges.base import Access
    from perptape_api.collection import CollectionSpec


@dataclass(frozen=True, slots=True)
class Request:
    """What to carry out. `datasets` are names of `spec.collect`; `access` by venue; `writer` is unique to this process."""

    name: str
    source: str
    spec: CollectionSpec
    venues: tuple[str, ...]
    datasets: tuple[str, ...]
    once: bool
    access: Mapping[str, Access]
    writer: str
    deadline_s: float | None = None
    session: str = ""
    since: int | None = None
    scheduled: bool = False
    work_hash: str = ""
    state: str | None = None
    """Where stream logs are kept when the store is not a folder."""
    reserve: int = LOG_RESERVE
    """Bytes that each of them takes beforehand."""
    audit: int = 0
    """Calls for each venue and dataset that ask again what is kept; 0: what is missing is asked for."""
    namespace: str = ""
    """Of the pod that carries it out; empty where that is no pod. In a cluster replicas are pods, and publishing is a pod's of its own."""

    def said(self) -> str:
        """What is asked, for people."""
        wanted = self.spec.wanted()
        parts = []
        for dataset in self.datasets:
            settings = wanted[dataset]
            every, back = getattr(settings, "every", None), getattr(settings, "backfill", None)
            parts.append(f"{dataset} live" if every is None else f"{dataset} every {every}, {back} back")
        count = len(self.spec.symbols.names or ())
        symbols = f"{count} symbol{'' if count == 1 else 's'}" if count else "a selection of symbols"
        limit = "" if self.deadline_s is None else f", within {self.deadline_s:.0f} s"
        if self.audit:
            parts = [f"{dataset} again, in {self.audit} calls of each venue" for dataset in self.datasets]
        return f"asked for {'; '.join(parts)}; of {symbols} at {', '.join(self.venues)}{limit}"

    @property
    def spec_id(self) -> str:
        """Who wants: the same for every pod of a spec, and for every run of a file on a laptop."""
        return f"{self.namespace}/{self.name}" if self.namespace else f"{self.source}:{self.name}"
