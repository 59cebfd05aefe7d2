"""Brings one spec's objects to what it wants, and its status to what is so: gather, plan, apply, tell.

Shell. Reconciling twice changes nothing the second time; a step that fails leaves the rest for the next time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from perptape_operator import applied, gathered, runs, under_way
from perptape_operator.cache import Cache, SpecKey
from perptape_operator.cluster import Cluster, Forbidden
from perptape_operator.gathered import Gathered
from perptape_operator.hands import Hands
from perptape_operator.kinds import BY_NAME, CLAIM, COLLECTION, JOB, POD, Manifest, name_of, uid_of
from perptape_operator.memory import Memory
from perptape_operator.pauses import Pauses
from perptape_operator.plan import Ref, ref
from perptape_operator.plan import plan as planned
from perptape_operator.report import Disbelieved, Report
from perptape_operator.settings import Settings
from perptape_operator.stores import Stores
from perptape_operator.telling import Teller
from perptape_operator.unanswered import Unanswered

COLLECTOR_S = 30.0
"""How long the garbage collector is waited for, before an object of an earlier spec is adopted."""
AGAIN_S = 2.0
LONGEST_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look for an object by its name showed. `hidden`: that it may not be looked at."""

    at: Ref
    live: Manifest | None = None
    hidden: bool = False


@dataclass(slots=True)
class Reconciler:
    """Everything about one spec at a time. `now` is ms UTC; `told` is what pods that stay say, by UID."""

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
    hands: Hands = field(init=False)
    teller: Teller = field(init=False)

    def __post_init__(self) -> None:
        self.hands = Hands(self.cluster, self.cache, self.memory, self.now)
        self.teller = Teller(self.cluster, self.cache, self.now, self.pauses, self.told, self.unanswered, self.memory, self.requeue)

    async def reconcile(self, key: SpecKey) -> float | None:
        """One spec. Returns in how many seconds to look again; None where nothing is known to come."""
        collection = self.cache.get(COLLECTION, *key)
        if collection is None or collection["metadata"].get("deletionTimestamp"):
            self.forget(key)  # what it owns goes with it; the tape stays
            return None
        if not self.cache.children(key):
            there = await self._still_there(collection)
            if there is None:
                return AGAIN_S
            collection = there
        found, outcome = await self._brought(key, collection)
        again = await self.teller.tell(found, outcome)
        if again is None:
            await self._reported(found, outcome)
        if outcome.trouble is not None:
            raise outcome.trouble  # all else is done, and told; the queue tries this again
        if outcome == applied.Outcome() and found.foreign is None:  # else each resync tries, and reads, again
            self.memory.looked_at[key] = self.now()
        else:
            self.memory.looked_at.pop(key, None)
        return min(filter(None, (again, self._next(found), self._waits(key, outcome))), default=None)

    async def _brought(self, key: SpecKey, collection: Manifest) -> tuple[Gathered, applied.Outcome]:
        """What is there by now, and what was met. Where something of a wanted name is there that no list shows, it is read, and all is
        planned again."""
        while True:
            known = self.memory.met.get(key, frozenset())
            outcome = applied.Outcome(forbidden=self.memory.unlisted.get(key.namespace) or self.memory.unlisted.get("") or "")
            found = await self._gather(key, collection, outcome)
            if found.home is not None:
                await self._carry_out(found, outcome)
            if outcome.met <= known:
                return found, outcome
            self.memory.met[key] = self.memory.met.get(key, frozenset()) | outcome.met

    def forget(self, key: SpecKey) -> None:
        for other in self.stores.drop(key):
            self.requeue(other)
        self.memory.forget(key)

    async def _still_there(self, collection: Manifest) -> Manifest | None:
        """The spec as it is by now, before its first child is made; None where it is not the one that we know."""
        metadata = collection["metadata"]
        live = await self.cluster.get(COLLECTION, metadata["namespace"], metadata["name"])
        if live is None:
            self.cache.drop(COLLECTION.name, metadata["namespace"], metadata["name"], uid_of(collection))
        else:
            self.cache.put(live, asked=True)
        same = live is not None and uid_of(live) == uid_of(collection) and not live["metadata"].get("deletionTimestamp")
        return self.cache.get(COLLECTION, metadata["namespace"], metadata["name"]) if same else None

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
        met = self.memory.met.get(key, frozenset())
        missing = [ref(manifest) for manifest in found.wanted if ref(manifest) in met and ref(manifest) not in live]
        probes = await asyncio.gather(*(self._read(at, key, outcome) for at in missing))
        there = {probe.at: probe.live for probe in probes if probe.live is not None}
        self.memory.met[key] = frozenset(probe.at for probe in probes if probe.live is not None or probe.hidden)
        if there:
            found = gathered.gathered(key, collection, parsed, live | there, claim, self.stores.conflict(key), self.settings, self.now())
        found.foreign = foreign
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
        answered = self.memory.answered.get(found.key, {})
        decided = planned(found.wanted, found.live, found.mine, self._overdue(found), found.unread, answered)
        outcome.note_plan(decided)
        await self.hands.carry_out(decided, found, outcome)
        if outcome.trouble is None:
            self.memory.troubled_since.pop(found.key, None)
        else:
            outcome.lasts(self.now() - self.memory.troubled_since.setdefault(found.key, self.now()))

    def _overdue(self, found: Gathered) -> frozenset[str]:
        """Objects of wanted names that should be gone by now: those of an earlier spec are adopted then."""
        now, before = self.now(), self.memory.waiting_since.get(found.key, {})
        there = [found.live[at] for at in found.planned if at in found.live]
        waiting = [uid_of(manifest) for manifest in there if found.mine.loses(manifest)]
        self.memory.waiting_since[found.key] = since = {uid: before.get(uid, now) for uid in waiting}
        return frozenset(uid for uid, at in since.items() if now - at >= COLLECTOR_S * 1000)

    async def _reported(self, found: Gathered, outcome: applied.Outcome) -> None:
        """First Jobs whose end is in status by now, and stays there, go."""
        for job in [one for at, one in found.live.items() if at[0] == JOB.name]:
            if applied.is_first_job(job, found) and runs.finished(job) and applied.heard(job, found) and applied.spent(job, found):
                await self.hands.delete(JOB.name, name_of(job), uid_of(job), found, outcome)

    def _waits(self, key: SpecKey, outcome: applied.Outcome) -> float | None:
        """When to look again for what is to go: the longer it stays, the later."""
        if outcome.waiting:
            since = max(self.memory.waiting_since[key].values(), default=self.now())
            return max(AGAIN_S, min((self.now() - since) / 1000, LONGEST_WAIT_S))
        return COLLECTOR_S if outcome.first_job_goes else None

    def _next(self, found: Gathered) -> float | None:
        """When something comes that no event will tell."""
        now = self.now()
        when = {JOB.name: runs.stuck_at, POD.name: under_way.placed_by}
        instants = (when[at[0]](one) for at, one in found.live.items() if at[0] in when)
        return min(((at - now) / 1000 + 1 for at in instants if at is not None and at > now), default=None)
