"""A namespace in a fake cluster, an operator over it, and a clock that is moved by hand."""

import asyncio
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from perptape_operator import clock
from perptape_operator.cache import SpecKey
from perptape_operator.cluster import ClusterError
from perptape_operator.kinds import CHILDREN, COLLECTION, CRON_JOB, DEPLOYMENT, JOB, POD, Kind, Manifest, name_of, uid_of
from perptape_operator.operation import Operation
from perptape_operator.settings import Settings
from support.fake_cluster import FakeCluster

ROOT = Path(__file__).parents[2]
START = 1_800_000_000_000
NAMESPACE = "trading"


@dataclass
class World:
    """A cluster, time, and the operator; `settle` works until nothing is due."""

    settings: Settings = field(default_factory=lambda: Settings(identity="ns.perptape", namespace="ns", pod_labels={"app": "operator"}))
    at: int = START
    cluster: FakeCluster = field(init=False)
    operation: Operation = field(init=False)
    shown: set[str] = field(init=False)
    """UIDs of what the operator's watches show: the server filters children by their label."""

    def __post_init__(self) -> None:
        self.cluster = FakeCluster(lambda: clock.iso(self.at))
        self.restart()

    def restart(self) -> None:
        """A new operator, which knows only what is in the cluster."""
        self.cluster.watchers.clear()
        self.operation = Operation(self.cluster, self.settings, lambda: self.at, lambda: self.at / 1000, chance=lambda: 0.5)
        self.operation.queue._trouble = self.trouble
        self.cluster.watchers.append(self.watch)
        self.shown = {uid_of(manifest) for manifest in self.cluster.objects.values() if self.ours(manifest)}
        asyncio.run(self.operation.resync())

    def trouble(self, key: SpecKey, error: Exception, wait: float) -> None:
        """Only the cluster may fail."""
        if not isinstance(error, ClusterError):
            raise error

    def ours(self, manifest: Manifest) -> bool:
        return (manifest["metadata"].get("labels") or {}).get("perptape.io/operator") == self.settings.identity

    def watch(self, what: str, manifest: Manifest) -> None:
        """What a watch with a selector says: of what loses the label that it is gone, of what has it again that it is new."""
        before, ours = uid_of(manifest) in self.shown, self.ours(manifest)
        if manifest["kind"] == COLLECTION.name:
            self.operation.seen(what, manifest)
        elif manifest["kind"] in {kind.name for kind in CHILDREN} and (before or ours):
            (self.shown.add if ours else self.shown.discard)(uid_of(manifest))
            self.operation.seen("DELETED" if not ours else "ADDED" if not before else what, manifest)

    def settle(self, seconds: float = 0.0, most: int = 400) -> int:
        """Reconciles everything due until `seconds` from now. How many times it did."""
        return asyncio.run(self._settle(seconds, most))

    async def _settle(self, seconds: float, most: int) -> int:
        count, end = 0, self.at + int(seconds * 1000)
        queue = self.operation.queue
        while True:
            key = queue.schedule.take(self.at / 1000)
            if key is None:
                due = queue.schedule.next_due()
                if due is None or due * 1000 > end:
                    self.at = max(self.at, end)
                    return count
                self.at = max(self.at, int(due * 1000) + 1)
                continue
            await queue._once(key)
            count += 1
            assert count < most, f"{key} never comes to rest"

    def spec(self, name: str = "majors", **changes: Any) -> Manifest:
        """Makes or replaces a spec, as kubectl apply does."""
        document = yaml.safe_load((ROOT / "examples/majors.yaml").read_text())
        document["metadata"] = {"name": name, "namespace": NAMESPACE}
        document["spec"] = {**document["spec"], **changes}
        before = self.cluster.objects.get((COLLECTION.name, NAMESPACE, name))
        if before is not None:
            return self.cluster.edit(COLLECTION, NAMESPACE, name, lambda live: live.update(spec=document["spec"]))
        return self.cluster.put(document)

    def status(self, name: str = "majors") -> dict[str, Any]:
        return dict(self.cluster.objects[(COLLECTION.name, NAMESPACE, name)].get("status") or {})

    def condition(self, type_: str, name: str = "majors") -> dict[str, Any]:
        return next(one for one in self.status(name)["conditions"] if one["type"] == type_)

    def line(self, exchange: str, dataset: str, name: str = "majors") -> dict[str, Any]:
        return next(one for one in self.status(name)["collections"] if (one["exchange"], one["dataset"]) == (exchange, dataset))

    def children(self, *kinds: Kind) -> dict[tuple[str, str], Manifest]:
        wanted = {kind.name for kind in kinds or (k for k in CHILDREN if k != POD)}
        return {(at[0], at[2]): copy.deepcopy(m) for at, m in sorted(self.cluster.objects.items()) if at[0] in wanted}

    def run(self, cron_job: str, report: dict[str, Any] | str | None = None, **container: Any) -> Manifest:
        """What the CronJob's controller and the kubelet do for one run: a Job and its pod, ended with a report."""
        owner = self.cluster.objects[(CRON_JOB.name, NAMESPACE, cron_job)]
        job = {
            "apiVersion": "batch/v1",
            "kind": JOB.name,
            "metadata": {
                "name": f"{cron_job}-{self.at // 60_000}",
                "namespace": NAMESPACE,
                "labels": owner["spec"]["jobTemplate"]["metadata"]["labels"],
                "ownerReferences": [{"kind": CRON_JOB.name, "name": cron_job, "uid": uid_of(owner), "controller": True}],
            },
            "spec": copy.deepcopy(owner["spec"]["jobTemplate"]["spec"]),
            "status": {"startTime": clock.iso(self.at)},
        }
        made = self.cluster.put(job)
        self.cluster.edit(CRON_JOB, NAMESPACE, cron_job, lambda m: m.setdefault("status", {}).update(lastScheduleTime=clock.iso(self.at)))
        return self.ended(made, report, **container)

    def ended(self, job: Manifest, report: dict[str, Any] | str | None = None, **container: Any) -> Manifest:
        """The Job's pod, and its end."""
        pod = self.pod(job, "Job", job["spec"]["template"])
        name = name_of(pod)
        if isinstance(report, dict):
            report = json.dumps({"run": name, "started": self.at, "finished": self.at, "exit": 0} | report)
        state = container or {"state": {"terminated": {"exitCode": 0, "message": report}}}
        code = (state.get("state", {}).get("terminated") or {}).get("exitCode", 0)
        ended = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [{"name": "worker", **state}]}
        if "waiting" in state.get("state", {}):
            ended["phase"] = "Pending"
        else:
            finish = {"type": "Failed" if code else "Complete", "status": "True", "lastTransitionTime": clock.iso(self.at)}
            self.cluster.edit(JOB, NAMESPACE, name_of(job), lambda m: m.setdefault("status", {}).update(conditions=[finish]))
        return self.cluster.edit(POD, NAMESPACE, name, lambda m: m.update(status=ended))

    def pod(self, owner: Manifest, kind: str, template: Manifest, number: int = 0) -> Manifest:
        metadata = {
            **copy.deepcopy(template["metadata"]),
            "name": f"{name_of(owner)}-p{number}",
            "namespace": NAMESPACE,
            "ownerReferences": [{"kind": kind, "name": name_of(owner), "uid": uid_of(owner), "controller": True}],
        }
        return self.cluster.put({"apiVersion": "v1", "kind": POD.name, "metadata": metadata, "spec": {}, "status": {"phase": "Pending"}})

    def stream(self, deployment: str, number: int, report: dict[str, Any] | None, *, ready: bool = True) -> Manifest:
        """One replica of a streamer, and what it says when it is asked."""
        owner = self.cluster.objects[(DEPLOYMENT.name, NAMESPACE, deployment)]
        pod = self.pod(owner, "ReplicaSet", owner["spec"]["template"], number)
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        running = {"phase": "Running", "podIP": f"10.0.0.{number + 1}", "conditions": conditions}
        if report is not None:
            self.cluster.answers[name_of(pod)] = json.dumps({"run": name_of(pod), "started": self.at, "exit": 0} | report)
        return self.cluster.edit(POD, NAMESPACE, name_of(pod), lambda m: m.update(status=running))

    def poll(self) -> None:
        asyncio.run(self.operation.poller.once(None))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def worlds() -> Callable[..., World]:
    """As many as a test wants, each new."""
    return World


@pytest.fixture
def key() -> SpecKey:
    return SpecKey(NAMESPACE, "majors")
