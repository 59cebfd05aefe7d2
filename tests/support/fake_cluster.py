"""A cluster in memory: server-side apply with owners of fields, defaults, quantities, generations, the garbage collector, watches.

It implements `perptape_operator.cluster.Cluster`. Lists are owned as the API server owns them: by key where items have one, else whole.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perptape_operator.cluster import MANAGER, STATUS_MANAGER, ClusterError, Exists, Invalid
from perptape_operator.kinds import BY_NAME, CLAIM, COLLECTION, CRON_JOB, DEPLOYMENT, JOB, Kind, Manifest, name_of, uid_of
from perptape_operator.likeness import quantity

At = tuple[str, str, str]
Path = tuple[str, ...]
KEYS = {"ownerReferences": "uid", "conditions": "type", "containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}
DEFAULTS: dict[str, dict[str, Any]] = {
    CRON_JOB.name: {"suspend": False, "concurrencyPolicy": "Allow"},
    DEPLOYMENT.name: {"minReadySeconds": 0},
    CLAIM.name: {"volumeMode": "Filesystem", "storageClassName": "standard"},
    JOB.name: {"completionMode": "NonIndexed", "parallelism": 1},
}
IMMUTABLE = {CLAIM.name: ("accessModes", "storageClassName"), JOB.name: ("template",), DEPLOYMENT.name: ("selector",)}
WRITES = ("create", "apply")
"""How an object comes to be as it is wanted."""
Watcher = Callable[[str, Manifest], None]


@dataclass
class FakeCluster:
    """Objects by kind, namespace and name. `writes` is every request that changed, or would have changed, something."""

    now: Callable[[], str]
    objects: dict[At, Manifest] = field(default_factory=dict)
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    events: list[Manifest] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    watchers: list[Watcher] = field(default_factory=list)
    fail: Callable[[str, str, str], Exception | None] = lambda verb, kind, name: None
    """May say that a request fails: verb, kind, name."""
    refuse_status: Callable[[Mapping[str, Any]], Exception | None] = lambda status: None
    """May say that a status is refused as it is."""
    lose: Callable[[str, str, str], Exception | None] = lambda verb, kind, name: None
    """May say that the answer to a write that was carried out is lost: verb, kind, name."""
    mutate: Callable[[Manifest], None] = lambda manifest: None
    """What an admission webhook makes of every object that is written."""
    owners: dict[str, dict[str, set[Path]]] = field(default_factory=dict)
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        await self._request("get", kind.name, name)
        return copy.deepcopy(self.objects.get((kind.name, namespace, name)))

    async def list(self, kind: Kind, namespace: str | None, labels: str, heard: Callable[[Manifest], object]) -> str:
        await self._request("list", kind.name, namespace or "")
        wanted = dict(part.split("=") for part in labels.split(",")) if labels else {}
        found = [
            copy.deepcopy(manifest)
            for (kind_name, there, _), manifest in self.objects.items()
            if kind_name == kind.name
            and namespace in (None, there)
            and wanted.items() <= (manifest["metadata"].get("labels") or {}).items()
        ]
        for manifest in found:
            heard(manifest)
        return str(next(self._serial))

    async def create(self, manifest: Manifest) -> Manifest:
        about = (manifest["kind"], name_of(manifest))
        await self._request("create", *about)
        self.writes.append(("create", *about))
        if (manifest["kind"], manifest["metadata"]["namespace"], name_of(manifest)) in self.objects:
            raise Exists(f"{about[1]} already exists", 409)
        return self._answered("create", *about, self._applied(manifest, MANAGER, status=False))

    async def apply(self, manifest: Manifest, uid: str, manager: str = MANAGER) -> Manifest:
        await self._request("apply", manifest["kind"], name_of(manifest))
        self.writes.append(("apply", manifest["kind"], name_of(manifest)))
        live = self.objects.get((manifest["kind"], manifest["metadata"]["namespace"], name_of(manifest)))
        if live is None or uid_of(live) != uid:
            raise ClusterError(f"{name_of(manifest)} is another one by now", 409)
        return self._answered("apply", manifest["kind"], name_of(manifest), self._applied(manifest, manager, status=False))

    async def apply_status(self, namespace: str, name: str, uid: str, status: Mapping[str, Any]) -> Manifest:
        await self._request("status", COLLECTION.name, name)
        self.writes.append(("status", COLLECTION.name, name))
        live = self.objects.get((COLLECTION.name, namespace, name))
        if live is None or uid_of(live) != uid:
            raise ClusterError("the spec is another one by now", 409)
        json.dumps(status)  # only plain values may reach the server
        refused = self.refuse_status(status)
        if refused is not None:
            raise refused
        about = {"name": name, "namespace": namespace}
        body = {"apiVersion": COLLECTION.api_version, "kind": COLLECTION.name, "metadata": about, "status": dict(status)}
        return self._answered("status", COLLECTION.name, name, self._applied(body, STATUS_MANAGER, status=True))

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        await self._request("delete", kind.name, name)
        self.writes.append(("delete", kind.name, name))
        live = self.objects.get((kind.name, namespace, name))
        if live is not None and uid_of(live) == uid:
            self.remove(kind, namespace, name)
        self._answered("delete", kind.name, name, {})

    async def event(self, namespace: str, event: Manifest) -> None:
        await self._request("event", "Event", "")
        self.events.append(event)

    async def through_proxy(self, namespace: str, pod: str, port: int, path: str, longest: int) -> str:
        await self._request("proxy", "Pod", pod)
        if pod not in self.answers:
            raise ClusterError("no answer", 503)
        return self.answers[pod][: longest + 1]

    async def _request(self, verb: str, kind: str, name: str) -> None:
        await asyncio.sleep(0)
        error = self.fail(verb, kind, name)
        if error is not None:
            raise error

    def _answered(self, verb: str, kind: str, name: str, answer: Manifest) -> Manifest:
        error = self.lose(verb, kind, name)
        if error is not None:
            raise error
        return answer

    # What users, controllers and the collector do

    def put(self, manifest: Manifest, *, hand: str = "somebody") -> Manifest:
        """Makes or replaces an object, as `kubectl replace` does."""
        at = (manifest["kind"], manifest["metadata"]["namespace"], name_of(manifest))
        before, made = self.objects.get(at), copy.deepcopy(manifest)
        if before is None:
            return self._stored(at, self._defaulted(made), None)
        made["metadata"] = {**before["metadata"], **made["metadata"]}
        made.setdefault("status", before.get("status", {}))
        for path in _leaves({"spec": made.get("spec", {})}):
            self.owners.setdefault(uid_of(before), {}).setdefault(hand, set()).add(path)
        return self._stored(at, made, before)

    def edit(self, kind: Kind, namespace: str, name: str, change: Callable[[Manifest], None]) -> Manifest:
        """A hand's edit, or a controller's."""
        live = copy.deepcopy(self.objects[(kind.name, namespace, name)])
        change(live)
        return self._stored((kind.name, namespace, name), live, self.objects[(kind.name, namespace, name)])

    def remove(self, kind: Kind, namespace: str, name: str, *, orphan: bool = False) -> None:
        """Deletes an object; the collector takes what it owns, unless that is orphaned."""
        gone = self.objects.pop((kind.name, namespace, name))
        gone["metadata"]["resourceVersion"] = str(next(self._serial))  # as the server says it: that of the deletion
        self._say("DELETED", gone)
        for at, manifest in list(self.objects.items()):
            owners = manifest["metadata"].get("ownerReferences") or []
            if not any(owner["uid"] == uid_of(gone) for owner in owners):
                continue
            if orphan:
                self.edit(BY_NAME[at[0]], at[1], at[2], lambda m: m["metadata"].pop("ownerReferences"))
            else:
                self.remove(BY_NAME[at[0]], at[1], at[2])

    def named(self, kind: Kind) -> dict[str, Manifest]:
        return {at[2]: manifest for at, manifest in sorted(self.objects.items()) if at[0] == kind.name}

    # Server-side apply

    def _applied(self, manifest: Manifest, manager: str, *, status: bool) -> Manifest:
        at = (manifest["kind"], manifest["metadata"]["namespace"], name_of(manifest))
        before = self.objects.get(at)
        body = copy.deepcopy(manifest)
        body["metadata"].pop("uid", None)
        live = copy.deepcopy(before) if before is not None else self._defaulted(copy.deepcopy(body))
        self._refuse(before, body)
        owned = self.owners.setdefault(uid_of(live), {})
        now = {path for path in _leaves(body) if path[0] not in ("apiVersion", "kind") and path[:2] != ("metadata", "name")}
        others = set().union(*(paths for name, paths in owned.items() if name != manager))
        for path in sorted(owned.get(manager, set()) - now - others, key=_names_its_item):
            _take(live, path)
        owned[manager] = now
        for other in owned:
            if other != manager:
                owned[other] -= {path for path in now if _value(body, path) != _value(live, path)}
        _merge(live, _normal(body))
        return self._stored(at, live, before)

    def _refuse(self, before: Manifest | None, body: Manifest) -> None:
        if before is None:
            return
        for name in IMMUTABLE.get(body["kind"], ()):
            given = (body.get("spec") or {}).get(name)
            if given is not None and name in before["spec"] and not _holds(given, before["spec"][name]):
                raise Invalid(f"{body['kind']} {name_of(body)}: field {name} is immutable", 422)

    def _defaulted(self, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        metadata.setdefault("uid", f"uid-{next(self._serial)}")
        metadata.setdefault("creationTimestamp", self.now())
        metadata["generation"] = 1
        for name, value in DEFAULTS.get(manifest["kind"], {}).items():
            manifest.setdefault("spec", {}).setdefault(name, value)
        for container in _containers(manifest):
            container.setdefault("terminationMessagePath", "/dev/termination-log")
        return manifest

    def _stored(self, at: At, manifest: Manifest, before: Manifest | None) -> Manifest:
        manifest = _normal(manifest)
        self.mutate(manifest)
        if before is not None and _plain(manifest) == _plain(before):
            return copy.deepcopy(before)  # a write that changes nothing has no version and no event
        if before is not None and manifest.get("spec") != before.get("spec"):
            manifest["metadata"]["generation"] = before["metadata"]["generation"] + 1
        manifest["metadata"]["resourceVersion"] = str(next(self._serial))
        self.objects[at] = manifest
        self._say("ADDED" if before is None else "MODIFIED", manifest)
        return copy.deepcopy(manifest)

    def _say(self, what: str, manifest: Manifest) -> None:
        for watcher in self.watchers:
            watcher(what, copy.deepcopy(manifest))


def _plain(manifest: Manifest) -> Manifest:
    found = copy.deepcopy(manifest)
    found["metadata"].pop("resourceVersion", None)
    return found


def _containers(manifest: Manifest) -> list[Manifest]:
    spec = manifest.get("spec") or {}
    template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template") or {}
    return list((template.get("spec") or {}).get("containers") or ())


def _leaves(value: Any, path: Path = ()) -> set[Path]:
    if isinstance(value, dict) and value:
        return set().union(*(_leaves(inner, (*path, str(key))) for key, inner in value.items()))
    key = KEYS.get(path[-1]) if path else None
    if isinstance(value, list) and key is not None and value:
        return set().union(*(_leaves(item, (*path, f"{key}={item[key]}")) for item in value))
    return {path}


def _step(value: Any, step: str) -> Any:
    if isinstance(value, list):
        key, _, wanted = step.partition("=")
        return next((item for item in value if str(item.get(key)) == wanted), None)
    return value.get(step) if isinstance(value, dict) else None


def _value(value: Any, path: Path) -> Any:
    for step in path:
        value = _step(value, step)
    return value


def _take(value: Any, path: Path) -> None:
    """Removes a leaf, and what is empty without it."""
    inner = _step(value, path[0])
    if inner is None:
        return
    if len(path) > 1:
        _take(inner, path[1:])
        if inner or path[0] in ("metadata", "spec", "status"):
            return
    if isinstance(value, list):
        value.remove(inner)
    else:
        value.pop(path[0])
    if isinstance(inner, dict) and len(path) > 1 and not inner:
        return


def _names_its_item(path: Path) -> bool:
    """Whether a leaf is the key by which its item is found: it must go last."""
    return len(path) > 1 and path[-2].startswith(f"{path[-1]}=")


def _merge(live: dict[str, Any], body: dict[str, Any]) -> None:
    for name, value in body.items():
        there = live.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            _merge(there, value)
        elif isinstance(value, list) and isinstance(there, list) and name in KEYS:
            _merge_list(there, value, KEYS[name])
        else:
            live[name] = copy.deepcopy(value)


def _merge_list(there: list[Any], value: list[Any], key: str) -> None:
    """Items of a list with a key: those of the applier in its order, then what others have."""
    by_key = {item[key]: item for item in there}
    for item in value:
        if item[key] in by_key:
            _merge(by_key[item[key]], item)
        else:
            by_key[item[key]] = copy.deepcopy(item)
    wanted = [item[key] for item in value]
    there[:] = [by_key[name] for name in wanted] + [item for name, item in by_key.items() if name not in wanted]


def _holds(given: Any, live: Any) -> bool:
    if isinstance(given, dict) and isinstance(live, dict):
        return all(_holds(value, live.get(key)) for key, value in given.items())
    if isinstance(given, list) and isinstance(live, list):
        return len(given) == len(live) and all(_holds(one, other) for one, other in zip(given, live, strict=True))
    return bool(given == live)


def _normal(value: Any, *, amounts: bool = False) -> Any:
    """Quantities as the API server writes them: 0.1 is 100m."""
    if isinstance(value, dict):
        return {key: _normal(inner, amounts=amounts or key in ("requests", "limits")) for key, inner in value.items()}
    if isinstance(value, list):
        return [_normal(item, amounts=amounts) for item in value]
    if amounts and isinstance(value, str) and "." in value and value.replace(".", "").isdecimal():
        number = quantity(value)
        return value if number is None else f"{int(number * 1000)}m"
    return value
