"""What watches and lists said last, kept small: each object as compressed JSON, found by name or by spec. No clock, no I/O."""

import zlib
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json  # three times as fast as the standard library's

from perptape_api.names import SPEC_LABEL
from perptape_operator.kinds import COLLECTION, POD, Kind, Manifest, ended, labels_of, name_of, uid_of, version_of

REMEMBERED: Final = 20_000
POD_SPEC: Final = ("nodeName",)
POD_STATUS: Final = ("phase", "podIP", "reason", "message", "startTime", "conditions", "containerStatuses")


class SpecKey(NamedTuple):
    """Which CollectionSpec."""

    namespace: str
    name: str


class At(NamedTuple):
    """Where an object is."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Kept:
    uid: str
    version: str
    spec: SpecKey | None
    text: bytes
    address: str = ""


@dataclass(slots=True)
class Cache:
    """Every object of interest, by the newest word of the API server."""

    _kept: dict[At, Kept] = field(default_factory=dict)
    _by_spec: dict[SpecKey, set[At]] = field(default_factory=dict)
    _by_address: dict[str, At] = field(default_factory=dict)
    _gone: dict[str, str] = field(default_factory=dict)
    """UID -> the version by which it was gone, the latest last."""

    def put(self, manifest: Manifest, asked: bool = False) -> bool:
        """Keeps the object, unless what is kept is newer or it was gone after that. Whether that changed anything.

        A newer definition shows more of a spec, or new defaults, under the version that it has; a watch begun before goes on telling it by
        the former one for minutes. So an answer to a question (`asked`: a get, a list) counts over a watch's word on the same version.
        """
        at, version, before = place_of(manifest), version_of(manifest), self._kept.get(place_of(manifest))
        gone = self._gone.get(uid_of(manifest))
        same = asked and before is not None and (uid_of(manifest), version) == (before.uid, before.version)
        if (gone is not None and not _newer(version, gone)) or (before is not None and not same and not _newer(version, before.version)):
            return False
        spec = spec_of(manifest)
        address = str((manifest.get("status") or {}).get("podIP") or "") if manifest["kind"] == POD.name else ""
        text = zlib.compress(to_json(_slim(manifest)), 1)
        if same and before is not None and text == before.text:
            return False
        self._unlink(at)
        self._kept[at] = Kept(uid_of(manifest), version, spec, text, address)
        if spec is not None and manifest["kind"] != COLLECTION.name:
            self._by_spec.setdefault(spec, set()).add(at)
        if address and not ended(manifest):
            self._by_address[address] = at
        return True

    def drop(self, kind: str, namespace: str, name: str, uid: str, version: str = "") -> None:
        """Forgets an object, and what was said of it up to `version` (without one: up to what is kept). It may come back: a watch by a
        label says of one that lost it that it is gone, and of one that has it again that it is new."""
        at = At(kind, namespace, name)
        kept = self._kept.get(at)
        if kept is not None and uid in ("", kept.uid):
            uid, version = kept.uid, version or kept.version
            self._unlink(at)
        before = self._gone.pop(uid, "")
        if uid:
            self._gone[uid] = version if _newer(version, before) else before
        if len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]

    def unlisted(self, kind: Kind, namespace: str | None, seen: Set[At], version: str) -> set[SpecKey]:
        """Forgets what a whole list made at `version` did not hold; returns the specs of those that were gone unsaid."""
        missing = [
            (at, kept)
            for at, kept in self._kept.items()
            if at.kind == kind.name and namespace in (None, at.namespace) and at not in seen and not _newer(kept.version, version)
        ]
        for at, kept in missing:
            self.drop(*at, kept.uid, version)
        return {kept.spec for _, kept in missing if kept.spec is not None}

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        kept = self._kept.get(At(kind.name, namespace, name))
        return None if kept is None else _manifest(kept)

    def children(self, key: SpecKey) -> list[Manifest]:
        """Everything with the spec's label, in a fixed order."""
        return [_manifest(self._kept[at]) for at in sorted(self._by_spec.get(key, ()))]

    def specs(self) -> list[SpecKey]:
        return [SpecKey(at.namespace, at.name) for at in self._kept if at.kind == COLLECTION.name]

    def versions(self) -> list[tuple[SpecKey, str]]:
        """Every spec, and the version of what is known of it. Any thread may ask: it copies before it looks."""
        return [(SpecKey(at.namespace, at.name), kept.version) for at, kept in list(self._kept.items()) if at.kind == COLLECTION.name]

    def pods(self) -> Iterator[Manifest]:
        """Every pod that has an address."""
        return (_manifest(self._kept[at]) for at in list(self._by_address.values()))

    def pod_at(self, address: str) -> At | None:
        """The living pod with this address."""
        return self._by_address.get(address)

    def addresses(self) -> Set[str]:
        return self._by_address.keys()

    def __len__(self) -> int:
        return len(self._kept)

    def _unlink(self, at: At) -> None:
        kept = self._kept.pop(at, None)
        if kept is None:
            return
        if kept.spec is not None and at in (owned := self._by_spec.get(kept.spec, set())):
            owned.discard(at)
            if not owned:
                del self._by_spec[kept.spec]
        if self._by_address.get(kept.address) == at:
            del self._by_address[kept.address]


def spec_of(manifest: Manifest) -> SpecKey | None:
    """The spec that an object is, or is labelled with."""
    namespace = str(manifest["metadata"].get("namespace", ""))
    if manifest["kind"] == COLLECTION.name:
        return SpecKey(namespace, name_of(manifest))
    label = labels_of(manifest).get(SPEC_LABEL)
    return None if label is None else SpecKey(namespace, label)


def place_of(manifest: Manifest) -> At:
    """Where an object is."""
    return At(manifest["kind"], str(manifest["metadata"].get("namespace", "")), name_of(manifest))


def _slim(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    if manifest["kind"] != POD.name:
        return {**manifest, "metadata": metadata}
    found: dict[str, Any] = {"apiVersion": manifest.get("apiVersion"), "kind": POD.name, "metadata": metadata}
    for part, fields in (("spec", POD_SPEC), ("status", POD_STATUS)):
        found[part] = {key: value for key, value in (manifest.get(part) or {}).items() if key in fields}
    return found


def _manifest(kept: Kept) -> Manifest:
    found: Manifest = from_json(zlib.decompress(kept.text))
    return found


def _newer(version: str, than: str) -> bool:
    """Resource versions of one server are ordered numbers; where they are none, the later word counts."""
    return not (version.isdecimal() and than.isdecimal()) or int(version) > int(than)
