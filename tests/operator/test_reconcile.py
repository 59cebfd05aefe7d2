"""What the operator does to a cluster, by what is in the cluster afterwards."""

import asyncio
import copy
from typing import Any

import pytest

from perptape_operator import clock
from perptape_operator.cluster import ClusterError, Forbidden, Invalid
from perptape_operator.kinds import (
    BY_NAME,
    CLAIM,
    COLLECTION,
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    NETWORK_POLICY,
    POD,
    Kind,
    uid_of,
)
from perptape_operator.likeness import contained
from support.fake_cluster import WRITES

NS = "trading"
S3 = {"s3": {"bucket": "tape", "prefix": "prod"}}
OI = "majors-binance-open-interest"


def test_a_spec_gets_its_children(world: Any) -> None:
    world.spec()
    world.settle()
    kinds = [kind for kind, _ in world.children()]
    assert kinds.count("CronJob") == 12  # two for each of five venues, publish, verify
    assert kinds.count("Deployment") == 4  # Hyperliquid has no feed
    assert kinds.count("Job") == 10
    assert (kinds.count("ConfigMap"), kinds.count("PersistentVolumeClaim"), kinds.count("NetworkPolicy")) == (1, 1, 1)
    assert "PodDisruptionBudget" not in kinds  # one node: a budget would only hold up its drain


def test_reconciling_twice_changes_nothing(world: Any) -> None:
    world.spec()
    world.settle()
    before, writes = world.children(), len(world.cluster.writes)
    for key in world.operation.cache.specs():
        world.operation.queue.add(key)
    world.settle()
    assert (world.children(), len(world.cluster.writes)) == (before, writes)


def test_a_restarted_operator_changes_nothing(world: Any) -> None:
    world.spec(store=S3)
    world.settle()
    writes = len(world.cluster.writes)
    world.restart()
    world.settle()
    assert len(world.cluster.writes) == writes


def test_nothing_has_a_finalizer(world: Any) -> None:
    world.spec()
    world.settle()
    assert not [at for at, child in world.children(COLLECTION, *_all()).items() if child["metadata"].get("finalizers")]


def test_since_when_it_is_wanted_is_there_before_anything_runs(world: Any) -> None:
    world.spec()
    world.settle()
    applied = [kind for verb, kind, _ in world.cluster.writes if verb in WRITES]
    assert applied[0] == "ConfigMap"


def test_an_edit_of_one_venue_concerns_its_children_only(world: Any) -> None:
    made = world.spec(store=S3)
    world.settle()
    before = world.children(CRON_JOB, DEPLOYMENT)
    venues = [{**venue, "endpoint": "http://proxy:9000"} if venue["exchange"] == "okx" else venue for venue in made["spec"]["venues"]]
    world.spec(store=S3, venues=venues)
    world.settle()
    after = world.children(CRON_JOB, DEPLOYMENT)
    assert {name for (_, name), child in after.items() if child["spec"] != before[child["kind"], name]["spec"]} == {
        "majors-okx-open-interest",
        "majors-okx-funding",
        "majors-okx-liquidations",
    }


def test_a_removed_venue_leaves_and_its_data_stays(world: Any) -> None:
    made = world.spec()
    world.settle()
    world.spec(venues=[venue for venue in made["spec"]["venues"] if venue["exchange"] != "bybit"])
    world.settle()
    assert not [name for _, name in world.children() if "bybit" in name]
    assert not [line for line in world.status()["collections"] if line["exchange"] == "bybit"]
    assert (CLAIM.name, "majors-tape") in world.children()


def test_an_added_venue_gets_a_first_job_and_no_other_does(world: Any) -> None:
    made = world.spec()
    world.spec(venues=made["spec"]["venues"][:4])
    world.settle()
    writes = len(world.cluster.writes)
    world.spec(venues=made["spec"]["venues"])
    world.settle()
    jobs = [name for verb, kind, name in world.cluster.writes[writes:] if verb in WRITES and kind == "Job"]
    assert len(jobs) == 2
    assert all(name.startswith("majors-deribit-") for name in jobs)


def test_suspend_and_resume(world: Any) -> None:
    world.spec()
    world.settle()
    since = world.status()["wantedSince"]
    world.spec(suspend=True)
    world.settle()
    children = world.children(CRON_JOB, DEPLOYMENT)
    assert all(child["spec"]["suspend"] for (kind, _), child in children.items() if kind == "CronJob")
    assert all(child["spec"]["replicas"] == 0 for (kind, _), child in children.items() if kind == "Deployment")
    assert world.condition("Ready")["reason"] == "Suspended"
    assert world.status()["wantedSince"] == since
    world.at += 3_600_000
    world.spec(suspend=False)
    world.settle()
    children = world.children(CRON_JOB, DEPLOYMENT)
    assert not any(child["spec"].get("suspend") for child in children.values())
    assert world.status()["wantedSince"] > since, "what was missed on purpose is no gap"


def test_the_publisher_of_a_suspended_spec_goes_on_while_it_has_something_to_fold(world: Any) -> None:
    world.spec()
    world.settle()
    world.run("majors-publish", {"publisher": {"segments": 3}})
    world.settle()
    world.spec(suspend=True)
    for wait_s, left, suspended in ((61, 3, False), (600, 0, False), (900, 0, True)):
        world.at += wait_s * 1000
        world.run("majors-publish", {"publisher": {"segments": left}})
        world.settle(61)
        assert world.children()[("CronJob", "majors-publish")]["spec"]["suspend"] is suspended, f"{left} left after {wait_s} s"


def test_what_was_under_way_when_a_spec_was_suspended_is_still_folded(world: Any) -> None:
    world.spec()
    world.settle()
    world.run("majors-publish", {"publisher": {"segments": 0}})
    world.settle(61)
    world.spec(suspend=True)
    world.settle(61)
    assert not world.children()[("CronJob", "majors-publish")]["spec"]["suspend"], "a run under way may leave segments yet"
    world.at += 20 * 60_000
    world.run("majors-publish", {"publisher": {"segments": 0}})
    world.settle(61)
    assert world.children()[("CronJob", "majors-publish")]["spec"]["suspend"]


def test_a_deleted_child_comes_back(world: Any) -> None:
    world.spec()
    world.settle()
    for kind, name in ((CRON_JOB, OI), (CONFIG_MAP, "majors-collection"), (NETWORK_POLICY, "majors-network")):
        before = world.children()[(kind.name, name)]
        world.cluster.remove(kind, NS, name)
        world.settle()
        after = world.children()[(kind.name, name)]
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        assert after.get("spec") == before.get("spec")
        assert after.get("data") == before.get("data")


def test_an_edited_child_is_put_right_and_what_others_add_is_left(world: Any) -> None:
    world.spec()
    world.settle()
    line = world.children()[("CronJob", OI)]["spec"]["schedule"]
    world.cluster.edit(CRON_JOB, NS, OI, lambda m: m["spec"].update(schedule="* * * * *"))
    world.cluster.edit(CRON_JOB, NS, OI, lambda m: m["metadata"]["labels"].update(team="desk"))
    world.settle()
    child = world.children()[("CronJob", OI)]
    assert child["spec"]["schedule"] == line
    assert child["metadata"]["labels"]["team"] == "desk"


def test_quantities_that_the_server_writes_otherwise_are_no_drift(world: Any) -> None:
    world.spec(worker={"resources": {"requests": {"cpu": "0.1", "memory": "128Mi"}}})
    world.settle()
    container = world.children()[("CronJob", OI)]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"]["cpu"] == "100m"
    writes = len(world.cluster.writes)
    asyncio_resync(world)
    assert len(world.cluster.writes) == writes


@pytest.mark.parametrize(
    ("planned", "live", "same"),
    [
        ("1e3", "1k", True),
        ("1.073741824e+09", "1073741824", True),
        ("1.073741824e+09", "2Gi", False),
        ("1E", "1E", True),
        ("1E", "1Ei", False),
        ("1e3", "1e4", False),
        ("1.5m", "2m", True),
        ("0.5", "500m", True),
        ("what a newer server has", "what a newer server has", True),
        ("what a newer server has", "something else", False),
    ],
)
def test_amounts_are_compared_as_the_numbers_that_they_mean(planned: str, live: str, same: bool) -> None:
    assert contained({"limits": {"memory": planned}}, {"limits": {"memory": live}}) is same


def test_a_taken_name_is_never_applied_and_says_so(world: Any) -> None:
    theirs = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": OI, "namespace": NS}, "spec": {"schedule": "1 * * * *"}}
    world.cluster.put(theirs)
    world.spec()
    world.settle()
    assert world.children()[("CronJob", OI)]["spec"]["schedule"] == "1 * * * *"
    assert world.condition("Ready")["reason"] == "NameTaken"
    assert OI in world.condition("Ready")["message"]
    assert ("CronJob", "majors-binance-funding") in world.children(), "the others go on"


def test_another_operators_child_is_left_to_it(world: Any) -> None:
    world.spec()
    world.settle()
    other = {"perptape.io/operator": "elsewhere.perptape"}
    world.cluster.edit(CRON_JOB, NS, OI, lambda m: m["metadata"]["labels"].update(other))
    world.operation.cache.drop("CronJob", NS, OI, "")  # what a filtered watch says of it
    world.operation.queue.add(world.operation.cache.specs()[0])
    world.settle()
    assert world.condition("Ready")["reason"] == "OtherOperator"
    assert world.children()[("CronJob", OI)]["metadata"]["labels"]["perptape.io/operator"] == "elsewhere.perptape"


@pytest.mark.parametrize("label", [None, "other"])
def test_a_child_that_was_out_of_sight_for_a_while_goes_when_it_is_wanted_no_more(world: Any, label: str | None) -> None:
    world.spec()
    world.settle()

    def labelled(value: str | None) -> None:
        def change(live: Any) -> None:
            live["metadata"]["labels"].pop("perptape.io/operator", None)
            live["metadata"]["labels"].update({"perptape.io/operator": value} if value else {})

        world.cluster.edit(CRON_JOB, NS, "majors-binance-open-interest", change)

    labelled(label)
    world.settle(61)
    labelled(world.settings.identity)
    world.settle(61)
    world.spec(venues=[{"exchange": "bybit"}])
    world.settle(10)
    assert not [name for _, name in world.children(CRON_JOB) if "binance" in name]


def test_a_word_from_before_its_end_brings_nothing_back(world: Any) -> None:
    world.spec()
    world.settle()
    cache, name = world.operation.cache, "majors-binance-open-interest"
    before = copy.deepcopy(world.cluster.objects[(CRON_JOB.name, NS, name)])
    world.cluster.remove(CRON_JOB, NS, name)
    assert not cache.put(before)
    assert cache.get(CRON_JOB, NS, name) is None


def test_a_spec_that_is_made_anew_is_wanted_from_then_on_whatever_is_left_of_the_earlier_one(world: Any) -> None:
    world.spec()
    world.settle()
    gone = world.cluster.objects.pop((COLLECTION.name, NS, "majors"))  # the collector is late
    world.operation.seen("DELETED", gone)
    world.settle(3 * 86_400)
    made = clock.iso(world.at)
    world.spec()
    world.settle(10)
    assert world.status()["wantedSince"] == made
    for kind, name in world.children():
        if any(owner["uid"] == uid_of(gone) for owner in world.children()[kind, name]["metadata"].get("ownerReferences") or []):
            world.cluster.remove(BY_NAME[kind], NS, name)
    world.settle(10)
    assert (world.status()["wantedSince"], world.children()[CONFIG_MAP.name, "majors-collection"]["data"]["wantedSince"]) == (made, made)


def test_a_deleted_spec_takes_its_children_and_leaves_the_tape(world: Any) -> None:
    world.spec()
    world.settle()
    claim = world.children()[("PersistentVolumeClaim", "majors-tape")]
    world.cluster.remove(COLLECTION, NS, "majors")
    world.settle()
    assert list(world.children()) == [("PersistentVolumeClaim", "majors-tape")]
    world.spec()
    world.settle()
    assert world.children()[("PersistentVolumeClaim", "majors-tape")]["metadata"]["uid"] == claim["metadata"]["uid"]


def test_orphaned_children_are_adopted(world: Any) -> None:
    world.spec()
    world.settle()
    world.cluster.remove(COLLECTION, NS, "majors", orphan=True)
    made = world.spec()
    world.settle()
    children = world.children(CRON_JOB, DEPLOYMENT, CONFIG_MAP)
    owners = {child["metadata"]["ownerReferences"][0]["uid"] for child in children.values()}
    assert owners == {made["metadata"]["uid"]}
    assert all(len(child["metadata"]["ownerReferences"]) == 1 for child in children.values())


def test_children_of_a_vanished_owner_wait_for_the_collector_then_are_adopted(world: Any) -> None:
    world.spec()
    world.settle()
    gone = world.cluster.objects.pop((COLLECTION.name, NS, "majors"))  # deleted, and the collector has not come yet
    world.operation.seen("DELETED", gone)
    made = world.spec()
    world.settle()
    assert world.condition("Ready")["reason"] == "Waiting"
    uids = {child["metadata"]["ownerReferences"][0]["uid"] for child in world.children(CRON_JOB).values()}
    assert uids == {gone["metadata"]["uid"]}
    world.settle(40)
    uids = {child["metadata"]["ownerReferences"][0]["uid"] for child in world.children(CRON_JOB).values()}
    assert uids == {made["metadata"]["uid"]}
    assert world.condition("Ready")["reason"] == "Starting"


def test_a_spec_made_anew_waits_for_the_earlier_ones_first_job_and_makes_its_own(world: Any) -> None:
    world.spec()
    world.settle()
    gone = world.cluster.objects.pop((COLLECTION.name, NS, "majors"))
    world.operation.seen("DELETED", gone)
    made = world.spec()
    world.settle(1)
    jobs = world.cluster.named(JOB)
    for kind, name in world.children(CRON_JOB, DEPLOYMENT, CONFIG_MAP, NETWORK_POLICY):  # the collector takes the Jobs last
        world.cluster.remove(BY_NAME[kind], NS, name)
    world.settle(5)
    assert world.cluster.named(JOB).keys() == jobs.keys()
    for name in jobs:
        world.cluster.remove(JOB, NS, name)
    world.settle(5)
    anew = world.cluster.named(JOB)
    assert anew.keys() == jobs.keys()
    assert {job["metadata"]["ownerReferences"][0]["uid"] for job in anew.values()} == {made["metadata"]["uid"]}


def test_a_bigger_claim_is_kept_and_said(world: Any) -> None:
    world.spec(store={"persistentVolumeClaim": {"size": "20Gi"}})
    world.settle()
    world.cluster.remove(COLLECTION, NS, "majors")
    world.spec(store={"persistentVolumeClaim": {"size": "10Gi"}})
    world.settle()
    claim = world.children()[("PersistentVolumeClaim", "majors-tape")]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert "keeps its 20Gi" in world.condition("Ready")["message"]


def test_a_claim_that_cannot_grow_is_said_and_all_else_goes_on(world: Any) -> None:
    world.spec()
    world.settle()
    world.cluster.fail = lambda verb, kind, name: Invalid("the class cannot", 422) if (verb, kind) == ("apply", CLAIM.name) else None
    world.spec(store={"persistentVolumeClaim": {"size": "50Gi"}}, symbols={"names": ["BTCUSDT-PERP"]})
    world.settle()
    assert "ResizeRefused" in world.condition("Ready")["message"]
    assert "ETHUSDT" not in world.children()[("ConfigMap", "majors-collection")]["data"]["collection.json"]


def test_a_missing_permission_is_named(world: Any) -> None:
    said = 'cronjobs.batch is forbidden: User "x" cannot patch resource "cronjobs"'
    world.cluster.fail = lambda verb, kind, name: Forbidden(said, 403) if verb in WRITES and kind == "CronJob" else None
    world.spec()
    world.settle()
    assert world.condition("Ready")["reason"] == "Forbidden"
    assert "cronjobs" in world.condition("Ready")["message"]
    world.cluster.fail = lambda verb, kind, name: None
    asyncio_resync(world)
    assert world.condition("Ready")["reason"] == "Starting"


def test_replicas_on_a_shared_store_get_a_budget_and_spread(world: Any) -> None:
    world.spec(store=S3)
    world.settle()
    children = world.children()
    assert sum(kind == DISRUPTION_BUDGET.name for kind, _ in children) == 4
    pod = children[("Deployment", "majors-okx-liquidations")]["spec"]["template"]["spec"]
    assert "podAntiAffinity" in pod["affinity"]
    assert world.line("okx", "liquidations")["redundancy"] == "node"


def test_a_change_of_mode_replaces_the_child(world: Any) -> None:
    world.spec(collect={"openInterest": {"every": "5m"}})
    world.settle()
    world.spec(collect={"openInterest": {"every": "5m", "mode": "resident"}})
    world.settle()
    kinds = {kind for kind, name in world.children(CRON_JOB, DEPLOYMENT) if name == OI}
    assert kinds == {"Deployment"}
    assert world.line("binance", "open_interest")["schedule"] == "resident, every 5m"


def test_a_first_job_goes_once_it_has_reported(world: Any) -> None:
    world.spec()
    world.settle()
    job = next(child for (kind, name), child in world.children().items() if kind == "Job" and name.startswith(OI))
    work = job["metadata"]["annotations"]["perptape.io/work-hash"]
    collected = {"venue": "binance", "dataset": "open_interest", "rows": 7, "watermark": world.at}
    world.cluster.edit(JOB, NS, job["metadata"]["name"], lambda m: m.update(status={}))
    world.ended(job, {"work_hash": work, "collections": [collected]})
    world.settle(61)
    assert world.line("binance", "open_interest")["rows"] == 7
    assert job["metadata"]["name"] not in world.cluster.named(JOB)
    asyncio_resync(world)
    assert job["metadata"]["name"] not in world.cluster.named(JOB), "and is not made again"


def test_a_first_job_that_failed_without_a_word_stays_until_a_later_run_is_over(world: Any) -> None:
    """What is only seen of it is told as long as it is there: it was forgotten after a minute, and nobody was left to ask."""
    world.spec()
    world.settle()
    job = next(child for (kind, name), child in world.children().items() if kind == "Job" and name.startswith(OI))
    world.ended(job, state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    world.settle(300)
    assert world.line("binance", "open_interest")["reason"] == "OOMKilled"
    assert job["metadata"]["name"] in world.cluster.named(JOB)
    world.at += 60_000
    work = job["metadata"]["annotations"]["perptape.io/work-hash"]
    collected = {"venue": "binance", "dataset": "open_interest", "rows": 7, "watermark": world.at}
    world.run(OI, {"work_hash": work, "collections": [collected]})
    world.settle(120)
    assert world.line("binance", "open_interest")["state"] == "Ok"
    assert job["metadata"]["name"] not in world.cluster.named(JOB)


def test_a_job_that_hangs_is_deleted_after_its_deadline(world: Any) -> None:
    world.spec()
    world.settle()
    name = next(name for name in world.cluster.named(JOB) if name.startswith(OI))
    deadline = world.cluster.named(JOB)[name]["spec"]["activeDeadlineSeconds"]
    world.cluster.edit(JOB, NS, name, lambda m: m.update(status={"startTime": world.cluster.now()}))
    world.settle(deadline + 30)
    assert name in world.cluster.named(JOB)
    world.settle(60)
    assert name not in world.cluster.named(JOB)


def test_an_invalid_spec_is_told_and_its_children_are_left(world: Any) -> None:
    world.spec()
    world.settle()
    before = world.children()
    world.cluster.edit(COLLECTION, NS, "majors", lambda m: m["spec"].update(collect={"openInterest": {"every": "7m"}}))
    world.settle()
    assert world.condition("Ready")["reason"] == "InvalidSpec"
    assert "7m" in world.condition("Ready")["message"]
    assert world.children() == before


def test_fields_of_a_newer_crd_are_ignored_and_named(world: Any) -> None:
    world.spec(flavour="vanilla")
    world.settle()
    assert "spec.flavour" in world.condition("Ready")["message"]
    assert world.children(CRON_JOB)


def test_a_missing_claim_is_named(world: Any) -> None:
    world.spec(store={"persistentVolumeClaim": {"claimName": "theirs"}})
    world.settle()
    assert world.condition("StoreReady")["reason"] == "ClaimMissing"
    assert "theirs" in world.condition("Ready")["message"]
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    about = {"name": "theirs", "namespace": NS}
    world.cluster.put({"apiVersion": "v1", "kind": CLAIM.name, "metadata": about, "spec": claim, "status": {"phase": "Bound"}})
    asyncio_resync(world)
    assert world.condition("Ready")["reason"] == "Starting"
    assert (DISRUPTION_BUDGET.name, "majors-okx-liquidations") in world.children(), "a shared volume spreads over nodes"


@pytest.mark.slow
def test_two_specs_share_a_store_and_a_nested_one_is_refused(world: Any) -> None:
    world.spec("one", store=S3)
    world.settle()
    world.at += 60_000
    world.spec("two", store=S3)
    world.spec("inner", store={"s3": {"bucket": "tape", "prefix": "prod/inner"}})
    world.spec("beside", store={"s3": {"bucket": "tape", "prefix": "production"}})
    world.spec("other", store={**S3, "format": "nautilus2"})
    world.settle()
    reasons = {name: world.condition("StoreReady", name)["reason"] for name in ("one", "two", "inner", "beside", "other")}
    assert reasons == {
        "one": "NotYetUsed",
        "two": "NotYetUsed",
        "inner": "NestedStore",
        "beside": "NotYetUsed",
        "other": "FormatConflict",
    }
    assert all(child["spec"]["suspend"] for (_, name), child in world.children(CRON_JOB).items() if name.startswith("inner-"))
    assert not [name for name in world.cluster.named(JOB) if name.startswith(("inner-", "other-"))]
    world.cluster.remove(COLLECTION, NS, "one")
    world.cluster.remove(COLLECTION, NS, "two")
    world.settle()
    reasons = {name: world.condition("StoreReady", name)["reason"] for name in ("inner", "other")}
    assert reasons == {"inner": "NotYetUsed", "other": "NestedStore"}, "of two as old, the first by name stays"


def test_an_api_server_that_fails_for_a_while_changes_no_status(world: Any) -> None:
    from perptape_operator.cluster import ClusterError

    world.spec()
    world.settle()
    before = world.status()
    world.cluster.fail = lambda verb, kind, name: ClusterError("busy", 500)
    world.spec(symbols={"names": ["BTCUSDT-PERP"]})
    world.settle(60)
    assert world.status() == before
    world.cluster.fail = lambda verb, kind, name: None
    world.settle(300)
    assert world.status()["observedGeneration"] == 2


def test_a_spec_that_was_deleted_unseen_gets_no_child(world: Any) -> None:
    world.cluster.watchers.clear()
    made = world.spec()
    world.operation.cache.put(made)
    world.cluster.remove(COLLECTION, NS, "majors")
    world.operation.queue.add(world.operation.cache.specs()[0])
    world.settle(10)
    assert not world.children()


def test_long_names_are_shortened_and_told_apart(world: Any) -> None:
    names = [("x" * 62) + end for end in "ab"]
    for name in names:
        world.spec(name, store={"s3": {"bucket": "tape", "prefix": name}})
    world.settle()
    children = world.children()
    assert max(len(name) for kind, name in children if kind != "Job") <= 52
    assert max(len(name) for kind, name in children if kind == "Job") <= 63
    assert sum(kind == "CronJob" for kind, _ in children) == 24


def asyncio_resync(world: Any) -> None:
    import asyncio

    asyncio.run(world.operation.resync())
    world.settle()


def _all() -> tuple[Kind, ...]:
    return (CLAIM, CONFIG_MAP, CRON_JOB, DEPLOYMENT, DISRUPTION_BUDGET, JOB, NETWORK_POLICY)


@pytest.mark.parametrize("verb", ["get", "status"])
def test_an_edit_that_an_answer_shows_before_the_watch_does_is_acted_on(world: Any, verb: str) -> None:
    """The watch's word of it is no news then."""
    told: list[Any] = []
    edited: list[str] = []

    def meanwhile(what: str, kind: str, name: str) -> None:
        if (what, kind) == (verb, COLLECTION.name) and not edited:
            edited.append(name)
            world.spec(venues=[{"exchange": "okx"}])

    world.spec(venues=[{"exchange": "binance"}])
    world.cluster.watchers[:] = [lambda what, manifest: told.append((what, manifest))]
    world.cluster.fail = meanwhile
    world.settle()
    for what, manifest in told:
        world.watch(what, manifest)
    world.settle()
    asked = ("okx-open-interest", "okx-funding", "publish", "verify")
    assert {name for _, name in world.children(CRON_JOB)} == {f"majors-{one}" for one in asked}
    assert world.status()["observedGeneration"] == 2


def test_what_the_watches_say_of_the_operators_own_writes_is_no_reason_to_look_again(world: Any) -> None:
    told: list[Any] = []
    world.spec(suspend=True)
    world.cluster.watchers[:] = [lambda what, manifest: told.append((what, manifest))]
    world.settle()
    for what, manifest in told:
        world.watch(what, manifest)
    assert {manifest["kind"] for _, manifest in told} >= {COLLECTION.name, CRON_JOB.name}
    assert world.settle() == 0


def test_an_edit_that_a_look_at_everything_shows_first_is_acted_on_though_that_fails_then(world: Any) -> None:
    told: list[Any] = []
    world.spec(venues=[{"exchange": "binance"}])
    world.settle()
    world.cluster.watchers[:] = [lambda what, manifest: told.append((what, manifest))]
    world.spec(venues=[{"exchange": "okx"}])
    away = ClusterError("etcdserver: request timed out", 500)
    world.cluster.fail = lambda verb, kind, name: away if (verb, kind) == ("list", POD.name) else None
    with pytest.raises(ClusterError):
        asyncio.run(world.operation.resync())
    for what, manifest in told:
        world.watch(what, manifest)
    world.settle()
    assert "majors-okx-funding" in {name for _, name in world.children(CRON_JOB)}
