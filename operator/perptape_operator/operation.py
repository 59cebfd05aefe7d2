"""The running operator: cache, queue, reconciler, resync and polling, wired together. Shell; Kopf only feeds it.

It owns every background task; `heartbeat` is the proof of life: ticks of the resync that ended, also over no specs.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from perptape_api.names import EXCHANGE_LABEL
from perptape_operator import clock, gathered, standing
from perptape_operator.cache import At, Cache, SpecKey, place_of, spec_of
from perptape_operator.cluster import Cluster, ClusterError, Forbidden, scoped
from perptape_operator.kinds import CHILDREN, COLLECTION, POD, Kind, Manifest, controller_uid, labels_of, name_of, uid_of, version_of
from perptape_operator.metrics import Counters
from perptape_operator.pauses import Pauses
from perptape_operator.polling import Poller
from perptape_operator.queue import Queue
from perptape_operator.reconcile import Reconciler
from perptape_operator.settings import Settings
from perptape_operator.stores import Keeping

log = structlog.get_logger("perptape.operator")

TICK_S = 10.0
LATELY = 0.8
"""Of the time between two resyncs. Who was looked at within it, and of whom nothing was listed anew, waits for the next one: in the midst
of much work a resync would have all of it done again."""
TOLERATED_S = 600.0
"""So long may the API server be away before a restart might help."""


@dataclass(slots=True)
class Operation:
    """Everything that runs. `now` is ms UTC, `seconds` a clock that only goes forward."""

    cluster: Cluster
    settings: Settings
    now: Callable[[], int]
    seconds: Callable[[], float]
    counters: Counters = field(default_factory=Counters)
    chance: Callable[[], float] = random.random
    cache: Cache = field(default_factory=Cache)
    heard: float = 0.0
    """When a resync last ended well, or found nothing due."""
    started: bool = False
    stopped: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    queue: Queue[SpecKey] = field(init=False)
    pauses: Pauses = field(init=False)
    reconciler: Reconciler = field(init=False)
    poller: Poller = field(init=False)

    def __post_init__(self) -> None:
        self.queue = Queue(self._work, self.chance, self._trouble, self.seconds)
        self.pauses = Pauses(self.seconds, self.now, self.settings.budget_fraction, self._pause_changed)
        self.reconciler = Reconciler(self.cluster, self.cache, self.settings, self.now, self.pauses, self.queue.add)
        self.poller = Poller(self.cluster, self.cache, self.settings, self.now, self.queue.add, self.reconciler.told)

    async def start(self) -> None:
        """Learns what there is, then works. Pauses that are known are loaded before any pod is answered."""
        await self._first_resync()
        known: dict[str, int] = {}
        keeping: dict[SpecKey, Keeping] = {}
        for key in self.cache.specs():
            collection = self.cache.get(COLLECTION, *key)
            if collection is None:
                continue
            parsed = gathered.parsed(collection)
            if not isinstance(parsed, gathered.Unusable):
                keeping[key] = gathered.keeping(key, collection, parsed.spec)
            for pause in standing.earlier(collection).pauses:
                known[pause.exchange] = max(known.get(pause.exchange, 0), clock.ms(pause.until) or 0)
        self.reconciler.stores.put_all(keeping)
        self.pauses.start(known)
        self.started = True
        works = (self.queue.run(self.settings.workers), self._resyncs(), self.poller.run())
        self._tasks += [asyncio.create_task(self._guarded(work)) for work in works]

    async def stop(self) -> None:
        self.stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def seen(self, what: str | None, manifest: Manifest) -> None:
        """An event of a watch: the cache learns, and the spec is due."""
        key = spec_of(manifest)
        if what == "DELETED":
            at = place_of(manifest)
            self.cache.drop(*at, uid_of(manifest), version_of(manifest))
            self.reconciler.told.pop(uid_of(manifest), None)
            self.reconciler.unanswered.forget((at.namespace, at.name))
        elif not self.cache.put(manifest):
            return  # an echo of our own write, or of what was asked for: who put that in the cache has dealt with it
        if key is not None and (manifest["kind"] == COLLECTION.name or self.cache.get(COLLECTION, *key) is not None):
            self.queue.add(key)

    def asker(self, address: str, venue: str) -> Manifest | None:
        """The pod at an address, where it asks this venue for a spec that is there. Nobody else has a share, or may pause the venue."""
        at = self.cache.pod_at(address)
        pod = None if at is None else self.cache.get(POD, at.namespace, at.name)
        key = None if pod is None else spec_of(pod)
        if pod is None or key is None or labels_of(pod).get(EXCHANGE_LABEL) != venue or controller_uid(pod) is None:
            return None
        return pod if self.cache.get(COLLECTION, *key) is not None else None

    def hear_trouble(self, pod: Manifest, why: str) -> None:
        """What a pod says of its venue where that does not answer it; nothing when it does."""
        key = spec_of(pod)
        if self.reconciler.unanswered.hear((pod["metadata"]["namespace"], name_of(pod)), why, self.seconds()) and key is not None:
            self.queue.add(key)

    def alive(self) -> bool:
        """Whether the loop still turns; errors of the API server are borne for ten minutes. A process that stopped and did not end is
        not alive: so Kopf leaves it when it fails."""
        dead = self.stopped or any(task.done() for task in self._tasks)
        return not dead and self.seconds() - self.heard < self.settings.resync_s + TOLERATED_S

    async def resync(self) -> None:
        """Lists every kind afresh: a watch does not say what vanished while it was away. Looks at every spec in two resyncs at most."""
        gone: set[SpecKey] = set()
        unlisted: dict[str, str] = {}
        for kind in (COLLECTION, *CHILDREN):
            for namespace in self.settings.namespaces or (None,):
                gone |= await self._relist(kind, namespace, unlisted)
        memory = self.reconciler.memory
        lately = self._lately() if unlisted == memory.unlisted else set()
        due = {*gone, *memory.undeclared, *(key for key in self.cache.specs() if key not in lately)}
        memory.undeclared.clear()  # the definition may be a newer one by now
        memory.unlisted = unlisted  # not before: what is reconciled meanwhile would say that all may be listed
        for key in due:
            self.queue.add(key)
        self.heard = self.seconds()
        self.counters.resyncs.inc()

    def _lately(self) -> set[SpecKey]:
        now, span = self.now(), LATELY * self.settings.resync_s * 1000
        return {key for key, at in self.reconciler.memory.looked_at.items() if 0 <= now - at < span}

    async def _relist(self, kind: Kind, namespace: str | None, unlisted: dict[str, str]) -> set[SpecKey]:
        """What may not be listed is told in status, and the rest goes on, the other namespaces too, for one that is being deleted grants
        nothing any more; only without its specs there is nothing to do."""
        seen: set[At] = set()

        def heard(manifest: Manifest) -> None:
            seen.add(place_of(manifest))
            if self.cache.put(manifest, asked=True) and (key := spec_of(manifest)) is not None:
                self.queue.add(key)  # now: the watch's word of it is no news any more, and this look at everything may yet fail

        try:
            version = await self.cluster.list(kind, namespace, scoped(kind, self.settings.identity), heard)
        except Forbidden as error:
            if kind == COLLECTION and len(self.settings.namespaces) <= 1:
                raise
            log.warning("a permission is missing", kind=kind.name, namespace=namespace, error=str(error))
            unlisted[namespace or ""] = str(error)
            return set()
        gone = self.cache.unlisted(kind, namespace, seen, version)
        if kind == POD:
            known = {(at.namespace, at.name) for at in seen}
            for at in [at for at in self.reconciler.unanswered.said if at not in known and namespace in (None, at[0])]:
                self.reconciler.unanswered.forget(at)
        return gone

    async def _first_resync(self) -> None:
        wait = 1.0
        self.heard = self.seconds()
        while True:
            try:
                return await self.resync()
            except ClusterError as error:
                log.warning("the cluster cannot be listed yet", error=str(error), again_in=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 30.0)

    async def _resyncs(self) -> None:
        while True:
            await asyncio.sleep(self.settings.resync_s * (0.9 + 0.2 * self.chance()))
            wait = 1.0
            while True:
                try:
                    await self.resync()
                    break
                except ClusterError as error:
                    log.warning("the cluster cannot be listed", error=str(error), again_in=wait)
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, 60.0)

    async def _work(self, key: SpecKey) -> float | None:
        with self.counters.reconcile_seconds.time():
            again = await self.reconciler.reconcile(key)
        self.counters.reconciles.labels("done").inc()
        return again

    def _trouble(self, key: SpecKey, error: Exception, wait: float) -> None:
        self.counters.reconciles.labels("failed").inc()
        known = isinstance(error, ClusterError)
        say = log.warning if known else log.error
        say("reconciling failed", spec=key.name, namespace=key.namespace, error=str(error), again_in=round(wait, 1), exc_info=not known)

    def _pause_changed(self, venue: str) -> None:
        """A pause is told in the status of every spec that asks the venue."""
        for key in self.cache.specs():
            collection = self.cache.get(COLLECTION, *key)
            venues: list[Mapping[str, str]] = ((collection or {}).get("spec") or {}).get("venues") or []
            if any(one.get("exchange") == venue for one in venues):
                self.queue.add(key)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A background task that ends is a bug: it is logged, and `alive` tells the kubelet."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException:
            log.exception("a background task ended")
            raise
