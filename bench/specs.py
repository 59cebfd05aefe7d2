"""The operator beside a bare client: `python -m bench operator [--specs N] [--idle SECONDS]` (1 000 specs and 300 s when left out).

N suspended CollectionSpecs of seven children each, against a real API server (`apiserver`). The operator and the peer, which applies the
same objects and one status a spec and looks at nothing, each in a process of its own and a namespace of its own; both are timed from
the start of their process to the last thing that changed before five quiet seconds. Then: an edit while all others are there, memory, and
what is written while nothing happens. Exits 1 when a promise of issue 5 is not kept. (A file of the bench's name would hide the
standard library's `operator`.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from apiserver import api_server
from measure import ROOT, against, load, running, say
from specs_client import CONNECTIONS, Api, connected, peer, watching

from perptape_api.names import PLAN_HASH_ANNOTATION
from perptape_api.status import Status
from perptape_operator import facts, gathered, standing
from perptape_operator.applied import Outcome
from perptape_operator.cache import SpecKey
from perptape_operator.gathered import Gathered
from perptape_operator.kinds import COLLECTION, CONFIG_MAP, CRON_JOB, DEPLOYMENT, NETWORK_POLICY, Manifest, annotations_of, name_of
from perptape_operator.settings import Settings
from support.minio import free_port

CHILDREN = 7
QUIET_S = 5.0
STEADY_RATIO, GROWTH, RSS_MB, EDIT_S = 1.2, 5.5, 150.0, 2.0
STEP = 5
"""By how much the second size is larger than the first."""
IDENTITY = "bench.perptape"
SPEC = {
    "venues": [{"exchange": "binance"}],
    "symbols": {"names": ["BTCUSDT-PERP", "ETHUSDT-PERP"]},
    "collect": {"openInterest": {}, "funding": {}, "liquidations": {"replicas": 1}},
    "verify": {"every": "1d"},
    "suspend": True,
}


def spec(namespace: str, index: int) -> Manifest:
    name = f"s{index:05d}"
    document = {**SPEC, "store": {"s3": {"bucket": "tape", "prefix": f"{namespace}-{name}"}}}
    return {
        "apiVersion": COLLECTION.api_version,
        "kind": COLLECTION.name,
        "metadata": {"name": name, "namespace": namespace},
        "spec": document,
    }


def settings(namespace: str) -> Settings:
    return Settings(identity=IDENTITY, namespaces=(namespace,), namespace="bench", connections=CONNECTIONS)


def planned(collection: Manifest) -> Gathered:
    """What the operator wants of a new spec."""
    key = SpecKey(collection["metadata"]["namespace"], name_of(collection))
    collection = {**collection, "apiVersion": COLLECTION.api_version, "kind": COLLECTION.name}
    parsed = gathered.parsed(collection)
    assert not isinstance(parsed, gathered.Unusable), parsed
    return gathered.gathered(key, collection, parsed, {}, None, None, settings(key.namespace), time.time_ns() // 1_000_000)


def work(collection: Manifest) -> tuple[Manifest, ...]:
    """The peer's: every child and the status, as the operator writes them."""
    found = planned(collection)
    told, _ = facts.told(found, Outcome(), Status(), {}, {}, {}, {}, found.now)
    about = {"name": found.key.name, "namespace": found.key.namespace, "uid": collection["metadata"]["uid"]}
    status = {"apiVersion": COLLECTION.api_version, "kind": COLLECTION.name, "metadata": about, "status": standing.written(told)}
    return (*found.wanted, status)


async def prepare(api: Api, namespace: str, count: int) -> list[Manifest]:
    """A namespace with so many specs and nothing else."""
    await api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    return list(await asyncio.gather(*(api.ask("POST", COLLECTION.path(namespace), spec(namespace, index)) for index in range(count))))


async def define(api: Api) -> None:
    """The definition, served."""
    document = yaml.safe_load((ROOT / "crds/collectionspec.yaml").read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{document['metadata']['name']}"
    await api.ask("PATCH", f"{path}?fieldManager=bench&force=true", document, "application/apply-patch+yaml")
    for _ in range(120):
        conditions = (await api.ask("GET", path)).get("status", {}).get("conditions") or ()
        if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
            await asyncio.sleep(2)  # its handlers come a moment later
            return
        await asyncio.sleep(0.5)
    raise RuntimeError("the definition is not served after a minute")


async def missing(api: Api, namespace: str) -> str:
    """What of the wanted is not there, or not told for this generation; nothing when all is."""
    live = {
        (kind.name, name_of(one)): one
        for kind in (CONFIG_MAP, CRON_JOB, DEPLOYMENT, NETWORK_POLICY)
        for one in await api.listed(kind, namespace)
    }
    for collection in await api.listed(COLLECTION, namespace):
        wanted = planned(collection).wanted
        assert len(wanted) == CHILDREN, [(one["kind"], name_of(one)) for one in wanted]
        for one in wanted:
            there = live.get((one["kind"], name_of(one)))
            if there is None:
                return f"{one['kind']} {name_of(one)} is missing"
            # a ConfigMap holds since when it is wanted, which nobody else knows
            if (
                one["kind"] != CONFIG_MAP.name
                and annotations_of(there).get(PLAN_HASH_ANNOTATION) != annotations_of(one)[PLAN_HASH_ANNOTATION]
            ):
                return f"{one['kind']} {name_of(one)} has another hash"
        if collection.get("status", {}).get("observedGeneration") != collection["metadata"]["generation"]:
            return f"{name_of(collection)} has no status for its generation"
    return ""


@contextmanager
def operator(kubeconfig: Path, namespace: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """The operator as a process, and when it was started."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PERPTAPE_")},
        "KUBECONFIG": str(kubeconfig),
        "PERPTAPE_OPERATOR": IDENTITY,
        "PERPTAPE_NAMESPACES": namespace,
        "PERPTAPE_NAMESPACE": "bench",
        "PERPTAPE_CONNECTIONS": str(CONNECTIONS),
        "PERPTAPE_HTTP_PORT": str(free_port()),
        "PERPTAPE_LOG_LEVEL": "warning",
    }
    began = time.monotonic()
    with running([sys.executable, "-m", "perptape_operator"], folder / f"{namespace}.log", environ) as process:
        yield process, began


def memory(pid: int) -> tuple[float, float]:
    """(now, at most) MB of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    now, most = (int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[index]
    return now, most


def cpu(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def edited(api: Api, namespace: str, count: int) -> float:
    """Seconds from an edit's answer to a child that is as edited, the latest of five."""
    took = []
    for index in range(0, count, max(1, count // 5)):
        name = f"s{index:05d}"
        child = CRON_JOB.path(namespace, f"{name}-binance-funding")
        before = annotations_of(await api.ask("GET", child))[PLAN_HASH_ANNOTATION]
        change = {"spec": {"symbols": {"names": ["SOLUSDT-PERP"]}}}
        await api.ask("PATCH", COLLECTION.path(namespace, name), change, "application/merge-patch+json")
        began = time.monotonic()
        while annotations_of(await api.ask("GET", child))[PLAN_HASH_ANNOTATION] == before:
            if time.monotonic() - began > 60:
                raise RuntimeError(f"an edit of {name} is not acted on after a minute")
            await asyncio.sleep(0.02)
        took.append(time.monotonic() - began)
    say(f"  an edit, each: {', '.join(f'{one:.2f}' for one in took)} s, median {statistics.median(took):.2f}")
    return max(took)


async def of_peer(kubeconfig: Path, api: Api, namespace: str, count: int, folder: Path) -> float:
    specs = await prepare(api, namespace, count)
    given = folder / f"{namespace}.json"
    given.write_text(json.dumps([work(one) for one in specs]))
    async with watching(kubeconfig, namespace) as seen:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(sys.executable, __file__, "--peer", str(kubeconfig), str(given))
        if await process.wait():
            raise RuntimeError("the peer failed")
        steady = await seen.quiet(QUIET_S) - began
    if why := await missing(api, namespace):
        raise RuntimeError(f"the peer left something out: {why}")
    return steady


async def of_operator(
    kubeconfig: Path, api: Api, namespace: str, count: int, folder: Path, idle: float | None
) -> tuple[float, float, bool]:
    """(seconds, MB, whether all else is within its limits). `idle`: how long it is watched at rest; None: not at all."""
    await prepare(api, namespace, count)
    within = True
    async with watching(kubeconfig, namespace) as seen:
        with operator(kubeconfig, namespace, folder) as (process, began):
            while seen.count < count * (CHILDREN + 1) and process.poll() is None and time.monotonic() - began < 60 + count:  # noqa: ASYNC110
                await asyncio.sleep(0.5)  # before it has begun, it is quiet too
            steady = await seen.quiet(QUIET_S) - began
            if why := await missing(api, namespace):
                raise RuntimeError(
                    f"not steady: {why}; see {folder / f'{namespace}.log'}: {(folder / f'{namespace}.log').read_text()[-1500:]}"
                )
            now, most = memory(process.pid)
            said = f"resident {now:.1f} MB, at most {most:.1f}; {cpu(process.pid):.1f} s of CPU; {seen.count} changes seen"
            say(f"  operator, {count} specs: {steady:.1f} s; {said}")
            if idle is not None:
                within &= against(
                    f"an edit acted on beside {count} specs", await edited(api, namespace, count), EDIT_S, "s", "the latest of five"
                )
                await seen.quiet(QUIET_S)
                before, used = await api.writes(), cpu(process.pid)
                await asyncio.sleep(idle)
                written = await api.writes() - before
                how = f"by the API server's count, {idle:g} s; {cpu(process.pid) - used:.1f} s of CPU"
                within &= against(f"writes while {count} suspended specs rest", written, 0, "requests", how)
                now, most = memory(process.pid)
                within &= against(f"resident at {count} specs", now, RSS_MB, "MB", f"at most {most:.1f}")
    return steady, now, within


async def measured(count: int, idle: float) -> bool:
    small = max(1, count // STEP)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with api_server(folder) as kubeconfig:
            async with connected(kubeconfig) as api:
                await define(api)
                say(f"  {load()}")
                run = f"{time.time_ns() // 10**9:x}"
                bare = await of_peer(kubeconfig, api, f"peer-{run}", count, folder)
                say(f"  peer, {count} specs: {bare:.1f} s; {load()}")
                little, less, _ = await of_operator(kubeconfig, api, f"small-{run}", small, folder, None)
                steady, more, within = await of_operator(kubeconfig, api, f"large-{run}", count, folder, idle)
                say(f"  memory: {(more - less) / (count - small) * 1024:.1f} kB per further spec; {load()}")
                how = f"{steady:.1f} s and {bare:.1f} s from exec to the last change, {CHILDREN} children and a status each"
                within &= against(f"steady at {count} specs, beside the peer", steady / bare, STEADY_RATIO, "x", how)
                return within & against(f"t({count}) / t({small})", steady / little, GROWTH, "x", f"{steady:.1f} s and {little:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--specs", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=300.0)
    parser.add_argument("--peer", nargs=2, metavar=("KUBECONFIG", "WORK"))
    given = parser.parse_args()
    if given.peer:
        asyncio.run(peer(Path(given.peer[0]), json.loads(Path(given.peer[1]).read_text())))
        return 0
    return 0 if asyncio.run(measured(given.specs, given.idle)) else 1


if __name__ == "__main__":
    sys.exit(main())
