"""The mounted spec: the kubelet brings a change late, and publisher and verifier learn from it how the store is reached."""

import json

import pytest

from perptape.cli.keep import place
from perptape.pod.mounted import PATIENCE_S, Stale, collection, current
from perptape.settings import settings
from perptape_api.errors import SpecError

S3 = {"s3": {"bucket": "tape", "prefix": "prod", "endpoint": "http://minio:9000", "region": "eu-west-1"}}
POD = {"PERPTAPE_NAMESPACE": "trading", "PERPTAPE_CATALOG": "s3://tape/prod"}


def document(**spec):
    return {
        "apiVersion": "perptape.io/v1alpha1",
        "kind": "CollectionSpec",
        "metadata": {"name": "majors"},
        "spec": {
            "venues": [{"exchange": "okx"}],
            "symbols": {"names": ["BTCUSDT-PERP"]},
            "collect": {"funding": {}},
            "store": S3,
            **spec,
        },
    }


def reading(*found):
    """What is read, one after another, the last for ever; and how long was slept."""
    left, slept = list(found), []

    async def sleep(seconds):
        slept.append(seconds)

    return (lambda: left.pop(0) if len(left) > 1 else left[0]), sleep, slept


async def test_the_spec_that_the_pod_was_made_for_is_taken_at_once():
    read, sleep, slept = reading("new")
    assert await current(read, str, "new", sleep) == "new"
    assert slept == []


async def test_an_older_one_is_read_again_until_the_kubelet_has_brought_the_right_one():
    read, sleep, slept = reading("old", "old", "old", "new")
    said = []
    assert await current(read, str, "new", sleep, said=said.append) == "new"
    assert len(slept) == 3
    assert len(said) == 1


async def test_after_two_minutes_it_is_given_up():
    read, sleep, slept = reading("old")
    with pytest.raises(Stale, match="after 120 s"):
        await current(read, str, "new", sleep)
    assert sum(slept) == PATIENCE_S == 120


def test_a_field_that_only_a_newer_operator_knows_is_no_concern(tmp_path):
    path = tmp_path / "collection.json"
    path.write_text(json.dumps(document(weather="fine")))
    found = collection(path)
    assert found is not None
    assert found.metadata.name == "majors"
    assert collection(tmp_path / "nothing.json") is None
    path.write_text("{")
    with pytest.raises(SpecError):
        collection(path)


def test_publisher_and_verifier_reach_the_store_as_the_spec_says(tmp_path):
    path = tmp_path / "collection.json"
    path.write_text(json.dumps(document()))
    found = place(None, settings(POD), path)
    assert (found.location, found.endpoint, found.region) == ("s3://tape/prod", "http://minio:9000", "eu-west-1")
    assert place(None, settings(POD), tmp_path / "nothing.json").endpoint is None
    assert place(None, settings({"PERPTAPE_CATALOG": "s3://tape/prod"}), path).endpoint is None, "on a laptop nothing is mounted"
