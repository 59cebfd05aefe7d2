"""Beside an operator of another version: what an earlier one left works and goes on, what a later one knows more of is named."""

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from perptape_operator import clock
from perptape_operator.cluster import Undeclared, refusal
from perptape_operator.kinds import COLLECTION, CRON_JOB, DEPLOYMENT, JOB, POD

NS = "trading"
OI = "majors-binance-open-interest"
EARLIER = Path(__file__).parent / "earlier.yaml"
LATER_S = 86_400


def taken_over(world: Any, change: Any = lambda manifest: None) -> dict[tuple[str, str], Any]:
    """The present operator over what an earlier one had written, and that. The clock is a day later."""
    for manifest in yaml.safe_load_all(EARLIER.read_text()):
        change(manifest)
        manifest["metadata"]["resourceVersion"] = str(next(world.cluster._serial))  # versions of one server are in order
        world.cluster.objects[(manifest["kind"], NS, manifest["metadata"]["name"])] = manifest
    world.at += LATER_S * 1000
    started = clock.iso(world.at - 60_000)
    for name in world.cluster.named(CRON_JOB):
        world.cluster.edit(CRON_JOB, NS, name, lambda m: m.setdefault("status", {}).update(lastScheduleTime=started))
    before = world.children()
    world.restart()
    world.settle(120)
    return before


def pods_of(children: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """What makes a Deployment roll, and what the next run of a CronJob is."""
    found = {}
    for at, child in children.items():
        if at[0] == DEPLOYMENT.name:
            found[at] = child["spec"]["template"]
        elif at[0] == CRON_JOB.name:
            found[at] = child["spec"]["jobTemplate"]["spec"]["template"]
    return found


def older(manifest: dict[str, Any]) -> None:
    """As if by one still older: another hash of the plan, a label fewer, and a status that says less and uses other words."""
    if manifest["kind"] != COLLECTION.name:
        manifest["metadata"]["annotations"]["perptape.io/plan-hash"] = "0123456789abcdef"
        del manifest["metadata"]["labels"]["app.kubernetes.io/component"]
        return
    status = manifest["status"]
    del status["wantedSince"], status["summary"]
    for line in status["collections"]:
        line.pop("workHash", None)
        line["reason"], line["mood"] = "Fetching", "good"


@pytest.mark.parametrize("change", [lambda manifest: None, older], ids=["an earlier operator", "one still older"])
def test_what_an_earlier_operator_made_goes_on_without_a_restart(world: Any, change: Any) -> None:
    before = taken_over(world, change)
    after = world.children()
    was, now = pods_of(before), pods_of(after)
    checks = ("CronJob", "majors-verify")
    assert now.pop(checks) != was.pop(checks), "it asks the venues, too, since; its next run is told so, and none is under way"
    assert now == was, "no pod of it is another one"
    assert not world.children(JOB), "nothing is run for the first time again"
    assert not [write for write in world.cluster.writes if write[0] == "delete"]
    assert (
        after[("ConfigMap", "majors-collection")]["data"]["wantedSince"]
        == before[("ConfigMap", "majors-collection")]["data"]["wantedSince"]
    )
    assert after[("PersistentVolumeClaim", "majors-tape")]["spec"] == before[("PersistentVolumeClaim", "majors-tape")]["spec"]
    for at in before:
        assert after[at]["metadata"]["labels"]["app.kubernetes.io/component"], "labels are put right"
    assert world.status()["observedGeneration"] == 1
    assert world.condition("Ready")["reason"] in ("Collecting", "Degraded", "Starting")
    writes = len(world.cluster.writes)
    world.restart()
    world.settle(120)
    assert len(world.cluster.writes) == writes


def test_a_run_of_an_earlier_worker_counts(world: Any) -> None:
    taken_over(world, older)
    template = world.cluster.named(CRON_JOB)[OI]["spec"]["jobTemplate"]["spec"]["template"]
    part = {"venue": "binance", "dataset": "open_interest", "rows": 7, "watermark": world.at, "mood": "good"}
    world.run(OI, {"work_hash": template["metadata"]["annotations"]["perptape.io/work-hash"], "collections": [part], "mood": "good"})
    world.settle(61)
    line = world.line("binance", "open_interest")
    assert (line["state"], line["reason"], line["rows"] >= 7) == ("Ok", "Collecting", True)
    assert "mood" not in line


def test_fields_of_a_newer_definition_are_ignored_wherever_they_are_and_named(worlds: Any) -> None:
    world, plain = worlds(), worlds()
    spec = {"venues": [{"exchange": "binance"}, {"exchange": "okx"}], "collect": {"openInterest": {"every": "5m"}}}
    newer = copy.deepcopy(spec)
    newer["venues"][1]["region"] = "eu"  # type: ignore[index]
    newer["collect"]["openInterest"]["depth"] = {"levels": 3}  # type: ignore[index]
    newer["collect"]["trades"] = {}  # type: ignore[call-overload]
    world.spec(**newer, flavour="vanilla")
    plain.spec(**spec)
    for one in (world, plain):
        one.settle()
    assert world.condition("Ready")["reason"] == "Starting", world.condition("Ready")["message"]
    assert {at: child["spec"] for at, child in world.children(CRON_JOB).items()} == {
        at: child["spec"] for at, child in plain.children(CRON_JOB).items()
    }
    said = world.condition("Ready")["message"]
    for path in ("spec.venues[1].region", "spec.collect.openInterest.depth", "spec.collect.trades", "spec.flavour"):
        assert path in said
    world.spec(**spec)
    world.settle(61)
    assert "does not know" not in world.condition("Ready")["message"]


def test_what_a_newer_definition_shows_of_a_spec_that_nobody_touched_is_seen(world: Any) -> None:
    """A watch that began before goes on telling it by the former definition (a cluster's test met it), and its version stays."""
    world.spec()
    world.settle(61)
    former = copy.deepcopy(world.cluster.objects[COLLECTION.name, NS, "majors"])
    world.cluster.objects[COLLECTION.name, NS, "majors"]["spec"]["flavour"] = "vanilla"
    asyncio.run(world.operation.resync())
    world.settle(61)
    assert "spec.flavour" in world.condition("Ready")["message"]
    told = copy.deepcopy(world.cluster.objects[COLLECTION.name, NS, "majors"])
    del told["spec"]["flavour"]
    assert told["spec"] == former["spec"]
    world.operation.seen("MODIFIED", told)
    world.settle(61)
    assert "spec.flavour" in world.condition("Ready")["message"]


def test_a_choice_of_a_newer_definition_is_no_spec_of_ours_and_changes_nothing(world: Any) -> None:
    world.spec()
    world.settle(61)
    before = {at: child for at, child in world.children().items() if at[0] != POD.name}
    world.spec(collect={"openInterest": {"mode": "quantum"}})
    world.settle(61)
    ready = world.condition("Ready")
    assert (ready["reason"], "spec.collect.openInterest.mode" in ready["message"]) == ("InvalidSpec", True)
    assert {at: child for at, child in world.children().items() if at[0] != POD.name} == before


REFUSED = (
    "failed to create typed patch object (trading/majors; perptape.io/v1alpha1, Kind=CollectionSpec): errors:\n"
    '  .status.collections[dataset="open_interest",exchange="binance"].rowsEarlier: field not declared in schema\n'
    '  .status.collections[dataset="funding",exchange="binance"].rowsEarlier: field not declared in schema\n'
    "  .status.newer: field not declared in schema"
)
"""What kube-apiserver 1.34 says (measured)."""


def test_a_refusal_by_an_older_definition_names_the_fields() -> None:
    error = refusal(500, json.dumps({"message": REFUSED}), None, "PATCH status")
    assert isinstance(error, Undeclared)
    assert error.fields == {("collections", "rowsEarlier"), ("newer",)}
    assert not isinstance(refusal(500, json.dumps({"message": "etcd is away"}), None, "PATCH status"), Undeclared)


def test_beside_an_older_definition_a_status_says_all_that_that_one_knows(world: Any) -> None:
    """A status with a field that the definition does not declare is refused whole."""
    world.spec(venues=[{"exchange": "binance"}], collect={"openInterest": {"mode": "resident", "every": "1m"}})
    world.settle()

    def older_definition(status: Any) -> Exception | None:
        beyond = any("rowsEarlier" in line for line in status["collections"])
        return refusal(500, json.dumps({"message": REFUSED}), None, "PATCH status") if beyond else None

    world.cluster.refuse_status = older_definition

    def told(number: int, rows: int) -> None:
        template = world.children()[DEPLOYMENT.name, OI]["spec"]["template"]
        work = template["metadata"]["annotations"]["perptape.io/work-hash"]
        part = {"venue": "binance", "dataset": "open_interest", "rows": rows, "watermark": world.at, "ready": True, "last_run": world.at}
        if number not in {int(name[-1]) for name in world.cluster.named(POD)}:
            world.stream(OI, number, {})
        pod = f"{OI}-p{number}"
        world.cluster.answers[pod] = json.dumps({"run": pod, "started": world.at, "work_hash": work, "collections": [part]})
        world.poll()
        world.settle(61)

    told(0, 100)
    world.cluster.remove(POD, NS, f"{OI}-p0")
    told(1, 5)
    told(1, 6)
    told(1, 7)
    ready, line = world.condition("Ready"), world.line("binance", "open_interest")
    assert (line["rows"], "rowsEarlier" in line, ready["reason"]) == (107, False, "Collecting")
    assert "status.collections.rowsEarlier" in ready["message"]
    assert "apply crds/collectionspec.yaml" in ready["message"]
    version = world.cluster.objects[COLLECTION.name, NS, "majors"]["metadata"]["resourceVersion"]
    asyncio.run(world.operation.resync())
    world.settle(61)
    assert world.cluster.objects[COLLECTION.name, NS, "majors"]["metadata"]["resourceVersion"] == version, (
        "to ask again whether the definition is newer changes nothing"
    )
    world.cluster.refuse_status = lambda status: None
    asyncio.run(world.operation.resync())
    told(1, 8)
    line = world.line("binance", "open_interest")
    assert (line["rows"], line["rowsEarlier"], "older" in world.condition("Ready")["message"]) == (108, 100, False)
