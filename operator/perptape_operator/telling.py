"""Writes a spec's status where it changed, and the event of a transition.

Shell: `facts` says what is so, `standing` what is worth writing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from perptape_operator import applied, clock, facts, standing, undeclared
from perptape_operator.cache import Cache, SpecKey
from perptape_operator.cluster import Cluster, ClusterError, Undeclared
from perptape_operator.gathered import Gathered
from perptape_operator.kinds import Manifest, uid_of
from perptape_operator.memory import Memory
from perptape_operator.pauses import Pauses
from perptape_operator.report import Disbelieved, Report
from perptape_operator.unanswered import Unanswered

log = structlog.get_logger("perptape.operator")


@dataclass(slots=True)
class Teller:
    """The operator's voice. `now` is ms UTC; `reports` is what pods that stay say, by UID."""

    cluster: Cluster
    cache: Cache
    now: Callable[[], int]
    pauses: Pauses
    reports: Mapping[str, Report | Disbelieved]
    unanswered: Unanswered
    memory: Memory
    requeue: Callable[[SpecKey], None]
    """Called where an answer shows a spec that was changed meanwhile."""

    async def tell(self, found: Gathered, outcome: applied.Outcome) -> float | None:
        """Counters alone are written at most once a minute: then it returns in how many seconds; None where all is told."""
        now = self.now()
        before = standing.earlier(found.collection)
        known, due = self.pauses.known(), self.memory.due.get(found.key, {})
        unknown, whole = self.memory.undeclared.get(found.key), self.memory.whole.pop(found.key, before)
        outcome.notes += (undeclared.note(unknown),) if unknown else ()
        told, due = facts.told(found, outcome, whole, self.reports, self.unanswered.said, known, due, now)
        self.memory.due[found.key] = due
        if unknown:
            self.memory.whole[found.key], told = told, undeclared.without(told, unknown)
        for pause in told.pauses:
            self.pauses.pause(pause.exchange, clock.ms(pause.until) or 0)
        if not standing.differs(told, before):
            self.memory.counted[found.key] = applied.reported(found.live.values())
            return None
        since = now - self.memory.told_at.get(found.key, 0)
        if outcome.other_operator:  # two that see one spec must not race
            since = now - self.memory.contested_at.get(found.key, 0)
        if since < standing.SOON_S * 1000 and (outcome.other_operator or not standing.differs_in_words(told, before)):
            return (standing.SOON_S * 1000 - since) / 1000
        self.memory.counted.pop(found.key, None)  # until the answer nobody knows whether it is written
        try:
            written = await self.cluster.apply_status(*found.key, uid_of(found.collection), standing.written(told))
        except Undeclared as error:
            self.memory.undeclared[found.key] = (unknown or frozenset()) | error.fields
            self.memory.whole.setdefault(found.key, whole)
            if unknown is not None and error.fields <= unknown:
                raise
            return await self.tell(found, outcome)
        self.memory.counted[found.key] = applied.reported(found.live.values())
        self.memory.told_at[found.key] = now
        if outcome.other_operator:
            self.memory.contested_at[found.key] = now
        self.cache.put(written, asked=True)
        if _meant(written) != _meant(found.collection):
            self.requeue(found.key)  # the watch's word of that change is no news any more
        event = applied.event(found.collection, before, told, now)
        if event is not None:
            try:
                await self.cluster.event(found.key.namespace, event)
            except ClusterError as error:
                log.warning("an event was not posted", spec=found.key.name, namespace=found.key.namespace, error=str(error))
        return None


def _meant(collection: Manifest) -> Manifest:
    """What somebody else said of a spec: all but its status, and what changes with every write."""
    metadata = {name: value for name, value in collection["metadata"].items() if name not in ("resourceVersion", "managedFields")}
    return {"metadata": metadata, "spec": collection.get("spec")}
