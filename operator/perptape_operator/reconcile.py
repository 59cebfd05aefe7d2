"""Brings one spec's objects to what it wants, and its status to what is so: gather, plan, apply, tell.

Shell. Reconciling twice changes nothing the second time; a step that fails leaves the rest for the next time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from perptape_operator import applied, gathered, observed, under_way
from perptape_operator.cache import Cache, SpecKey
from perptape_operator.cluster import MARK_MANAGER, Cluster, Forbidden, Invalid
from perptape_operator.gathered import Gathered
from perptape_operator.kinds import BY_NAME, CLAIM, COLLECTION, CONFIG_MAP, JOB, POD, Manifest, kind_of, name_of, uid_of
from perptape_operator.memory import Memory
from perptape_operator.pauses import Pauses
from perptape_operator.plan import Mine, Plan, Ref, ref
from perptape_operator.plan import plan as planned
from perptape_operator.report import Disbelieved, Report
from perptape_operator.settings import Settings
from perptape_operator.stores import Stores
from perptape_operator.telling import Teller
from perptape_operator.unanswered import Unanswered

log = structlog.get_logger("perptape.operator")

COLLECTOR_S = 30.0
"""How long the garbage collector is waited for, before an object of an earlier spec is adopted."""
AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look for an object by its name showed. `hidden`: that it may not be looked at."""

    at: Ref
    live: Manifest | None = None
    hidden: bool = False


@dataclass(slots=True)
class Reconciler:
    """The operator's hands. `now` is ms UTC; `told` is what pods that stay say, by UID."""

    cluster: Cluster
    cache: Cache
    settings: Settings
    now: Callable[[], int]
    pauses: Pauses
    requeue: Callable[[SpecKey], None] = lambda key: None
    """Called with other specs that a spec's coming or going concerns."""
    stores: Stores = field(default_factory=Stores)
    told: dict[str, Report | Disbelieved] = field(default_factory=dict)
    unanswered: Unanswered = field(default_factory=Unanswered)
    memory: Memory = field(default_factory=Memory)
    teller: Teller = field(init=False)

    def __post_init__(self) -> None:
        self.teller = Teller(self.cluster, self.cache, self.now, self.pauses, self.told, self.unanswered, self.memory)

    async def reconcile(self, key: SpecKey) -> float | None:
        """One spec. Returns in how many seconds to look again; None where nothing is known to come."""
        collection = self.cache.get(COLLECTION, *key)
        if collection is None or collection["metadata"].get("deletionTimestamp"):
            self.forget(key)  # what it owns goes with it; the tape stays
            return None
        if not self.cache.children(key) and not await self._is_there(collection):
            return AGAIN_S
        outcome = applied.Outcome(forbidden=self.memory.unlisted.get(key.namespace) or self.memory.unlisted.get("") or "")
        found = await self._gather(key, collection, outcome)
        if found.home is not None:
            await self._carry_out(found, outcome)
        again = await self.teller.tell(found, outcome)
        if again is None:
            await self._reported(found, outcome)
        return min(filter(None, (again, self._next(found), AGAIN_S if outcome.waiting else None)), default=None)

    def forget(self, key: SpecKey) -> None:
        for other in self.stores.drop(key):
            self.requeue(other)
        self.memory.forget(key)

    async def _is_there(self, collection: Manifest) -> bool:
        """Whether the spec is still the one that we know: before its first child is made."""
        metadata = collection["metadata"]
        live = await self.cluster.get(COLLECTION, metadata["namespace"], metadata["name"])
        if live is None:
            self.cache.drop(COLLECTION.name, metadata["namespace"], metadata["name"], uid_of(collection))
        else:
            self.cache.put(live)
        return live is not None and uid_of(live) == uid_of(collection)

    async def _gather(self, key: SpecKey, collection: Manifest, outcome: applied.Outcome) -> Gathered:
        """The spec, what there is of its children, and the other specs whose store it may meet."""
        live = {ref(child): child for child in self.cache.children(key)}
        parsed = gathered.parsed(collection)
        if isinstance(parsed, gathered.Unusable):
            return gathered.unusable(key, collection, live, parsed)
        for other in self.stores.put(key, gathered.keeping(key, collection, parsed.spec)):
            self.requeue(other)
        foreign = gathered.foreign_claim(parsed.spec)
        claim = None if foreign is None else (await self._read((CLAIM.name, foreign), key, outcome)).live
        found = gathered.gathered(key, collection, parsed, live, claim, self.stores.conflict(key), self.settings, self.now())
        missing = [ref(manifest) for manifest in found.wanted if ref(manifest) not in live]
        probes = await asyncio.gather(*(self._read(at, key, outcome) for at in missing))
        there = {probe.at: probe.live for probe in probes if probe.live is not None}
        if there:
            found = gathered.gathered(key, collection, parsed, live | there, claim, self.stores.conflict(key), self.settings, self.now())
        found.unread = frozenset(probe.at for probe in probes if probe.hidden)
        found.written = self.memory.written.setdefault(key, {})
        found.counted = self.memory.counted.get(key)
        return found

    async def _read(self, at: Ref, key: SpecKey, outcome: applied.Outcome) -> Probe:
        """An object by its name, which no list has shown. What may not be read is said, and left alone."""
        try:
            return Probe(at, await self.cluster.get(BY_NAME[at[0]], key.namespace, at[1]))
        except Forbidden as error:
            outcome.forbidden = outcome.forbidden or str(error)
            return Probe(at, hidden=True)

    async def _carry_out(self, found: Gathered, outcome: applied.Outcome) -> None:
        assert found.home is not None
        mine = Mine(self.settings.identity, found.key.name, found.home.uid)
        decided = planned(found.wanted, found.live, mine, self._overdue(found, mine), found.unread)
        outcome.note_plan(decided)
        for manifest in decided.first:
            await self._apply(manifest, found, outcome)
        if outcome.failed:
            return  # without its ConfigMap nothing may run
        await _each(self._apply(manifest, found, outcome) for manifest in decided.apply)
        await _each(self._delete(removal.kind, removal.name, removal.uid, found, outcome) for removal in decided.delete)
        await self._first_runs(found, decided, outcome)
        await self._stuck(found, outcome)

    def _overdue(self, found: Gathered, mine: Mine) -> frozenset[str]:
        """Objects of an earlier spec of this name that the collector should have taken by now."""
        now, before = self.now(), self.memory.waiting_since.get(found.key, {})
        waiting = [uid_of(manifest) for manifest in found.live.values() if mine.ownership(manifest) == "collected"]
        self.memory.waiting_since[found.key] = since = {uid: before.get(uid, now) for uid in waiting}
        return frozenset(uid for uid, at in since.items() if now - at >= COLLECTOR_S * 1000)

    async def _apply(self, manifest: Manifest, found: Gathered, outcome: applied.Outcome) -> None:
        try:
            live = await self.cluster.apply(manifest)
        except Forbidden as error:
            outcome.forbidden = str(error)
            outcome.failed = outcome.failed or kind_of(manifest) == CONFIG_MAP
        except Invalid as error:
            outcome.refuse(manifest, str(error), resize=kind_of(manifest) == CLAIM and ref(manifest) in found.live)
        else:
            self._keep(live, found)
            self.memory.written.setdefault(found.key, {})[ref(manifest)] = self.now()
            log.info("applied", kind=manifest["kind"], name=name_of(manifest), namespace=found.key.namespace, spec=found.key.name)

    def _keep(self, live: Manifest, found: Gathered) -> None:
        self.cache.put(live)
        found.live[ref(live)] = live

    async def _delete(self, kind: str, name: str, uid: str, found: Gathered, outcome: applied.Outcome) -> None:
        try:
            await self.cluster.delete(BY_NAME[kind], found.key.namespace, name, uid)
        except Forbidden as error:
            outcome.forbidden = str(error)
            return
        self.cache.drop(kind, found.key.namespace, name, uid)
        found.live.pop((kind, name), None)
        log.info("deleted", kind=kind, name=name, namespace=found.key.namespace, spec=found.key.name)

    async def _first_runs(self, found: Gathered, decided: Plan, outcome: applied.Outcome) -> None:
        """A Job at once for each CronJob whose work has not been started yet; then the CronJob is marked."""
        blocked: set[Ref] = {(one.kind, one.name) for one in decided.obstacles} | set(decided.waiting) | outcome.refused_refs
        for run in applied.first_runs(found, blocked):
            if run.job is not None and await self.cluster.get(JOB, found.key.namespace, name_of(run.job)) is None:
                try:
                    self._keep(await self.cluster.apply(run.job), found)
                except Forbidden as error:
                    outcome.forbidden = str(error)
                    continue
                except Invalid as error:
                    outcome.refuse(run.job, str(error))
                    continue
            self._keep(await self.cluster.apply(run.mark, MARK_MANAGER), found)

    async def _stuck(self, found: Gathered, outcome: applied.Outcome) -> None:
        """Jobs that should have ended: a pod on a dead node keeps them active, and Forbid would block every later run."""
        now = self.now()
        for job in [one for at, one in found.live.items() if at[0] == JOB.name]:
            at = observed.stuck_at(job)
            if (at is not None and at <= now) or applied.unwanted_first_job(job, found):
                await self._delete(JOB.name, name_of(job), uid_of(job), found, outcome)

    async def _reported(self, found: Gathered, outcome: applied.Outcome) -> None:
        """First Jobs whose end is in status by now go."""
        for job in [one for at, one in found.live.items() if at[0] == JOB.name]:
            if applied.is_first_job(job, found) and observed.finished(job) and applied.heard(job, found):
                await self._delete(JOB.name, name_of(job), uid_of(job), found, outcome)

    def _next(self, found: Gathered) -> float | None:
        """When something comes that no event will tell."""
        now = self.now()
        when = {JOB.name: observed.stuck_at, POD.name: under_way.placed_by}
        instants = (when[at[0]](one) for at, one in found.live.items() if at[0] in when)
        return min(((at - now) / 1000 + 1 for at in instants if at is not None and at > now), default=None)


async def _each(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them to their ends, so that no stray one writes during the next attempt; then the first failure is raised."""
    for result in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
