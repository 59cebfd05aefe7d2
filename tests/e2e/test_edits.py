"""What edits, hands and strangers do to a spec's children: only what an edit concerns changes, and what hands undo is done again."""

import copy
import json
from typing import Any

import pytest

from support.kube import CommandFailed
from support.namespace import Namespace, condition, line
from support.specs import VOLUME, collection

NOWHERE = {venue: f"http://venues:{18101 + number}" for number, venue in enumerate(("binance", "bybit", "okx"))}
COLLECT: dict[str, Any] = {"openInterest": {"every": "5m"}, "funding": {"every": "1h"}, "liquidations": {"replicas": 1}}
ALL = ("open-interest", "funding", "liquidations")


def asleep(name: str, *venues: str) -> dict[str, Any]:
    """A suspended spec: it has all its children, and no pod."""
    return collection(name, {venue: NOWHERE[venue] for venue in venues}, copy.deepcopy(COLLECT), VOLUME, suspend=True)


def settled(home: Namespace, document: dict[str, Any]) -> dict[str, str]:
    """Applies the spec; says of each child which one it is and in which version, once the operator has dealt with it."""
    home.apply(document)
    home.until_told(document["metadata"]["name"], lambda status: condition(status, "Ready").get("reason") == "Suspended")
    return versions(home, document["metadata"]["name"])


def versions(home: Namespace, spec: str) -> dict[str, str]:
    """Of each child its UID and what changes when its spec does."""
    found = {}
    for name, child in home.children(spec).items():
        meta = child["metadata"]
        found[name] = f"{meta['uid']} {meta['annotations']['perptape.io/plan-hash']} {meta.get('generation', meta['resourceVersion'])}"
    del found[f"PersistentVolumeClaim/{spec}-tape"]  # binding writes to it
    return found


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_an_edit_changes_only_the_children_that_it_concerns(home: Namespace) -> None:
    document = asleep("edited", "binance", "bybit")
    at_first = settled(home, document)
    assert len(at_first) == 9  # six collectors, publisher, ConfigMap, NetworkPolicy

    document["spec"]["symbols"]["names"].append("ETHUSDT-PERP")
    with_symbol = settled(home, document)
    collectors = {
        f"{'Deployment' if name == 'liquidations' else 'CronJob'}/edited-{venue}-{name}" for venue in ("binance", "bybit") for name in ALL
    }
    assert changed(at_first, with_symbol) == collectors | {"ConfigMap/edited-collection"}

    document["spec"]["collect"]["openInterest"]["every"] = "15m"
    rescheduled = settled(home, document)
    on_time = {f"CronJob/edited-{venue}-open-interest" for venue in ("binance", "bybit")}
    assert changed(with_symbol, rescheduled) == on_time | {"ConfigMap/edited-collection"}

    document["spec"]["venues"].append({"exchange": "okx", "endpoint": NOWHERE["okx"]})
    with_venue = settled(home, document)
    added = {"CronJob/edited-okx-open-interest", "CronJob/edited-okx-funding", "Deployment/edited-okx-liquidations"}
    about_all = {"ConfigMap/edited-collection", "NetworkPolicy/edited-network"}
    assert changed(rescheduled, with_venue) == added | about_all
    assert added <= with_venue.keys()

    del document["spec"]["venues"][1]
    without_venue = settled(home, document)
    removed = {"CronJob/edited-bybit-open-interest", "CronJob/edited-bybit-funding", "Deployment/edited-bybit-liquidations"}
    assert changed(with_venue, without_venue) == removed | about_all
    assert not removed & without_venue.keys()
    told = home.get("collectionspec", "edited")["status"]["collections"]
    assert {one["exchange"] for one in told} == {"binance", "okx"}


def test_what_a_hand_changes_or_deletes_is_put_right(home: Namespace) -> None:
    before = settled(home, asleep("handled", "binance"))
    schedule = home.get("cronjob", "handled-binance-funding")["spec"]["schedule"]
    home.kubectl("patch", "cronjob", "handled-binance-funding", "--patch", '{"spec": {"schedule": "0 0 1 1 *"}}')
    home.until("cronjob", "handled-binance-funding", lambda one: one["spec"]["schedule"] == schedule)
    home.kubectl("scale", "deployment", "handled-binance-liquidations", "--replicas", "3")
    home.until("deployment", "handled-binance-liquidations", lambda one: one["spec"]["replicas"] == 0)
    for kind, name in (("configmap", "collection"), ("deployment", "binance-liquidations"), ("cronjob", "publish")):
        old = home.get(kind, f"handled-{name}")["metadata"]["uid"]
        home.kubectl("delete", kind, f"handled-{name}")
        home.until(kind, f"handled-{name}", lambda one, old=old: one["metadata"]["uid"] != old)
    assert versions(home, "handled").keys() == before.keys()


def test_what_an_edit_leaves_out_is_gone_from_the_children(home: Namespace) -> None:
    """They were created, not applied: the server must take what they were created with for ours, else it would stay for ever."""
    document = asleep("lighter", "binance")
    document["spec"]["worker"] = {"nodeSelector": {"perptape.io/nowhere": "yes"}, "resources": {"limits": {"memory": "300Mi"}}}
    settled(home, document)
    del document["spec"]["worker"]
    settled(home, document)
    name, at = "lighter-binance-funding", ("spec", "jobTemplate", "spec", "template", "spec")
    cron_job = home.until("cronjob", name, lambda one: "nodeSelector" not in str(one["spec"]))
    pod = cron_job
    for step in at:
        pod = pod[step]
    assert pod["containers"][0]["resources"].get("limits", {}).get("memory") != "300Mi"
    shown = json.loads(home.kubectl("get", "cronjob", name, "--show-managed-fields", "--output", "json"))["metadata"]["managedFields"]
    assert {entry["operation"] for entry in shown if entry["manager"] == "perptape-operator"} == {"Apply"}


def test_somebody_elses_object_of_a_childs_name_is_left_alone_and_named(home: Namespace) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taken-collection"}, "data": {"theirs": "yes"}}
    home.apply(theirs, asleep("taken", "binance"))
    status = home.until_told("taken", lambda told: condition(told, "Ready").get("reason") == "NameTaken")
    assert "ConfigMap taken-collection" in condition(status, "Ready")["message"]
    assert home.get("configmap", "taken-collection")["data"] == {"theirs": "yes"}
    home.kubectl("delete", "configmap", "taken-collection")
    home.kubectl("annotate", "cspec", "taken", "looked-at=again")  # else it is seen at the next look at everything
    home.until_told("taken", lambda told: condition(told, "Ready").get("reason") == "Suspended")
    assert "perptape.io/spec" in home.get("configmap", "taken-collection")["metadata"]["labels"]


def test_unknown_fields_are_refused_by_kubectl_and_pruned_by_the_server(home: Namespace) -> None:
    document = asleep("future", "binance")
    document["spec"]["collect"]["moonPhases"] = {"every": "1d"}
    with pytest.raises(CommandFailed, match="moonPhases"):  # kubectl is strict by itself
        home.kubectl("apply", "--filename", "-", given=json.dumps(document))
    home.apply(document)
    home.until_told("future", lambda told: condition(told, "Ready").get("reason") == "Suspended")
    assert "moonPhases" not in home.get("collectionspec", "future")["spec"]["collect"]


def test_a_venue_without_a_feed_is_told_and_gets_no_pod(home: Namespace) -> None:
    endpoints = {"hyperliquid": "http://venues:18103"}
    home.apply(collection("feedless", endpoints, {"liquidations": {}}, VOLUME))
    status = home.until_told("feedless", lambda told: condition(told, "Ready").get("reason") == "NotOffered")
    assert line(status, "hyperliquid", "liquidations")["state"] == "Unsupported"
    assert "no public feed" in line(status, "hyperliquid", "liquidations")["message"]
    assert not [name for name in home.children("feedless") if name.startswith("Deployment/")]
