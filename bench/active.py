"""The operator over specs that collect: `python -m bench active [--specs N] [--minutes M]` (100 and 3 when left out).

N CollectionSpecs of one venue against a real API server (`apiserver`) without kubelets. The bench does what the CronJobs' controller and
the kubelet do: every ten seconds a run of each spec ends with a report whose rows and watermark are new. Counted is what is written to
each spec's status, from its own watch: never more than one a minute on average, though six runs a minute change it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from apiserver import api_server
from measure import against, at_least, load, say
from specs import cpu, define, memory, operator
from specs_client import Api, connected

from perptape_api.names import WORK_HASH_ANNOTATION
from perptape_operator.kinds import COLLECTION, CRON_JOB, JOB, POD, Kind, Manifest, annotations_of, name_of, uid_of

EVERY_S = 10.0
"""Between the runs of a spec."""
KEPT = 12
"""Runs of a spec that are there at once: more than end between two status writes, as where runs come every five minutes."""
MOST = 1.0
"""Status writes a minute and spec."""
AT_ONCE = 16


def spec(namespace: str, index: int) -> Manifest:
    name = f"a{index:05d}"
    store = {"s3": {"bucket": "tape", "prefix": f"{namespace}-{name}"}}
    wanted = {"venues": [{"exchange": "binance"}], "symbols": {"names": ["BTCUSDT-PERP"]}, "collect": {"openInterest": {}}, "store": store}
    about = {"name": name, "namespace": namespace}
    return {"apiVersion": COLLECTION.api_version, "kind": COLLECTION.name, "metadata": about, "spec": wanted}


@dataclass
class Told:
    """Status writes, by spec, since it was last emptied."""

    writes: Counter[str] = field(default_factory=Counter)
    last: dict[str, Any] = field(default_factory=dict)

    def hear(self, line: bytes) -> None:
        collection = json.loads(line)["object"]
        status = collection.get("status")
        if status is not None and self.last.get(name_of(collection)) != status:
            self.writes[name_of(collection)] += 1
            self.last[name_of(collection)] = status


@asynccontextmanager
async def listening(kubeconfig: Path, namespace: str) -> AsyncIterator[Told]:
    """Follows the specs of a namespace as long as this lasts."""
    told = Told()

    async def follow(api: Api) -> None:
        path = f"{COLLECTION.path(namespace)}?watch=true&timeoutSeconds=3600"
        async with api.session.get(api.base + path, timeout=aiohttp.ClientTimeout(total=None), read_bufsize=2**20) as answer:
            async for line in answer.content:
                told.hear(line)

    async with connected(kubeconfig, 1) as api:
        task = asyncio.ensure_future(follow(api))
        try:
            yield told
            if task.done():
                raise RuntimeError(f"the watch of the specs has ended: {task.exception()}")
        finally:
            task.cancel()


def run_of(cron_job: Manifest, number: int, now: int) -> tuple[Manifest, Manifest, Manifest]:
    """What a run of a CronJob leaves: its Job, the Job's pod, and the pod's status with a report."""
    template = cron_job["spec"]["jobTemplate"]
    name, namespace = f"{name_of(cron_job)}-{number}", cron_job["metadata"]["namespace"]
    about = {"name": name, "namespace": namespace, **template["metadata"], "ownerReferences": [_owner(CRON_JOB, cron_job)]}
    job = {"apiVersion": JOB.api_version, "kind": JOB.name, "metadata": about, "spec": template["spec"]}
    inner = template["spec"]["template"]
    pod = {
        "apiVersion": POD.api_version,
        "kind": POD.name,
        "metadata": {"name": f"{name}-pod", "namespace": namespace, **inner["metadata"]},
        "spec": inner["spec"],
    }
    part = {"venue": "binance", "dataset": "open_interest", "state": "ok", "rows": 1, "watermark": now, "due": now}
    report = {"run": f"{name}-pod", "started": now - 1000, "finished": now, "exit": 0, "collections": [part]}
    report["work_hash"] = annotations_of(inner)[WORK_HASH_ANNOTATION]
    ended = {"exitCode": 0, "message": json.dumps(report)}
    container = {"name": inner["spec"]["containers"][0]["name"], "image": "x", "imageID": "x", "ready": False, "restartCount": 0}
    status = {"status": {"phase": "Succeeded", "containerStatuses": [{**container, "state": {"terminated": ended}}]}}
    return job, pod, status


def _owner(kind: Kind, manifest: Manifest) -> dict[str, Any]:
    return {"apiVersion": kind.api_version, "kind": kind.name, "name": name_of(manifest), "uid": uid_of(manifest), "controller": True}


async def collect(api: Api, cron_job: Manifest, number: int) -> None:
    """One run, begun and ended; what is left of the oldest goes, as the history limit has it."""
    job, pod, status = run_of(cron_job, number, time.time_ns() // 1_000_000)
    namespace = job["metadata"]["namespace"]
    made = await api.ask("POST", JOB.path(namespace), job)
    pod["metadata"]["ownerReferences"] = [_owner(JOB, made)]
    await api.ask("POST", POD.path(namespace), pod)
    await api.ask("PATCH", POD.path(namespace, name_of(pod), "status"), status, "application/merge-patch+json")
    if number >= KEPT:
        before = f"{name_of(cron_job)}-{number - KEPT}"
        await api.ask("DELETE", POD.path(namespace, f"{before}-pod"), {"gracePeriodSeconds": 0})
        await api.ask("DELETE", JOB.path(namespace, before), {"propagationPolicy": "Background"})


async def active(api: Api, cron_jobs: list[Manifest], minutes: float, first: int = 0) -> int:
    """Runs of all of them, spread over each ten seconds, numbered from `first` on. The number after the last."""
    slots, began = asyncio.Semaphore(AT_ONCE), time.monotonic()
    last = first + round(minutes * 60 / EVERY_S)

    async def one(cron_job: Manifest, number: int, at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        async with slots:
            await collect(api, cron_job, number)

    for number in range(first, last):
        start = began + (number - first) * EVERY_S
        await asyncio.gather(*(one(each, number, start + index * EVERY_S / len(cron_jobs)) for index, each in enumerate(cron_jobs)))
    return last


async def ready(api: Api, namespace: str, count: int) -> list[Manifest]:
    """The CronJob of every spec's one collection, once the operator has made them."""
    for _ in range(240):
        found = [one for one in await api.listed(CRON_JOB, namespace) if name_of(one).endswith("-open-interest")]
        if len(found) == count:
            return [{**one, "apiVersion": CRON_JOB.api_version, "kind": CRON_JOB.name} for one in found]
        await asyncio.sleep(0.5)
    raise RuntimeError(f"{len(found)} of {count} specs have their CronJob after two minutes")


async def measured(count: int, minutes: float) -> bool:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, api_server(Path(name)) as kubeconfig:
        async with connected(kubeconfig) as api:
            await define(api)
            namespace = f"active-{time.time_ns() // 10**9:x}"
            await api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
            await asyncio.gather(*(api.ask("POST", COLLECTION.path(namespace), spec(namespace, index)) for index in range(count)))
            async with listening(kubeconfig, namespace) as told:
                with operator(kubeconfig, namespace, Path(name)) as (process, _):
                    cron_jobs = await ready(api, namespace, count)
                    first = await active(api, cron_jobs, 1)  # until here they began: a state that changes is told at once
                    told.writes.clear()
                    used, began = cpu(process.pid), time.monotonic()
                    each = await active(api, cron_jobs, minutes, first)  # runs of a spec so far
                    took = (time.monotonic() - began) / 60
                    rows = [one["rows"] for status in told.last.values() for one in status.get("collections", ())]
                    said = f"{cpu(process.pid) - used:.1f} s of CPU, resident {memory(process.pid)[0]:.1f} MB; {load()}"
                    say(f"  {count} specs, {(each - first) * count} runs in {took:.2f} minutes; {said}")
                    told_of = f"{min(rows)} to {max(rows)} of {each} by then, a row a run; a status may be a minute behind"
                    whole = at_least("rows in every status", min(rows), each - round(60 / EVERY_S) - 1, "rows", told_of)
                    most = max(told.writes.values(), default=0)
                    how = f"{sum(told.writes.values())} writes; the most to one spec: {most}"
                    mean = sum(told.writes.values()) / count / took
                    return against(f"status writes a minute and spec, {count} active ones", mean, MOST, "writes", how) & whole


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--specs", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=3.0)
    given = parser.parse_args()
    return 0 if asyncio.run(measured(given.specs, given.minutes)) else 1


if __name__ == "__main__":
    sys.exit(main())
