"""Carries a plan out. What the API server has against one object is noted, and the others get their turn.

Shell. The caller says what was met, and tries again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from perptape_operator import applied, runs
from perptape_operator.cache import Cache
from perptape_operator.cluster import MARK_MANAGER, Cluster, ClusterError, Exists, Forbidden, Invalid
from perptape_operator.gathered import Gathered
from perptape_operator.kinds import BY_NAME, CLAIM, CONFIG_MAP, JOB, Manifest, kind_of, name_of, uid_of, version_of
from perptape_operator.likeness import contained, fingerprint
from perptape_operator.memory import Memory
from perptape_operator.plan import Plan, Ref, ref

log = structlog.get_logger("perptape.operator")


@dataclass(slots=True)
class Hands:
    """Writes and deletes the objects of one spec at a time. `now` is ms UTC."""

    cluster: Cluster
    cache: Cache
    memory: Memory
    now: Callable[[], int]

    async def carry_out(self, decided: Plan, found: Gathered, outcome: applied.Outcome) -> None:
        """All that can be done. What should not be there goes, also where nothing new may be made."""
        for manifest in decided.first:
            await self._apply(manifest, found, outcome)
        if not outcome.failed:  # without its ConfigMap nothing may run
            await _each(self._apply(manifest, found, outcome) for manifest in decided.apply)
        await _each(self.delete(removal.kind, removal.name, removal.uid, found, outcome) for removal in decided.delete)
        if not outcome.failed:
            await self._first_runs(found, decided, outcome)
        await self._stuck(found, outcome)

    async def delete(self, kind: str, name: str, uid: str, found: Gathered, outcome: applied.Outcome) -> None:
        try:
            await self.cluster.delete(BY_NAME[kind], found.key.namespace, name, uid)
        except Forbidden as error:
            outcome.forbidden = str(error)
            return
        except ClusterError as error:
            outcome.trouble = outcome.trouble or error
            return
        self.cache.drop(kind, found.key.namespace, name, uid)
        found.live.pop((kind, name), None)
        log.info("deleted", kind=kind, name=name, namespace=found.key.namespace, spec=found.key.name)

    async def _apply(self, manifest: Manifest, found: Gathered, outcome: applied.Outcome) -> None:
        before = found.live.get(ref(manifest))
        try:
            live = await (self.cluster.create(manifest) if before is None else self.cluster.apply(manifest, uid_of(before)))
        except Exists as error:
            outcome.meet(manifest, error)
        except Forbidden as error:
            outcome.forbidden = str(error)
            outcome.failed = outcome.failed or kind_of(manifest) == CONFIG_MAP
        except Invalid as error:
            outcome.refuse(manifest, str(error), resize=kind_of(manifest) == CLAIM and before is not None)
            if before is None:  # a quota refuses what is new before its name is looked at: it may be there
                outcome.met |= {ref(manifest)}
        except ClusterError as error:
            outcome.fail(manifest, error, there=before is not None)
        else:
            self._wrote(manifest, before, live, found)

    def _wrote(self, manifest: Manifest, before: Manifest | None, live: Manifest, found: Gathered) -> None:
        """What the answer is remembered for: when a write last changed something, and what the server makes of what it does not keep."""
        self._keep(live, found)
        at, answered = ref(manifest), self.memory.answered.setdefault(found.key, {})
        if before is None or version_of(before) != version_of(live):
            self.memory.written.setdefault(found.key, {})[at] = self.now()
        if contained(manifest, live):
            answered.pop(at, None)
        else:
            answered[at] = fingerprint(live)
        log.info("applied", kind=manifest["kind"], name=name_of(manifest), namespace=found.key.namespace, spec=found.key.name)

    def _keep(self, live: Manifest, found: Gathered) -> None:
        self.cache.put(live, asked=True)
        found.live[ref(live)] = live

    async def _first_runs(self, found: Gathered, decided: Plan, outcome: applied.Outcome) -> None:
        """A Job at once for each CronJob whose work has not been started yet; then the CronJob is marked."""
        blocked: set[Ref] = {(one.kind, one.name) for one in (*decided.obstacles, *decided.waiting)} | outcome.refused_refs
        for run in applied.first_runs(found, blocked):
            try:
                await self._first_run(run, found, outcome)
            except Forbidden as error:
                outcome.forbidden = str(error)
            except Invalid as error:
                outcome.refuse(run.job or run.mark, str(error))
            except ClusterError as error:
                outcome.trouble = outcome.trouble or error

    async def _first_run(self, run: applied.FirstRun, found: Gathered, outcome: applied.Outcome) -> None:
        if run.job is not None:
            try:
                self._keep(await self.cluster.create(run.job), found)
            except Exists:
                there = await self.cluster.get(JOB, found.key.namespace, name_of(run.job))
                if there is None or applied.goes(there, found):
                    outcome.first_job_goes = True
                    return
        self._keep(await self.cluster.apply(run.mark, uid_of(found.live[ref(run.mark)]), MARK_MANAGER), found)

    async def _stuck(self, found: Gathered, outcome: applied.Outcome) -> None:
        """Jobs that should have ended: a pod on a dead node keeps them active, and Forbid would block every later run."""
        now = self.now()
        for job in [one for at, one in found.live.items() if at[0] == JOB.name]:
            at = runs.stuck_at(job)
            if (at is not None and at <= now) or applied.unwanted_first_job(job, found):
                await self.delete(JOB.name, name_of(job), uid_of(job), found, outcome)


async def _each(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them to their ends, so that no stray one writes during the next attempt; then the first failure is raised."""
    for result in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
