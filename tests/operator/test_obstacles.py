"""What is in the operator's way: permissions, refusals, others' objects. It says so, and does what it can."""

import asyncio
import json
from typing import Any

import pytest

from perptape_operator import clock
from perptape_operator.cluster import ClusterError, Forbidden, Invalid, refusal
from perptape_operator.kinds import CLAIM, COLLECTION, CONFIG_MAP, CRON_JOB, DEPLOYMENT, JOB, NETWORK_POLICY
from perptape_operator.settings import Settings
from support.fake_cluster import WRITES

NS = "trading"
RBAC = (
    'networkpolicies.networking.k8s.io is forbidden: User "system:serviceaccount:ns:perptape" cannot {verb} resource '
    '"networkpolicies" in API group "networking.k8s.io" in the namespace "trading"'
)
RESIZE = (
    'persistentvolumeclaims "majors-tape" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that '
    "provisions the pvc must support resize"
)


def foreign(kind: Any, name: str) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": name, "namespace": NS},
        "spec": {"accessModes": ["ReadWriteOnce"]},
    }


@pytest.mark.parametrize("verb", ["list", "create"])
def test_a_missing_rule_is_named_and_everything_else_is_made(world: Any, verb: str) -> None:
    said, doing = RBAC.format(verb=verb), verb
    world.cluster.fail = lambda what, kind, name: Forbidden(said, 403) if (what, kind) == (doing, NETWORK_POLICY.name) else None
    world.restart()
    world.spec()
    world.settle()
    ready = world.condition("Ready")
    assert (ready["reason"], said in ready["message"]) == ("Forbidden", True)
    made = {kind for kind, _ in world.children()}
    assert {CONFIG_MAP.name, CLAIM.name, CRON_JOB.name, DEPLOYMENT.name, JOB.name} <= made
    assert (NETWORK_POLICY.name in made) == (verb == "list")


def test_what_may_not_be_read_is_never_written_over(world: Any) -> None:
    said = RBAC.format(verb="get")
    theirs = world.cluster.put(foreign(NETWORK_POLICY, "majors-network"))
    world.cluster.fail = lambda what, kind, name: Forbidden(said, 403) if (what, kind) == ("get", NETWORK_POLICY.name) else None
    world.spec()
    world.settle()
    ready = world.condition("Ready")
    assert (ready["reason"], said in ready["message"]) == ("Forbidden", True)
    assert world.cluster.named(NETWORK_POLICY) == {"majors-network": theirs}
    assert world.children(CRON_JOB, DEPLOYMENT, JOB)


def test_what_has_a_wanted_name_is_read_once_it_was_met_and_never_written_at(world: Any) -> None:
    """Its making is refused once; from then on it is looked at, until it is gone."""
    world.cluster.put(foreign(CRON_JOB, "majors-binance-funding"))
    world.spec()
    world.settle()
    assert world.condition("Ready")["reason"] == "NameTaken"
    writes = len(world.cluster.writes)
    for _ in range(3):
        world.operation.queue.add(world.operation.cache.specs()[0])
        world.settle(30)
    assert world.cluster.writes[writes:] == []
    world.cluster.remove(CRON_JOB, NS, "majors-binance-funding")
    world.operation.queue.add(world.operation.cache.specs()[0])
    world.settle()
    assert world.condition("Ready")["reason"] == "Starting"
    assert ("CronJob", "majors-binance-funding") in world.children(CRON_JOB)


def test_a_namespace_that_is_gone_takes_no_other_with_it(worlds: Any) -> None:
    """One that is deleted loses its Role before the operator is told of other namespaces: every list of it is refused."""
    world = worlds(settings=Settings(identity="ns.perptape", namespace="ns", namespaces=("gone", NS)))
    said = RBAC.format(verb="list").replace('namespace "trading"', 'namespace "gone"')
    world.cluster.fail = lambda verb, kind, name: Forbidden(said, 403) if (verb, name) == ("list", "gone") else None
    world.restart()
    world.cluster.watchers.clear()
    world.spec()  # unseen by a watch: the resync finds it
    asyncio.run(world.operation.resync())
    world.settle()
    assert world.children(CRON_JOB)
    assert world.condition("Ready")["reason"] == "Starting"


def test_what_may_not_be_listed_stays_said_while_it_is_listed_again(world: Any) -> None:
    world.cluster.fail = lambda what, kind, name: Forbidden("no budgets", 403) if (what, kind) == ("list", "PodDisruptionBudget") else None
    world.spec()
    asyncio.run(world.operation.resync())
    world.settle()
    seen = []

    def fail(what: str, kind: str, name: str) -> Exception | None:
        if what == "list":
            seen.append(dict(world.operation.reconciler.memory.unlisted))
        return Forbidden("no budgets", 403) if (what, kind) == ("list", "PodDisruptionBudget") else None

    world.cluster.fail = fail
    asyncio.run(world.operation.resync())
    assert seen == [{"": "no budgets"}] * len(seen)
    world.cluster.fail = lambda what, kind, name: ClusterError("away", 0)
    with pytest.raises(ClusterError):
        asyncio.run(world.operation.resync())
    assert world.operation.reconciler.memory.unlisted, "nor does a server that is away take it back"
    world.cluster.fail = lambda what, kind, name: None
    asyncio.run(world.operation.resync())
    assert not world.operation.reconciler.memory.unlisted


def test_the_only_namespace_must_be_listed(world: Any) -> None:
    world.cluster.fail = lambda verb, kind, name: Forbidden(RBAC.format(verb="list"), 403) if verb == "list" else None
    with pytest.raises(Forbidden):
        asyncio.run(world.operation.resync())


def test_what_may_not_be_deleted_is_named(world: Any) -> None:
    made = world.spec()
    world.settle()
    said = RBAC.format(verb="delete")
    world.cluster.fail = lambda verb, kind, name: Forbidden(said, 403) if verb == "delete" else None
    world.spec(venues=made["spec"]["venues"][:4])
    world.settle()
    assert world.condition("Ready")["reason"] == "Forbidden"
    assert "cannot delete" in world.condition("Ready")["message"]


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (RBAC.format(verb="patch"), Forbidden),
        (RESIZE, Invalid),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', Invalid),
        ('configmaps "x" is forbidden: exceeded quota: compute, requested: count/configmaps=1', Invalid),
        ('admission webhook "policy.example.org" denied the request: no', Invalid),
        ('cronjobs "x" is forbidden: unable to create new content in namespace trading because it is being terminated', Invalid),
    ],
)
def test_only_the_authorizers_word_is_a_missing_permission(said: str, means: type[ClusterError]) -> None:
    assert type(refusal(403, json.dumps({"message": said}), None, "PATCH x")) is means


def test_a_volume_that_cannot_grow_is_no_missing_permission(world: Any) -> None:
    world.spec()
    world.settle()
    error = refusal(403, RESIZE, None, "PATCH x")
    world.cluster.fail = lambda verb, kind, name: error if (verb, kind) == ("apply", CLAIM.name) else None
    world.spec(store={"persistentVolumeClaim": {"size": "50Gi"}})
    world.settle()
    ready = world.condition("Ready")
    assert (ready["reason"], "ResizeRefused" in ready["message"]) == ("Starting", True)


@pytest.mark.parametrize(("kind", "name"), [(CONFIG_MAP, "majors-collection"), (CLAIM, "majors-tape")])
def test_pods_never_mount_what_is_not_ours(world: Any, kind: Any, name: str) -> None:
    world.cluster.put(foreign(kind, name))
    world.spec()
    world.settle()
    assert world.condition("Ready")["reason"] == "NameTaken"
    assert not world.children(CRON_JOB, DEPLOYMENT, JOB)
    world.cluster.remove(kind, NS, name)
    world.operation.queue.add(world.operation.cache.specs()[0])
    world.settle()
    assert world.children(CRON_JOB, DEPLOYMENT, JOB)


def test_a_refused_config_map_holds_everything(world: Any) -> None:
    refused = Invalid("exceeded quota: count/configmaps", 403)
    world.cluster.fail = lambda verb, kind, name: refused if verb in WRITES and kind == CONFIG_MAP.name else None
    world.spec()
    world.settle()
    assert world.condition("Ready")["reason"] == "Refused"
    assert not world.children(CRON_JOB, DEPLOYMENT, JOB)


def mirrored(manifest: dict[str, Any]) -> None:
    """What a policy for images does to a CronJob."""
    if manifest["kind"] == CRON_JOB.name:
        (container,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        container["image"] = "mirror.example.org/" + container["image"].removeprefix("mirror.example.org/")


def resync(world: Any, minutes: int) -> None:
    for _ in range(minutes // 5):
        world.at += 300_000
        asyncio.run(world.operation.resync())
        world.settle(61)


def test_what_a_webhook_rewrites_is_no_drift_and_hides_no_missed_run(world: Any) -> None:
    world.cluster.mutate = mirrored
    world.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"every": "5m"}})
    world.settle()
    name = "majors-binance-open-interest"
    world.run(name)
    world.settle(61)
    writes = len(world.cluster.writes)
    resync(world, 60)
    assert not [write for write in world.cluster.writes[writes:] if write[0] in WRITES]
    assert world.line("binance", "open_interest")["reason"] == "MissedRuns"
    assert world.condition("StoreReady")["reason"] == "PublisherLate"
    world.cluster.edit(CRON_JOB, NS, name, lambda m: m["spec"].update(schedule="* * * * *"))
    world.settle()
    assert world.children()[CRON_JOB.name, name]["spec"]["schedule"] != "* * * * *", "a hand's edit is put right as ever"


def test_a_restarted_operator_learns_what_a_webhook_rewrites_and_hides_no_missed_run(world: Any) -> None:
    world.cluster.mutate = mirrored
    world.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"every": "5m"}})
    world.settle()
    world.run("majors-binance-open-interest")
    world.settle(61)
    world.at += 3_600_000
    world.restart()
    world.settle(61)
    assert world.line("binance", "open_interest")["reason"] == "MissedRuns", "a write that changes nothing is none"


def test_a_claim_that_is_being_deleted_is_told_while_the_tape_can_be_saved(world: Any) -> None:
    world.spec()
    world.settle(61)
    held = {"deletionTimestamp": clock.iso(world.at), "finalizers": ["kubernetes.io/pvc-protection"]}
    world.cluster.edit(CLAIM, NS, "majors-tape", lambda m: m["metadata"].update(held))
    assert world.settle(600) < 20, "it is looked for less and less often"
    for type_ in ("Ready", "StoreReady"):
        told = world.condition(type_)
        assert (told["status"], told["reason"]) == ("False", "ClaimTerminating")
        assert "majors-tape is being deleted" in told["message"]
    world.cluster.remove(CLAIM, NS, "majors-tape")
    world.settle()
    assert world.condition("Ready")["reason"] == "Starting", "a new one is made"


def test_a_child_that_is_being_deleted_is_not_called_an_earlier_specs(world: Any) -> None:
    world.spec()
    world.settle()
    gone = {"deletionTimestamp": clock.iso(world.at), "finalizers": ["example.org/slow"]}
    world.cluster.edit(NETWORK_POLICY, NS, "majors-network", lambda m: m["metadata"].update(gone))
    world.settle()
    told = world.condition("Ready")
    assert (told["reason"], told["message"]) == ("Waiting", "NetworkPolicy majors-network is being deleted")


def test_two_operators_of_one_spec_do_not_race(world: Any) -> None:
    world.spec()
    world.settle()
    theirs = {"perptape.io/operator": "elsewhere.perptape"}
    for kind, name in list(world.children(CRON_JOB)):
        world.cluster.edit(CRON_JOB, NS, name, lambda m: m["metadata"]["labels"].update(theirs))
        world.operation.cache.drop(kind, NS, name, "")
    world.operation.queue.add(world.operation.cache.specs()[0])
    world.settle()
    assert world.condition("Ready")["reason"] == "OtherOperator"
    writes = len(world.cluster.writes)
    for _ in range(20):  # the other one writes what it thinks whenever this one did
        world.at += 1000
        world.cluster.edit(COLLECTION, NS, "majors", lambda m: m["status"].update(conditions=[]))
        world.settle()
    assert len(world.cluster.writes) == writes
    world.settle(61)
    assert world.condition("Ready")["reason"] == "OtherOperator"


def test_a_child_without_its_label_is_put_right_though_a_quota_is_used_up(world: Any) -> None:
    """Admission refuses what is new before anybody looks whether its name is taken."""
    world.spec()
    world.settle()
    at = (CRON_JOB.name, "majors-binance-funding")
    world.cluster.edit(CRON_JOB, NS, at[1], lambda m: m["metadata"]["labels"].pop("perptape.io/operator"))
    refused = Invalid("exceeded quota: count/cronjobs.batch", 403)
    world.cluster.fail = lambda verb, kind, name: refused if (verb, kind) == ("create", CRON_JOB.name) else None
    world.settle(60)
    assert world.children(CRON_JOB)[at]["metadata"]["labels"]["perptape.io/operator"] == world.settings.identity


def test_what_took_a_childs_name_unseen_is_not_written_over(world: Any) -> None:
    world.spec()
    world.settle()
    world.cluster.watchers.clear()  # late
    world.cluster.remove(CRON_JOB, NS, "majors-binance-funding")
    theirs = world.cluster.put(foreign(CRON_JOB, "majors-binance-funding"))
    world.cluster.watchers.append(world.watch)
    world.spec(collect={"funding": {"every": "10m"}})
    world.settle(5)
    assert world.cluster.named(CRON_JOB)["majors-binance-funding"] == theirs
