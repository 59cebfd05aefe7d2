"""What to change, given what is wanted and what is there.

Pure: the functional core of the operator. `reconcile` carries the plan out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from perptape_api.names import OPERATOR_LABEL, PLAN_HASH_ANNOTATION, SPEC_LABEL
from perptape_operator.kinds import (
    CLAIM,
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    Manifest,
    annotations_of,
    controller_uid,
    kind_of,
    labels_of,
    name_of,
    uid_of,
)
from perptape_operator.likeness import contained, fingerprint
from perptape_operator.naming import MANAGED_BY

Ref = tuple[str, str]
"""Kind and name, in the spec's namespace."""
Ownership = Literal["ours", "collected", "other", "taken"]

REMOVABLE = (CRON_JOB, DEPLOYMENT, NETWORK_POLICY, DISRUPTION_BUDGET)
"""What goes when it is no longer wanted: never a claim, which holds data, nor a ConfigMap, which is always wanted."""
NO_ANSWERS: Final[Mapping[Ref, str]] = {}
FIRST = (CONFIG_MAP, CLAIM)
"""Written before all else: since when things are wanted must be there before anything runs."""


@dataclass(frozen=True, slots=True)
class Mine:
    """By what an object is known to belong to this spec and this operator."""

    identity: str
    spec: str
    uid: str

    def ownership(self, live: Manifest) -> Ownership:
        """Whose an object is. `collected`: ours, but of an earlier spec of this name, so that the collector may be about to take it."""
        labels, owner = labels_of(live), controller_uid(live)
        if labels.get(OPERATOR_LABEL, self.identity) != self.identity:
            return "other"
        if owner == self.uid:
            return "ours"
        labelled = labels.get(OPERATOR_LABEL) == self.identity and labels.get("app.kubernetes.io/managed-by") == MANAGED_BY
        if not labelled or labels.get(SPEC_LABEL) != self.spec:
            return "taken"
        return "ours" if owner is None else "collected"

    def loses(self, live: Manifest) -> bool:
        """Whether an object is about to vanish: it is being deleted, or the collector takes it."""
        return dying(live) or self.ownership(live) == "collected"


@dataclass(frozen=True, slots=True)
class Removal:
    """An object to delete, and no other of its name."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An object of a wanted name that is not ours."""

    kind: str
    name: str
    ownership: Ownership


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write first, what then, what to delete; what stands in the way; what is waited for.

    While something of FIRST is in the way nothing else is made: its pods would mount what is not ours. What is there is kept up.
    """

    first: tuple[Manifest, ...] = ()
    apply: tuple[Manifest, ...] = ()
    delete: tuple[Removal, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    waiting: tuple[Obstacle, ...] = ()
    """Objects of a wanted name that are being deleted, or are an earlier spec's."""


def ref(manifest: Manifest) -> Ref:
    return (manifest["kind"], name_of(manifest))


def plan(
    wanted: Sequence[Manifest],
    live: Mapping[Ref, Manifest],
    mine: Mine,
    overdue: frozenset[str] = frozenset(),
    unread: frozenset[Ref] = frozenset(),
    answered: Mapping[Ref, str] = NO_ANSWERS,
) -> Plan:
    """The plan. `overdue`: UIDs of objects that the collector should have taken long ago: they are adopted. `unread`: of which it is not
    known whether they are there: they are left alone. `answered`: fingerprints of what the API server made of objects of ours that it
    does not keep as they were written; to write them again would change nothing."""
    apply: list[Manifest] = []
    obstacles: list[Obstacle] = []
    waiting: list[Obstacle] = []
    for manifest in wanted:
        there = live.get(ref(manifest))
        if ref(manifest) in unread:
            continue
        ownership = mine.ownership(there) if there is not None else "ours"
        if ownership in ("other", "taken"):
            obstacles.append(Obstacle(*ref(manifest), ownership))
        elif there is not None and _goes(there, ownership, overdue):
            waiting.append(Obstacle(*ref(manifest), ownership))
        elif there is None or not satisfied(manifest, there, answered.get(ref(manifest))):
            apply.append(manifest)
    names = {ref(manifest) for manifest in wanted}
    delete = tuple(
        Removal(*at, uid_of(there))
        for at, there in sorted(live.items())
        if at not in names and kind_of(there) in REMOVABLE and mine.ownership(there) == "ours" and not dying(there)
    )
    first = tuple(manifest for manifest in apply if kind_of(manifest) in FIRST)
    in_the_way = {one.kind for one in (*obstacles, *waiting)} | {kind for kind, _ in unread}
    held = any(kind.name in in_the_way for kind in FIRST)
    rest = tuple(one for one in apply if kind_of(one) not in FIRST and (not held or ref(one) in live))
    return Plan(first, rest, delete, tuple(obstacles), tuple(waiting))


def satisfied(manifest: Manifest, there: Manifest, answered: str | None = None) -> bool:
    """Whether the live object is as planned: the same hash, and no hand has changed what the hash stands for, or what the server made
    of it (an admission webhook may put another image into every pod)."""
    name = PLAN_HASH_ANNOTATION
    same = annotations_of(there).get(name) == annotations_of(manifest).get(name)
    return same and (contained(manifest, there) or (answered is not None and answered == fingerprint(there)))


def _goes(there: Manifest, ownership: Ownership, overdue: frozenset[str]) -> bool:
    return dying(there) or (ownership == "collected" and uid_of(there) not in overdue)


def dying(there: Manifest) -> bool:
    return bool(there["metadata"].get("deletionTimestamp"))
