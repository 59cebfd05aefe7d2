"""What the API server refuses, with our words; and what gets past it, which the operator names."""

import copy
import json
from typing import Any

import pytest

from support.kube import Cluster, CommandFailed
from support.namespace import Namespace, condition
from support.specs import VOLUME, collection

WELL = collection("well", {"binance": "http://venues:18101"}, {"openInterest": {}}, VOLUME, suspend=True)
S3 = {"s3": {"bucket": "tape", "endpoint": "http://minio:9000"}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"collect": {}}, "collect at least one of openInterest, funding and liquidations"),
    ({"symbols": {}}, "give exactly one of names and select"),
    ({"symbols": {"names": ["BTCUSDT-PERP"], "select": {"top": 3}}}, "give exactly one of names and select"),
    ({"symbols": {"select": {}}}, "select needs at least one of quote, base, match and top"),
    ({"symbols": {"names": ["BTC USDT"]}}, "spec.symbols.names"),
    ({"symbols": {"names": ["BTCUSDT-PERP", "BTCUSDT-PERP"]}}, "Duplicate value"),
    ({"store": {**VOLUME, **S3}}, "give exactly one of persistentVolumeClaim and s3"),
    ({"store": {"persistentVolumeClaim": {"claimName": "theirs", "size": "1Gi"}}}, "claimName takes a claim as it is"),
    ({"venues": [{"exchange": "mtgox"}]}, "spec.venues"),
    ({"venues": [{"exchange": "binance"}, {"exchange": "binance"}]}, "Duplicate value"),
    ({"venues": [{"exchange": "binance", "endpoint": "http://venues:18101/"}]}, "spec.venues"),
    ({"collect": {"openInterest": {"every": "7m"}}}, "spec.collect.openInterest.every"),
    ({"collect": {"liquidations": {"replicas": 0}}}, "spec.collect.liquidations.replicas"),
]


@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_the_api_server_refuses_it_in_our_words(cluster: Cluster, change: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandFailed, match=said):
        tried(cluster, {**WELL, "spec": {**WELL["spec"], **change}})


def test_a_name_that_is_too_long_for_a_label_is_refused(cluster: Cluster) -> None:
    with pytest.raises(CommandFailed, match="63"):
        tried(cluster, {**WELL, "metadata": {"name": "n" * 64}})


def tried(cluster: Cluster, document: dict[str, Any]) -> None:
    cluster.kubectl("apply", "--namespace", "default", "--dry-run=server", "--filename", "-", given=json.dumps(document))


def test_the_longest_name_works_and_its_children_have_shortened_ones(home: Namespace) -> None:
    document = copy.deepcopy(WELL)
    document["metadata"]["name"] = "n" * 63
    home.apply(document)
    home.until_told("n" * 63, lambda told: condition(told, "Ready").get("reason") == "Suspended")
    names = [name.partition("/")[2] for name in home.children("n" * 63)]
    assert len(names) == 5
    assert all(len(name) <= 52 for name in names)


def test_what_is_fixed_for_a_stores_life_cannot_be_edited(home: Namespace) -> None:
    document = copy.deepcopy(WELL)
    home.apply(document)
    for store, said in (
        ({**VOLUME, "format": "nautilus2"}, "format cannot be changed: a new store is a new CollectionSpec"),
        (S3, "the place cannot change between a volume and S3"),
        ({"persistentVolumeClaim": {"size": "100Mi"}}, "size may only grow"),
    ):
        with pytest.raises(CommandFailed, match=said):
            home.apply({**document, "spec": {**document["spec"], "store": store}})


def test_what_gets_past_the_api_server_is_named_by_the_operator(home: Namespace) -> None:
    document = copy.deepcopy(WELL)
    document["spec"]["symbols"] = {"select": {"match": "("}}
    home.apply(document)
    status = home.until_told("well", lambda told: condition(told, "Ready").get("reason") == "InvalidSpec")
    assert condition(status, "Ready")["status"] == "False"
    assert "spec.symbols.select.match" in condition(status, "Ready")["message"]
    assert home.children("well") == {}
